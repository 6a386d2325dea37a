// An HTTP/1.1 server over TLS 1.3 for API calls: short requests, answers now or later (long polls).
//
// Connections, TLS and parsing have a thread of their own, so that a flood of handshakes leaves the loop to those who are
// being served; handlers run on the loop's thread, one at a time.
//
// Whoever can reach it can send anything: every limit below is enforced, and a connection that has not been vouched for is
// the first to be closed when there are too many.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/time.h"
#include "http/identity.h"
#include "http/message.h"
#include "http/sources.h"
#include "io/event_loop.h"

namespace entresol::http {

struct ServerLimits {
  std::size_t header_bytes = 8 * 1024;
  std::size_t body_bytes = 2 * 1024 * 1024;
  // Of a request whose Authorization is missing: who has proved nothing gets little room.
  std::size_t anonymous_body_bytes = 16 * 1024;
  // Of all requests together, beyond anonymous_body_bytes of each: an Authorization may be anything before the handler has
  // looked at it.
  std::size_t large_bodies_bytes = 64 * 1024 * 1024;
  std::size_t connections = 4096;  // some 80 KiB each, idle
  // Of one source that were not vouched for: a thousand hosts behind one address may join at once.
  std::size_t source_connections = 1024;
  // New ones of one source: each costs a handshake, on one thread for all.
  Rate source_rate = {.per_second = 200, .burst = 2000};
  // Handshake, and a request from its first octet to its last, and an answer's way out.
  base::Duration io_time = std::chrono::seconds(10);
  // Between requests, for the vouched for; others are closed after io_time.
  base::Duration idle = std::chrono::seconds(60);
};

// Answers one request, at most once, on the loop's thread. May be copied and may outlive the server; does nothing once the
// client has gone. If every copy is destroyed without an answer, the client gets 500 (kHttpInternal).
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void answer(Response response) = 0;
  // Says that this connection belongs to somebody who has proved who he is.
  virtual void vouch() = 0;
  // Whether the client still waits: for handlers that hold many requests.
  virtual bool waiting() const = 0;
};

struct ServerCounters {
  std::uint64_t accepted = 0, refused = 0;  // connections; refused: for want of room
  std::uint64_t source_full = 0;  // closed or refused because their source had too many at once
  std::uint64_t source_fast = 0;  // refused because their source came with too many in a short time
  std::uint64_t handshakes_failed = 0;
  std::uint64_t requests = 0, malformed = 0, too_large = 0, timed_out = 0;
  std::uint64_t open = 0;  // now
};

class Server {
 public:
  using Handler = std::function<void(const Request&, std::shared_ptr<Responder>)>;

  // Port 0: the kernel chooses, see local(). The unspecified IPv6 address serves IPv4 too. Malformed requests (400), those
  // too large (413, 431), other methods (405) and bodies for which there is no room (503) are answered here, with the
  // code's JSON: {"error":{"code":"E0605","message":"…"}}. Where there are too many connections, one that has not been
  // vouched for is closed: of the source that has most of them the one that has waited longest; or the newcomer if there is
  // none.
  // kPortTaken, kNoPermission, kKeyMalformed, kSystemCall.
  static base::Result<std::unique_ptr<Server>> listen(io::EventLoop& loop,
                                                      const base::Endpoint& address,
                                                      const Identity& identity, Handler handler,
                                                      const ServerLimits& limits = {});
  // Closes all connections; no handler runs afterwards.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  base::Endpoint local() const;
  ServerCounters counters() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// {"error":{"code":…,"message":…}}
Response error_response(unsigned status, const base::Error& error);

}  // namespace entresol::http
