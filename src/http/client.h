// An HTTP/1.1 client over TLS 1.3 that believes one key. A connection is kept and used again; addresses are tried in turn,
// the last that answered first.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "http/identity.h"
#include "http/message.h"
#include "io/event_loop.h"

namespace entresol::http {

struct ServerAddress {
  std::string host;  // an IPv4 or IPv6 address, or a DNS name
  std::uint16_t port = 0;
};

struct Destination {
  std::vector<ServerAddress> addresses;
  Pin pin{};
};

struct Patience {
  base::Duration connect = std::chrono::seconds(5);  // one address: resolve, connect, handshake
  base::Duration answer = std::chrono::seconds(30);
  std::size_t body_bytes = 16 * 1024 * 1024;
  // Whether a request may be sent again when a kept connection breaks before the first octet of the answer.
  bool repeatable = true;
};

// Blocks. Any status is an answer: see check(). kHttpUnreachable, kHttpWrongKey, kHttpTimeout, kHttpBadAnswer, whose messages
// name the addresses; kHttpBadRequest, before anybody is asked: method, target or authorization is not what message.h says.
base::Result<Response> ask(const Destination& destination, const Request& request,
                           const Patience& patience = {});

// The same without blocking: a thread of its own asks, one request after the other, and `done` is called on the loop's
// thread.
class Client {
 public:
  using Done = std::function<void(base::Result<Response>)>;
  Client(io::EventLoop& loop, Destination destination);
  // Requests that wait are dropped, the one that runs is cut off; no `done` is called afterwards.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void ask(Request request, const Patience& patience, Done done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// 2xx as it is; else the error that the body carries ({"error":{"code","message"}}), or kHttpBadAnswer with the status.
base::Result<Response> check(base::Result<Response> response);

}  // namespace entresol::http
