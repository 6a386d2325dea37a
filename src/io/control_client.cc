#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/fd.h"
#include "io/unix_address.h"
#include "io/unix_socket.h"

namespace entresol::io {
namespace {

tl::unexpected<base::Error> no_answer(const std::string& path, const std::string& why) {
  return base::fail(base::code::kUnreachable, "no answer on " + path + ": " + why);
}

// False if `deadline` passed first.
bool wait_for(int fd, short events, base::TimePoint deadline) {
  for (;;) {
    const auto left = deadline - now();
    if (left <= base::Duration::zero()) return false;
    pollfd poll{fd, events, 0};
    timespec ts{};
    ts.tv_sec = left.count() / 1'000'000'000;
    ts.tv_nsec = left.count() % 1'000'000'000;
    const int ready = ::ppoll(&poll, 1, &ts, nullptr);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

base::Result<UniqueFd> connect_to(const std::string& path, base::TimePoint deadline) {
  const auto address = unix_address(path);
  if (!address) return tl::unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return system_failure(base::code::kSystemCall, "cannot make a Unix socket", errno);
  // A full listen queue blocks connect(2), within the send timeout.
  const auto left = std::max<std::int64_t>((deadline - now()).count() / 1000, 1);
  const timeval timeout{left / 1'000'000, left % 1'000'000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  while (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    if (errno == EINTR) continue;
    if (errno == EISCONN) break;
    if (errno == EAGAIN) return no_answer(path, "it is too busy to accept");
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
      return base::fail(base::code::kNotRunning,
                        "nothing runs on " + path + " (" + errno_text(errno) +
                            "); start it with \"entresol run\", or name its socket");
    }
    return system_failure(base::code::kSystemCall, "cannot reach " + path, errno);
  }
  return fd;
}

}  // namespace

base::Result<std::string> control_call(const std::string& path, std::string_view request,
                                       base::Duration timeout, std::size_t response_limit) {
  if (request.find('\n') != std::string_view::npos) {
    return base::fail(base::code::kUsage, "a control request is one line");
  }
  const base::TimePoint deadline = now() + timeout;
  const auto fd = connect_to(path, deadline);
  if (!fd) return tl::unexpected(fd.error());

  const std::string line = std::string(request) + "\n";
  for (std::size_t sent = 0; sent < line.size();) {
    if (!wait_for(fd->get(), POLLOUT, deadline)) return no_answer(path, "timed out");
    const ssize_t put =
        ::send(fd->get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno != EINTR && errno != EAGAIN) return no_answer(path, errno_text(errno));
    if (put > 0) sent += static_cast<std::size_t>(put);
  }

  std::string out;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    if (!wait_for(fd->get(), POLLIN, deadline)) return no_answer(path, "timed out");
    const ssize_t got = ::recv(fd->get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return no_answer(path, errno_text(errno));
    if (got == 0) return no_answer(path, "the connection was closed");
    const std::string_view fresh(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t end = fresh.find('\n');
    out.append(fresh.substr(0, end));
    if (out.size() > response_limit) return no_answer(path, "the response is too long");
    if (end != std::string_view::npos) return out;
  }
}

}  // namespace entresol::io
