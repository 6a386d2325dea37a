#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <utility>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/fd.h"
#include "io/unix_address.h"
#include "io/unix_socket.h"

namespace entresol::io {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

UniqueFd stream_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

bool answers(const sockaddr_un& address) {
  const UniqueFd probe = stream_socket();
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;  // its queue is full: it is alive
}

base::Result<UniqueFd> bind_and_listen(const std::string& path) {
  const auto failed = [&](int error) {
    return system_failure(base::code::kFileUnwritable, "cannot make the control socket " + path,
                          error);
  };
  const auto address = unix_address(path);
  if (!address) return tl::unexpected(address.error());
  // Two that start at once take turns: looking, removing and binding is one step for whoever holds
  // the directory.
  const UniqueFd directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::flock(directory.get(), LOCK_EX) != 0) return failed(errno);

  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode)) {
      return base::fail(base::code::kFileUnwritable, "cannot make the control socket " + path +
                                                         ": there is a file of that name");
    }
    if (answers(*address)) {
      return base::fail(base::code::kAlreadyRunning,
                        "another process answers on " + path + "; stop it, or use another path");
    }
    if (::unlink(path.c_str()) != 0) return failed(errno);
  }
  UniqueFd fd = stream_socket();
  if (!fd) return failed(errno);
  // The mode before bind(2) becomes the file's, so that there is no moment at which others may
  // connect.
  ::fchmod(fd.get(), 0600);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return failed(errno);
  }
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), SOMAXCONN) != 0) return failed(errno);
  return fd;
}

}  // namespace

struct ControlServer::State : std::enable_shared_from_this<State> {
  struct Client {
    UniqueFd fd;
    WatchId watch;
    TimerId timer;
    std::string in;   // read, not yet a whole line
    std::string out;  // response being written
    std::size_t written = 0;
    bool waiting = false;  // the handler has the request; nothing is read meanwhile
  };
  // Answers to a client that may have gone; closes it when the last copy goes without an answer.
  struct Ticket {
    std::weak_ptr<State> state;
    std::uint64_t client;
    bool answered = false;
    ~Ticket() {
      if (answered) return;
      if (const auto owner = state.lock()) owner->close(client);
    }
  };

  State(EventLoop& on, const std::string& at, Handler with, const ControlLimits& within)
      : loop(on), path(at), handler(std::move(with)), limits(within) {}

  EventLoop& loop;
  std::string path;
  Handler handler;
  ControlLimits limits;
  UniqueFd fd;
  dev_t device = 0;
  ino_t inode = 0;
  WatchId watch;
  std::map<std::uint64_t, Client> clients;
  std::uint64_t next_client = 0;

  Client* find(std::uint64_t id) {
    const auto found = clients.find(id);
    return found == clients.end() ? nullptr : &found->second;
  }
  void touch(const Client& client) { loop.arm(client.timer, io::now() + limits.idle); }
  void accept_all();
  void on_event(std::uint64_t id, std::uint32_t events);
  void read_from(std::uint64_t id);
  void serve_line(std::uint64_t id);
  void answer(std::uint64_t id, std::string_view response);
  void write_to(std::uint64_t id);
  void close(std::uint64_t id);
  void shut_down();
};

void ControlServer::State::accept_all() {
  while (clients.size() < limits.clients) {
    UniqueFd fresh(::accept4(fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fresh) return;
    const std::uint64_t id = ++next_client;
    Client client;
    const auto watched =
        loop.watch(fresh.get(), Events::kRead, [self = weak_from_this(), id](std::uint32_t events) {
          if (const auto state = self.lock()) state->on_event(id, events);
        });
    if (!watched) return;
    client.fd = std::move(fresh);
    client.watch = *watched;
    client.timer = loop.add_timer([self = weak_from_this(), id] {
      if (const auto state = self.lock()) state->close(id);
    });
    touch(client);
    clients.emplace(id, std::move(client));
  }
  loop.change(watch, 0);  // full; close() resumes
}

void ControlServer::State::on_event(std::uint64_t id, std::uint32_t events) {
  const Client* client = find(id);
  if (client == nullptr) return;
  if (events & Events::kError) return close(id);
  // Both directions are closed: whoever asked has gone, also while the handler is still at it.
  if ((events & Events::kHangUp) && client->waiting) return close(id);
  if (!client->out.empty()) return write_to(id);
  if (!client->waiting) read_from(id);
}

void ControlServer::State::read_from(std::uint64_t id) {
  Client& client = *find(id);
  std::array<char, 16 * 1024> buffer;
  const ssize_t got = ::read(client.fd.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return close(id);
  client.in.append(buffer.data(), static_cast<std::size_t>(got));
  serve_line(id);
}

void ControlServer::State::serve_line(std::uint64_t id) {
  Client& client = *find(id);
  const std::size_t end = client.in.find('\n');
  if (std::min(end, client.in.size()) > limits.request_bytes) return close(id);
  if (end == std::string::npos) return;
  const std::string line = client.in.substr(0, end);
  client.in.erase(0, end + 1);
  client.waiting = true;
  loop.disarm(client.timer);
  loop.change(client.watch, 0);
  auto ticket = std::make_shared<Ticket>();
  ticket->state = weak_from_this();
  ticket->client = id;
  const Handler call = handler;  // the handler may destroy the server, and itself with it
  call(line, [ticket](std::string_view response) {
    if (std::exchange(ticket->answered, true)) return;
    if (const auto state = ticket->state.lock()) state->answer(ticket->client, response);
  });
}

void ControlServer::State::answer(std::uint64_t id, std::string_view response) {
  Client* client = find(id);
  if (client == nullptr) return;
  if (response.size() > limits.response_bytes || response.find('\n') != std::string_view::npos) {
    return close(id);
  }
  client->waiting = false;
  client->out.assign(response);
  client->out.push_back('\n');
  client->written = 0;
  touch(*client);
  write_to(id);
}

void ControlServer::State::write_to(std::uint64_t id) {
  Client& client = *find(id);
  while (client.written < client.out.size()) {
    const ssize_t put = ::send(client.fd.get(), client.out.data() + client.written,
                               client.out.size() - client.written, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return loop.change(client.watch, Events::kWrite);
    if (put < 0) return close(id);
    client.written += static_cast<std::size_t>(put);
    touch(client);
  }
  client.out.clear();
  loop.change(client.watch, Events::kRead);
  if (client.in.find('\n') == std::string::npos) return;
  // The next request is here already. It is served from the loop: answers within answers would nest
  // without end.
  loop.post([self = weak_from_this(), id] {
    const auto state = self.lock();
    const Client* waiting = state ? state->find(id) : nullptr;
    if (waiting != nullptr && !waiting->waiting && waiting->out.empty()) state->serve_line(id);
  });
}

void ControlServer::State::close(std::uint64_t id) {
  const auto found = clients.find(id);
  if (found == clients.end()) return;
  loop.unwatch(found->second.watch);
  loop.remove_timer(found->second.timer);
  clients.erase(found);
  loop.change(watch, Events::kRead);
}

void ControlServer::State::shut_down() {
  loop.unwatch(watch);
  while (!clients.empty()) close(clients.begin()->first);
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0 && status.st_dev == device && status.st_ino == inode) {
    ::unlink(path.c_str());
  }
  fd.reset();
}

ControlServer::ControlServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
ControlServer::~ControlServer() {
  state_->shut_down();
}
std::size_t ControlServer::clients() const {
  return state_->clients.size();
}

base::Result<std::unique_ptr<ControlServer>> ControlServer::listen(EventLoop& loop,
                                                                   const std::string& path,
                                                                   Handler handler,
                                                                   const ControlLimits& limits) {
  auto fd = bind_and_listen(path);
  if (!fd) return tl::unexpected(fd.error());
  auto state = std::make_shared<State>(loop, path, std::move(handler), limits);
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) {
    state->device = status.st_dev;
    state->inode = status.st_ino;
  }
  state->fd = std::move(*fd);
  const auto watched = loop.watch(state->fd.get(), Events::kRead,
                                  [weak = std::weak_ptr<State>(state)](std::uint32_t) {
                                    if (const auto self = weak.lock()) self->accept_all();
                                  });
  if (!watched) {
    ::unlink(path.c_str());
    return tl::unexpected(watched.error());
  }
  state->watch = *watched;
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(state)));
}

}  // namespace entresol::io
