// A server's connections, on the server's own thread: handshake, one request after the other, and the end, each within its
// time. What they share is `Shared`; who may be closed for want of room is kept there, in the order in which they came to
// wait.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/codec.h"
#include "http/server.h"

namespace entresol::http {

class Connection;

struct Counters {
  std::atomic<std::uint64_t> accepted{0}, refused{0}, handshakes_failed{0}, requests{0},
      malformed{0}, too_large{0}, timed_out{0}, open{0}, source_full{0}, source_fast{0};
};

// Connections of one source that were not vouched for.
struct Strangers {
  std::size_t open = 0;
  std::list<Connection*> evictable;  // in the order in which they came to wait
};

// Made and destroyed on the loop's thread, used on the server's alone but for `counters`, `handler` and posting to `io`.
// Weak pointers to it are how answers and posted requests learn that the server has gone.
struct Shared : std::enable_shared_from_this<Shared> {
  Shared(io::EventLoop& of_handler, boost::asio::ssl::context context, Server::Handler to_call,
         const ServerLimits& within)
      : loop(of_handler),
        handler(std::move(to_call)),
        limits(within),
        tls(std::move(context)),
        newcomers(within.source_rate) {}

  // Closes the connection that has waited longest, of the source that has most that were not vouched for. False: there is
  // none.
  bool make_room();
  // The same of this source.
  bool make_room_of(const Source& source);

  io::EventLoop& loop;
  const Server::Handler handler;
  const ServerLimits limits;
  Counters counters;
  boost::asio::io_context io{1};
  boost::asio::ssl::context tls;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  std::map<Source, Strangers> strangers;
  SourceBudget newcomers;
  std::size_t large_bodies = 0;  // octets held of bodies, beyond what each may have without asking
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Shared& shared, boost::asio::ip::tcp::socket socket, const base::Endpoint& peer);
  ~Connection();

  void start();
  void close();
  // To the request that the handler has; nothing if it has none.
  void answer(const Response& response);
  void vouch();

 private:
  enum class Phase {
    kHandshake,
    kIdle,      // no octet of a request yet
    kReading,   // of a request
    kHandling,  // the handler has it
    kWriting,   // the answer
    kClosing,   // close_notify is on its way; what still arrives is thrown away
    kClosed,
  };
  using Error = boost::system::error_code;

  void read();
  void on_read(Error error, std::size_t size);
  void advance();
  void go_on_reading();
  void hand_over();
  void refuse(const Refusal& refusal);
  void write(std::string text, bool keep);
  void on_written(Error error);
  void await_request();
  void say_goodbye();
  void drain();
  void enter(Phase phase, std::optional<base::Duration> within);
  void on_deadline();
  void set_evictable(bool evictable);
  void leave_strangers();
  void account(std::size_t body_octets);

  Shared& shared_;
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket> stream_;
  boost::asio::steady_timer timer_;
  const base::Endpoint peer_;
  const Source source_;
  RequestParser parser_;
  Phase phase_ = Phase::kHandshake;
  bool vouched_ = false;
  bool reading_ = false;  // a read is under way
  bool keep_ = false;     // after the answer that is being written
  std::array<char, 8192> input_;
  std::string output_;
  std::shared_ptr<std::atomic<bool>> waiting_;  // the client, for the request that the handler has
  std::size_t large_ = 0;                       // this connection's part of Shared::large_bodies
  std::size_t drained_ = 0;
  bool stranger_ = false;                                  // it is counted in Shared::strangers
  std::optional<std::list<Connection*>::iterator> place_;  // among them, if it may be closed
};

}  // namespace entresol::http
