// The sockets of DNS: one for each question to a server that was there before, so that each has a port of its own
// (RFC 5452), and the listener for applications, UDP and TCP (RFC 7766).
//
// One thread, the loop's, which outlives both. Bounded: questions by dns::Forwarder, TCP clients by kMostClients.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "dns/forwarder.h"
#include "io/event_loop.h"
#include "io/fd.h"

namespace entresol::runtime {

class DnsUpstream {
 public:
  // Neither may call send(); close() may be called.
  using Answered = std::function<void(dns::Ticket, base::ByteView message)>;
  using Unreachable = std::function<void(dns::Ticket)>;

  DnsUpstream(io::EventLoop& loop, Answered answered, Unreachable unreachable)
      : loop_(loop), answered_(std::move(answered)), unreachable_(std::move(unreachable)) {}
  ~DnsUpstream();
  DnsUpstream(const DnsUpstream&) = delete;
  DnsUpstream& operator=(const DnsUpstream&) = delete;

  bool send(const dns::Send& send);  // false: cannot be reached
  void close(dns::Ticket ticket);

 private:
  struct Open {
    io::UniqueFd fd;
    io::WatchId watch;
    bool stream = false;
    base::Bytes out;  // TCP: what is not written yet
    base::Bytes in;
  };
  void on_event(dns::Ticket ticket);
  void on_datagram(dns::Ticket ticket, const Open& open);
  void on_stream(dns::Ticket ticket, Open& open);
  bool write(Open& open);

  io::EventLoop& loop_;
  Answered answered_;
  Unreachable unreachable_;
  std::map<dns::Ticket, Open> open_;
};

class DnsListener {
 public:
  static constexpr std::size_t kMostClients = 32;  // over TCP; more wait in the kernel's queue
  static constexpr base::Duration kIdle = std::chrono::seconds(10);

  // To be called once, but not from within Asked.
  using Reply = std::function<void(base::ByteView message)>;
  // A query; the number by which it is called off. 0: nothing answers it.
  using Asked = std::function<dns::Asker(base::ByteView message, bool stream, Reply reply)>;
  using Gone = std::function<void(dns::Asker)>;

  // kNoPermission for a port below 1024, kPortTaken, kConfigBadValue for an address that this machine does not have.
  static base::Result<std::unique_ptr<DnsListener>> open(io::EventLoop& loop,
                                                         const base::Endpoint& at, Asked asked,
                                                         Gone gone);
  ~DnsListener();
  DnsListener(const DnsListener&) = delete;
  DnsListener& operator=(const DnsListener&) = delete;

 private:
  struct Client {
    io::UniqueFd fd;
    io::WatchId watch;
    io::TimerId timer;
    base::Bytes in, out;
    dns::Asker asked = 0;  // not answered yet; nothing is read meanwhile
  };
  DnsListener(io::EventLoop& loop, Asked asked, Gone gone)
      : loop_(loop), asked_(std::move(asked)), gone_(std::move(gone)) {}
  base::Result<void> bind(const base::Endpoint& at);
  void receive();
  void accept_all();
  void on_event(std::uint64_t id, std::uint32_t events);
  void serve(std::uint64_t id);
  void answer(std::uint64_t id, base::ByteView message);
  void write(std::uint64_t id);
  void close(std::uint64_t id);

  io::EventLoop& loop_;
  Asked asked_;
  Gone gone_;
  io::UniqueFd udp_, tcp_;
  std::optional<io::WatchId> udp_watch_, tcp_watch_;
  std::map<std::uint64_t, Client> clients_;
  std::uint64_t last_client_ = 0;
};

}  // namespace entresol::runtime
