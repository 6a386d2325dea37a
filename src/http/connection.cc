// In the order in which it happens: handshake, request, handler, answer, next request or the end.
#include "http/connection.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <ctime>
#include <utility>

#include "base/error_codes.h"

namespace entresol::http {
namespace {

namespace asio = boost::asio;
namespace code = base::code;
using asio::ip::tcp;

// The handler's side of one request. On the loop's thread.
class Reply final : public Responder {
 public:
  Reply(std::weak_ptr<Shared> shared, std::weak_ptr<Connection> connection,
        std::shared_ptr<const std::atomic<bool>> waiting)
      : shared_(std::move(shared)),
        connection_(std::move(connection)),
        waiting_(std::move(waiting)) {}

  ~Reply() override {
    if (!answered_)
      answer(error_response(
          500, {std::string(code::kHttpInternal), "the server has forgotten this request"}));
  }

  void answer(Response response) override {
    if (std::exchange(answered_, true)) return;
    post([response = std::move(response)](Connection& connection) { connection.answer(response); });
  }

  void vouch() override {
    post([](Connection& connection) { connection.vouch(); });
  }

  bool waiting() const override { return !answered_ && *waiting_; }

 private:
  template <typename Action>
  void post(Action action) {
    const auto shared = shared_.lock();
    if (!shared) return;
    asio::post(shared->io, [connection = connection_, action = std::move(action)] {
      if (const auto found = connection.lock()) action(*found);
    });
  }

  const std::weak_ptr<Shared> shared_;
  const std::weak_ptr<Connection> connection_;
  const std::shared_ptr<const std::atomic<bool>> waiting_;
  bool answered_ = false;
};

// RFC 9110, section 5.6.7.
std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, size};
}

}  // namespace

bool Shared::make_room() {
  const auto most = std::max_element(strangers.begin(), strangers.end(), [](auto& a, auto& b) {
    return a.second.evictable.size() < b.second.evictable.size();
  });
  return most != strangers.end() && make_room_of(most->first);
}

bool Shared::make_room_of(const Source& source) {
  const auto found = strangers.find(source);
  if (found == strangers.end() || found->second.evictable.empty()) return false;
  found->second.evictable.front()->close();
  return true;
}

Connection::Connection(Shared& shared, tcp::socket socket, const base::Endpoint& peer)
    : shared_(shared),
      stream_(std::move(socket), shared.tls),
      timer_(shared.io),
      peer_(peer),
      source_(source_of(peer)),
      parser_({.header_bytes = shared.limits.header_bytes,
               .body_bytes = shared.limits.body_bytes,
               .anonymous_body_bytes = shared.limits.anonymous_body_bytes}) {}

Connection::~Connection() = default;

void Connection::start() {
  stranger_ = true;
  ++shared_.strangers[source_].open;
  set_evictable(true);
  enter(Phase::kHandshake, shared_.limits.io_time);
  stream_.async_handshake(asio::ssl::stream_base::server,
                          [this, self = shared_from_this()](Error error) {
                            if (phase_ == Phase::kClosed) return;
                            if (error) {
                              ++shared_.counters.handshakes_failed;
                              return close();
                            }
                            await_request();
                          });
}

// Also while a handler has a request: so the client's leaving is noticed. What arrives then is kept, up to a header's size.
void Connection::read() {
  if (reading_) return;
  reading_ = true;
  stream_.async_read_some(
      asio::buffer(input_),
      [this, self = shared_from_this()](Error error, std::size_t size) { on_read(error, size); });
}

void Connection::on_read(Error error, std::size_t size) {
  reading_ = false;
  if (phase_ == Phase::kClosed || phase_ == Phase::kClosing) return;
  if (error) return close();
  parser_.add({input_.data(), size});
  if (phase_ == Phase::kIdle || phase_ == Phase::kReading) return advance();
  if (parser_.waiting() < shared_.limits.header_bytes) read();
}

void Connection::advance() {
  const Progress progress = parser_.run();
  account(parser_.body_size());
  switch (progress) {
    case Progress::kNothing:
      return read();
    case Progress::kSome:
      if (phase_ == Phase::kIdle) enter(Phase::kReading, shared_.limits.io_time);
      return go_on_reading();
    case Progress::kComplete:
      return hand_over();
    case Progress::kRefused:
      return refuse(parser_.refusal());
  }
}

void Connection::go_on_reading() {
  if (shared_.large_bodies > shared_.limits.large_bodies_bytes)
    return refuse({503, {std::string(code::kHttpBusy), "the server has no room for this body"}});
  if (!parser_.take_expectation()) return read();
  output_ = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(output_),
                    [this, self = shared_from_this()](Error error, std::size_t) {
                      if (phase_ == Phase::kClosed) return;
                      error ? close() : read();
                    });
}

void Connection::hand_over() {
  enter(Phase::kHandling, std::nullopt);
  set_evictable(false);
  ++shared_.counters.requests;
  Request request = parser_.take();
  request.peer = peer_;
  request.vouched = vouched_;
  waiting_ = std::make_shared<std::atomic<bool>>(true);
  auto responder = std::make_shared<Reply>(shared_.weak_from_this(), weak_from_this(), waiting_);
  shared_.loop.post([shared = shared_.weak_from_this(), request = std::move(request),
                     responder = std::move(responder)]() mutable {
    if (const auto server = shared.lock()) server->handler(request, std::move(responder));
  });
  if (parser_.waiting() < shared_.limits.header_bytes) read();
}

void Connection::refuse(const Refusal& refusal) {
  if (refusal.status == 413 || refusal.status == 431)
    ++shared_.counters.too_large;
  else if (refusal.status < 500)
    ++shared_.counters.malformed;
  write(emit(error_response(refusal.status, refusal.error), false, date_now()), false);
}

void Connection::answer(const Response& response) {
  if (phase_ != Phase::kHandling) return;
  const bool keep = parser_.keep_alive();
  write(emit(response, keep, date_now()), keep);
}

void Connection::write(std::string text, bool keep) {
  enter(Phase::kWriting, shared_.limits.io_time);
  set_evictable(false);
  waiting_.reset();
  keep_ = keep;
  output_ = std::move(text);
  asio::async_write(
      stream_, asio::buffer(output_),
      [this, self = shared_from_this()](Error error, std::size_t) { on_written(error); });
}

void Connection::on_written(Error error) {
  if (phase_ == Phase::kClosed) return;
  if (error) return close();
  output_ = {};
  set_evictable(true);
  keep_ ? await_request() : say_goodbye();
}

void Connection::await_request() {
  enter(Phase::kIdle, vouched_ ? shared_.limits.idle : shared_.limits.io_time);
  advance();
}

// To close at once would make the kernel reset the connection if octets are unread, and the client would lose the answer.
void Connection::say_goodbye() {
  enter(Phase::kClosing, shared_.limits.io_time);
  stream_.async_shutdown([this, self = shared_from_this()](Error) {
    if (phase_ == Phase::kClosed) return;
    Error ignored;
    stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
    if (reading_ || ignored) return close();
    drain();
  });
}

void Connection::drain() {
  stream_.next_layer().async_read_some(
      asio::buffer(input_), [this, self = shared_from_this()](Error error, std::size_t size) {
        if (phase_ == Phase::kClosed) return;
        drained_ += size;
        if (error || drained_ > shared_.limits.body_bytes) return close();
        drain();
      });
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  const auto self = shared_from_this();
  enter(Phase::kClosed, std::nullopt);
  if (waiting_) *waiting_ = false;
  leave_strangers();
  account(0);
  Error ignored;
  stream_.next_layer().close(ignored);
  shared_.connections.erase(this);
  shared_.counters.open = shared_.connections.size();
}

void Connection::vouch() {
  if (phase_ == Phase::kClosed) return;
  vouched_ = true;
  leave_strangers();
}

void Connection::enter(Phase phase, std::optional<base::Duration> within) {
  phase_ = phase;
  if (!within) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(*within);
  timer_.async_wait([this, self = shared_from_this()](Error error) {
    if (!error && timer_.expiry() <= std::chrono::steady_clock::now()) on_deadline();
  });
}

void Connection::on_deadline() {
  switch (phase_) {
    case Phase::kHandling:  // a deadline of the phase before, which had passed already
    case Phase::kClosed:
      return;
    case Phase::kHandshake:
    case Phase::kReading:
    case Phase::kWriting:
      ++shared_.counters.timed_out;
      return close();
    case Phase::kIdle:
    case Phase::kClosing:
      return close();
  }
}

void Connection::set_evictable(bool evictable) {
  evictable = evictable && !vouched_ && phase_ != Phase::kClosed;
  if (evictable && !place_) {
    auto& all = shared_.strangers[source_].evictable;
    place_ = all.insert(all.end(), this);
  } else if (!evictable && place_) {
    shared_.strangers[source_].evictable.erase(*place_);
    place_.reset();
  }
}

void Connection::leave_strangers() {
  set_evictable(false);
  if (!std::exchange(stranger_, false)) return;
  const auto found = shared_.strangers.find(source_);
  if (--found->second.open == 0) shared_.strangers.erase(found);
}

void Connection::account(std::size_t body_octets) {
  const std::size_t free = shared_.limits.anonymous_body_bytes;
  const std::size_t large = body_octets > free ? body_octets - free : 0;
  shared_.large_bodies += large - large_;  // unsigned, may go either way
  large_ = large;
}

}  // namespace entresol::http
