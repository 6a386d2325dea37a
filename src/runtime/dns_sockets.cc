#include "runtime/dns_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/endpoint_text.h"

namespace entresol::runtime {
namespace {

constexpr std::size_t kLengthSize = 2;  // before each message over TCP
constexpr int kPerRound = 64;           // then others have their turn
constexpr int kBacklog = 64;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const base::Endpoint& at) {
  SocketAddress out;
  if (io::is_v4(at.address)) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(at.port);
    std::copy_n(at.address.begin() + 12, 4, reinterpret_cast<std::uint8_t*>(&v4.sin_addr));
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(at.port);
    std::copy_n(at.address.begin(), 16, reinterpret_cast<std::uint8_t*>(&v6.sin6_addr));
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
  }
  return out;
}

io::UniqueFd socket_for(const SocketAddress& address, int kind) {
  return io::UniqueFd(::socket(address.storage.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

bool passes(int error) {
  return error == EAGAIN || error == EINTR;
}

base::Bytes framed(base::ByteView message) {
  base::Bytes out;
  base::ByteWriter writer(out);
  writer.u16(static_cast<std::uint16_t>(message.size()));
  writer.bytes(message);
  return out;
}

// The first message of what a stream has brought; empty if it is not whole yet.
base::ByteView first_message(base::ByteView in) {
  if (in.size() < kLengthSize) return {};
  const std::size_t size = base::load_be16(in.data());
  return in.size() < kLengthSize + size ? base::ByteView{} : in.subspan(kLengthSize, size);
}

// As much as the kernel takes; false if the other end has gone.
bool write_some(int fd, base::Bytes& out) {
  while (!out.empty()) {
    const ssize_t put = ::send(fd, out.data(), out.size(), MSG_NOSIGNAL);
    if (put < 0) return passes(errno);
    out.erase(out.begin(), out.begin() + put);
  }
  return true;
}

// What there is, once; false if the other end has gone.
bool read_some(int fd, base::Bytes& in) {
  std::array<std::uint8_t, 16 * 1024> buffer;
  const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (got < 0) return passes(errno);
  in.insert(in.end(), buffer.begin(), buffer.begin() + got);
  return got > 0;
}

}  // namespace

// ---- upstream ------------------------------------------------------------------------------------------------------

DnsUpstream::~DnsUpstream() {
  while (!open_.empty()) close(open_.begin()->first);
}

bool DnsUpstream::send(const dns::Send& send) {
  const SocketAddress address = socket_address(send.server);
  Open open;
  open.fd = socket_for(address, send.stream ? SOCK_STREAM : SOCK_DGRAM);
  open.stream = send.stream;
  if (!open.fd) return false;
  if (::connect(open.fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS)
    return false;
  if (send.stream) {
    open.out = framed(send.message);
  } else if (::send(open.fd.get(), send.message.data(), send.message.size(), 0) < 0 &&
             !passes(errno)) {
    return false;
  }
  const auto watch =
      loop_.watch(open.fd.get(), send.stream ? io::Events::kWrite : io::Events::kRead,
                  [this, ticket = send.ticket](std::uint32_t) { on_event(ticket); });
  if (!watch) return false;
  open.watch = *watch;
  open_.emplace(send.ticket, std::move(open));
  return true;
}

void DnsUpstream::close(dns::Ticket ticket) {
  const auto found = open_.find(ticket);
  if (found == open_.end()) return;
  loop_.unwatch(found->second.watch);
  open_.erase(found);
}

void DnsUpstream::on_event(dns::Ticket ticket) {
  const auto found = open_.find(ticket);
  if (found == open_.end()) return;
  if (found->second.stream) return on_stream(ticket, found->second);
  on_datagram(ticket, found->second);
}

// The socket is connected: the kernel lets nobody else in, and says when nobody listens there.
void DnsUpstream::on_datagram(dns::Ticket ticket, const Open& open) {
  std::array<std::uint8_t, dns::kMessageMaximum> buffer;
  const ssize_t got = ::recv(open.fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) {
    if (!passes(errno)) unreachable_(ticket);
    return;
  }
  answered_(ticket, {buffer.data(), static_cast<std::size_t>(got)});
}

void DnsUpstream::on_stream(dns::Ticket ticket, Open& open) {
  if (!open.out.empty()) {
    if (!write_some(open.fd.get(), open.out)) return unreachable_(ticket);
    if (open.out.empty()) loop_.change(open.watch, io::Events::kRead);
    return;
  }
  if (!read_some(open.fd.get(), open.in)) return unreachable_(ticket);
  const base::Bytes in = open.in;  // the answer ends this ticket
  if (const base::ByteView message = first_message(in); !message.empty())
    return answered_(ticket, message);
  if (in.size() >= kLengthSize && base::load_be16(in.data()) == 0) unreachable_(ticket);
}

// ---- applications --------------------------------------------------------------------------------------------------

base::Result<std::unique_ptr<DnsListener>> DnsListener::open(io::EventLoop& loop,
                                                             const base::Endpoint& at, Asked asked,
                                                             Gone gone) {
  std::unique_ptr<DnsListener> self(new DnsListener(loop, std::move(asked), std::move(gone)));
  if (auto bound = self->bind(at); !bound) return tl::unexpected(bound.error());
  const auto udp = loop.watch(self->udp_.get(), io::Events::kRead,
                              [raw = self.get()](std::uint32_t) { raw->receive(); });
  if (!udp) return tl::unexpected(udp.error());
  self->udp_watch_ = *udp;
  const auto tcp = loop.watch(self->tcp_.get(), io::Events::kRead,
                              [raw = self.get()](std::uint32_t) { raw->accept_all(); });
  if (!tcp) return tl::unexpected(tcp.error());
  self->tcp_watch_ = *tcp;
  return self;
}

base::Result<void> DnsListener::bind(const base::Endpoint& at) {
  const SocketAddress address = socket_address(at);
  for (const int kind : {SOCK_DGRAM, SOCK_STREAM}) {
    io::UniqueFd& fd = kind == SOCK_DGRAM ? udp_ : tcp_;
    fd = socket_for(address, kind);
    const int yes = 1;
    // Connections of the one before may still be ending. Not for UDP: there two would share the port.
    if (fd && kind == SOCK_STREAM)
      ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (!fd || ::bind(fd.get(), address.get(), address.size) != 0 ||
        (kind == SOCK_STREAM && ::listen(fd.get(), kBacklog) != 0)) {
      const int error = errno;
      return io::system_failure(error == EADDRINUSE      ? base::code::kPortTaken
                                : error == EADDRNOTAVAIL ? base::code::kConfigBadValue
                                                         : base::code::kSystemCall,
                                "cannot listen for DNS at " + io::to_text(at), error);
    }
  }
  return {};
}

DnsListener::~DnsListener() {
  while (!clients_.empty()) close(clients_.begin()->first);
  if (udp_watch_) loop_.unwatch(*udp_watch_);
  if (tcp_watch_) loop_.unwatch(*tcp_watch_);
}

void DnsListener::receive() {
  std::array<std::uint8_t, dns::kMessageMaximum> buffer;
  for (int i = 0; i < kPerRound; ++i) {
    SocketAddress from;
    from.size = sizeof from.storage;
    const ssize_t got = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from.storage), &from.size);
    if (got < 0) return;
    asked_({buffer.data(), static_cast<std::size_t>(got)}, false,
           [this, from](base::ByteView message) {
             ::sendto(udp_.get(), message.data(), message.size(), 0, from.get(), from.size);
           });
  }
}

void DnsListener::accept_all() {
  while (clients_.size() < kMostClients) {
    io::UniqueFd fresh(::accept4(tcp_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fresh) return;
    const std::uint64_t id = ++last_client_;
    const auto watch = loop_.watch(fresh.get(), io::Events::kRead,
                                   [this, id](std::uint32_t events) { on_event(id, events); });
    if (!watch) return;
    Client client;
    client.fd = std::move(fresh);
    client.watch = *watch;
    client.timer = loop_.add_timer([this, id] { close(id); });
    loop_.arm(client.timer, io::now() + kIdle);
    clients_.emplace(id, std::move(client));
  }
  loop_.change(*tcp_watch_, 0);  // full; close() resumes
}

void DnsListener::on_event(std::uint64_t id, std::uint32_t events) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client& client = found->second;
  if ((events & io::Events::kError) != 0) return close(id);
  if (client.asked != 0) {
    // Only errors and hang-ups come here now.
    if ((events & io::Events::kHangUp) != 0) close(id);
    return;
  }
  if (!client.out.empty()) return write(id);
  if (!read_some(client.fd.get(), client.in)) return close(id);
  serve(id);
}

void DnsListener::serve(std::uint64_t id) {
  Client& client = clients_.at(id);
  if (client.in.size() < kLengthSize) return;
  const std::size_t size = base::load_be16(client.in.data());
  if (size < dns::kHeaderSize) return close(id);
  if (client.in.size() < kLengthSize + size) return;
  const auto end = client.in.begin() + static_cast<std::ptrdiff_t>(kLengthSize + size);
  const base::Bytes message(client.in.begin() + kLengthSize, end);
  client.in.erase(client.in.begin(), end);
  loop_.disarm(client.timer);
  loop_.change(client.watch, 0);
  client.asked = asked_(message, true, [this, id](base::ByteView reply) { answer(id, reply); });
  if (client.asked == 0) close(id);
}

void DnsListener::answer(std::uint64_t id, base::ByteView message) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  found->second.asked = 0;
  found->second.out = framed(message);
  loop_.arm(found->second.timer, io::now() + kIdle);
  write(id);
}

void DnsListener::write(std::uint64_t id) {
  Client& client = clients_.at(id);
  if (!write_some(client.fd.get(), client.out)) return close(id);
  if (!client.out.empty()) return loop_.change(client.watch, io::Events::kWrite);
  loop_.change(client.watch, io::Events::kRead);
  serve(id);  // the next query may be here already
}

void DnsListener::close(std::uint64_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  const dns::Asker asked = found->second.asked;
  loop_.unwatch(found->second.watch);
  loop_.remove_timer(found->second.timer);
  clients_.erase(found);
  loop_.change(*tcp_watch_, io::Events::kRead);
  if (asked != 0) gone_(asked);
}

}  // namespace entresol::runtime
