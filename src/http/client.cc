// Each step is an asynchronous operation that is waited for until its deadline, or until another thread cuts it off; so the
// code reads from top to bottom: find an address, connect, ask, read the answer.
#include "http/client.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/error_codes.h"
#include "http/codec.h"
#include "http/thread.h"
#include "http/tls.h"

namespace entresol::http {
namespace {

namespace asio = boost::asio;
namespace code = base::code;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using SystemError = boost::system::error_code;
using Stream = asio::ssl::stream<tcp::socket>;

std::string in_brackets(const std::string& host) {
  return host.find(':') == std::string::npos ? host : '[' + host + ']';
}

std::string text_of(const ServerAddress& address) {
  return in_brackets(address.host) + ':' + std::to_string(address.port);
}

// getaddrinfo cannot be interrupted. It has a thread, which is left behind when nobody waits any more.
struct Lookup {
  std::mutex mutex;
  asio::io_context* asker = nullptr;  // under mutex; null: nobody waits
  std::optional<SystemError> done;    // set on the asker's thread
  std::vector<tcp::endpoint> found;

  static void run(const std::shared_ptr<Lookup>& self, const ServerAddress& address) {
    asio::io_context io;
    tcp::resolver resolver(io);
    SystemError error;
    std::vector<tcp::endpoint> found;
    for (const auto& entry : resolver.resolve(address.host, std::to_string(address.port),
                                              tcp::resolver::numeric_service, error))
      found.push_back(entry.endpoint());
    const std::lock_guard lock(self->mutex);
    if (self->asker == nullptr) return;
    self->found = std::move(found);
    asio::post(*self->asker, [self, error] { self->done = error; });
  }
};

// One connection to one of the server's addresses, and the requests on it, one at a time.
class Asker {
 public:
  explicit Asker(Destination destination) : destination_(std::move(destination)) {
    check_.expected = destination_.pin;
  }

  base::Result<Response> ask(const Request& request, const Patience& patience);
  // From any thread, once: what runs ends soon, and so does all that comes later.
  void cut_off() {
    cut_off_ = true;
    asio::post(io_, [] {});
  }

 private:
  struct Failure {
    base::Error error;
    bool unanswered = false;  // the connection broke before the first octet of the answer
  };
  using Outcome = tl::expected<Response, Failure>;

  bool is_kept();
  base::Result<void> connect(base::Duration patience);
  // What went wrong with this address; empty if it serves.
  std::string try_address(const ServerAddress& address, base::Duration patience);
  tl::expected<std::vector<tcp::endpoint>, std::string> resolve(const ServerAddress& address,
                                                                Clock::time_point deadline);
  std::string try_endpoint(const tcp::endpoint& endpoint, const ServerAddress& address,
                           Clock::time_point deadline);
  Outcome exchange(const Request& request, const Patience& patience);
  Outcome receive(const Patience& patience, Clock::time_point deadline);
  tl::unexpected<Failure> fail(std::string_view code, const std::string& what, bool unanswered);

  // Runs io_ until `done` or the deadline or the end.
  bool run_until(Clock::time_point deadline, const std::optional<SystemError>& done);
  // Waits for one operation of stream_, which `start` begins with the handler that it is given. At the deadline the socket
  // is closed: timed_out.
  template <typename Start>
  SystemError wait(Clock::time_point deadline, Start start);

  const Destination destination_;
  std::size_t first_ = 0;  // the address that answered last
  std::atomic<bool> cut_off_{false};
  PinCheck check_;
  bool wrong_key_ = false;  // of an address that was tried
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::optional<asio::ssl::context> tls_;
  std::optional<Stream> stream_;  // present: connected, as far as is known
  std::array<char, 16384> input_;
};

bool Asker::run_until(Clock::time_point deadline, const std::optional<SystemError>& done) {
  while (!done && !cut_off_)
    if (io_.run_one_until(deadline) == 0) break;
  return done.has_value();
}

template <typename Start>
SystemError Asker::wait(Clock::time_point deadline, Start start) {
  std::optional<SystemError> done;
  start([&done](SystemError error, auto&&...) { done = error; });
  if (run_until(deadline, done)) return *done;
  SystemError ignored;
  stream_->next_layer().close(ignored);
  while (!done) io_.run_one();
  return asio::error::timed_out;
}

base::Result<Response> Asker::ask(const Request& request, const Patience& patience) {
  if (auto valid = emit(request, ""); !valid) return tl::unexpected(valid.error());
  if (stream_ && !is_kept()) stream_.reset();
  if (stream_) {
    Outcome outcome = exchange(request, patience);
    if (outcome) return std::move(*outcome);
    if (!outcome.error().unanswered || !patience.repeatable)
      return tl::unexpected(std::move(outcome.error().error));
  }
  if (auto connected = connect(patience.connect); !connected)
    return tl::unexpected(std::move(connected.error()));
  Outcome outcome = exchange(request, patience);
  if (!outcome) return tl::unexpected(std::move(outcome.error().error));
  return std::move(*outcome);
}

// An idle server has nothing to say but that it goes.
bool Asker::is_kept() {
  char octet;
  const int fd = stream_->next_layer().native_handle();
  const auto got = ::recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

base::Result<void> Asker::connect(base::Duration patience) {
  if (!tls_) {
    auto context = client_context(check_);
    if (!context) return tl::unexpected(context.error());
    tls_.emplace(std::move(*context));
  }
  const std::size_t count = destination_.addresses.size();
  std::string failures;
  wrong_key_ = false;
  for (std::size_t i = 0; i < count && !cut_off_; ++i) {
    const std::size_t at = (first_ + i) % count;
    const ServerAddress& address = destination_.addresses[at];
    const std::string failure = try_address(address, patience);
    if (failure.empty()) {
      first_ = at;
      return {};
    }
    stream_.reset();
    failures += (i == 0 ? "" : "; ") + text_of(address) + ": " + failure;
  }
  if (count == 0) failures = "it has no address";
  return base::fail(wrong_key_ ? code::kHttpWrongKey : code::kHttpUnreachable,
                    "cannot reach the server: " + failures);
}

std::string Asker::try_address(const ServerAddress& address, base::Duration patience) {
  const auto deadline = Clock::now() + patience;
  auto endpoints = resolve(address, deadline);
  if (!endpoints) return endpoints.error();
  std::string failure = "no address has this name";
  for (std::size_t i = 0; i < endpoints->size() && !cut_off_; ++i) {
    // Those that follow have their part of the time, too.
    const auto now = Clock::now();
    const auto rest = std::max(deadline - now, Clock::duration::zero());
    const auto share = rest / static_cast<std::int64_t>(endpoints->size() - i);
    failure = try_endpoint((*endpoints)[i], address, now + share);
    if (failure.empty()) break;
  }
  return failure;
}

tl::expected<std::vector<tcp::endpoint>, std::string> Asker::resolve(const ServerAddress& address,
                                                                     Clock::time_point deadline) {
  SystemError no_number;
  const auto number = asio::ip::make_address(address.host, no_number);
  if (!no_number) return std::vector{tcp::endpoint(number, address.port)};
  const auto lookup = std::make_shared<Lookup>();
  lookup->asker = &io_;
  start_thread([lookup, address] { Lookup::run(lookup, address); }).detach();
  const bool done = run_until(deadline, lookup->done);
  const std::lock_guard lock(lookup->mutex);
  lookup->asker = nullptr;
  if (!done) return tl::unexpected(std::string("the name server does not answer"));
  if (*lookup->done) return tl::unexpected(lookup->done->message());
  return std::move(lookup->found);
}

std::string Asker::try_endpoint(const tcp::endpoint& endpoint, const ServerAddress& address,
                                Clock::time_point deadline) {
  check_.differed = false;
  stream_.emplace(io_, *tls_);
  tcp::socket& socket = stream_->next_layer();
  SystemError error =
      wait(deadline, [&](auto handler) { socket.async_connect(endpoint, std::move(handler)); });
  if (error == asio::error::timed_out) return "no answer in time";
  if (error) return error.message();
  socket.set_option(tcp::no_delay(true), error);
  SystemError no_number;
  asio::ip::make_address(address.host, no_number);
  if (no_number) SSL_set_tlsext_host_name(stream_->native_handle(), address.host.c_str());
  error = wait(deadline, [&](auto handler) {
    stream_->async_handshake(asio::ssl::stream_base::client, std::move(handler));
  });
  if (check_.differed) {
    wrong_key_ = true;
    return "its key is not " + to_text(destination_.pin);
  }
  if (error == asio::error::timed_out) return "no TLS handshake in time";
  if (error) return "no TLS: " + error.message();
  return {};
}

tl::unexpected<Asker::Failure> Asker::fail(std::string_view code, const std::string& what,
                                           bool unanswered) {
  stream_.reset();
  return tl::unexpected(
      Failure{{std::string(code), text_of(destination_.addresses[first_]) + what}, unanswered});
}

Asker::Outcome Asker::exchange(const Request& request, const Patience& patience) {
  const auto deadline = Clock::now() + patience.answer;
  const auto text = emit(request, text_of(destination_.addresses[first_]));
  if (!text) return tl::unexpected(Failure{text.error(), false});
  const SystemError error = wait(deadline, [&](auto handler) {
    asio::async_write(*stream_, asio::buffer(*text), std::move(handler));
  });
  if (error == asio::error::timed_out)
    return fail(code::kHttpTimeout, " did not take the request in time", false);
  // A server that refuses a large request says so before it has read it all: other errors are met again below.
  return receive(patience, deadline);
}

Asker::Outcome Asker::receive(const Patience& patience, Clock::time_point deadline) {
  ResponseParser parser(patience.body_bytes);
  Progress progress = Progress::kNothing;
  bool unanswered = true;
  while (progress == Progress::kNothing || progress == Progress::kSome) {
    std::size_t size = 0;
    const SystemError error = wait(deadline, [&](auto handler) {
      stream_->async_read_some(asio::buffer(input_),
                               [&size, handler](SystemError failed, std::size_t got) mutable {
                                 size = got;
                                 handler(failed);
                               });
    });
    if (error == asio::error::timed_out)
      return fail(code::kHttpTimeout, " did not answer in time", false);
    unanswered = unanswered && size == 0;
    progress = parser.add({input_.data(), size});
    if (!error || progress == Progress::kComplete) continue;
    if (error == asio::error::eof) progress = parser.end();
    if (progress == Progress::kNothing || progress == Progress::kSome)
      return fail(code::kHttpBadAnswer, " broke the connection off: " + error.message(),
                  unanswered);
  }
  if (progress == Progress::kRefused)
    return fail(code::kHttpBadAnswer, " sent no usable answer: " + parser.refusal(), false);
  if (!parser.keep_alive()) stream_.reset();
  return parser.take();
}

}  // namespace

base::Result<Response> ask(const Destination& destination, const Request& request,
                           const Patience& patience) {
  return Asker(destination).ask(request, patience);
}

struct Client::Impl {
  struct Job {
    Request request;
    Patience patience;
    Done done;
  };

  Impl(io::EventLoop& of_done, Destination destination)
      : loop(of_done), asker(std::move(destination)) {
    thread = start_thread([this] { work(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_one();
    asker.cut_off();
    thread.join();
  }

  void add(Job job) {
    {
      const std::lock_guard lock(mutex);
      jobs.push_back(std::move(job));
    }
    changed.notify_one();
  }

  // A job stays in the queue while it runs, so that its `done` is destroyed on the loop's thread in any case.
  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return stopping || !jobs.empty(); });
      if (stopping) return;
      Job& job = jobs.front();
      lock.unlock();
      auto response = asker.ask(job.request, job.patience);
      lock.lock();
      if (stopping) return;
      loop.post([alive = std::weak_ptr(alive), done = std::move(job.done),
                 response = std::move(response)]() mutable {
        if (!alive.expired()) done(std::move(response));
      });
      jobs.pop_front();
    }
  }

  io::EventLoop& loop;
  Asker asker;
  std::shared_ptr<int> alive = std::make_shared<int>();  // gone: answers are not wanted any more
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> jobs;  // under mutex
  bool stopping = false;
  std::thread thread;
};

Client::Client(io::EventLoop& loop, Destination destination)
    : impl_(std::make_unique<Impl>(loop, std::move(destination))) {}
Client::~Client() = default;

void Client::ask(Request request, const Patience& patience, Done done) {
  impl_->add({std::move(request), patience, std::move(done)});
}

}  // namespace entresol::http
