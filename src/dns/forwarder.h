// Queries that go on to the servers that were there before: which are open, at whom, until when. An
// answer is believed if it comes back on the ticket's own socket, under the ticket's own random
// number, to the same question (RFC 5452). Who does not answer in time, cannot be reached or does not
// want to is followed by the next. The first is asked first, as the C library does, but for
// kForgiven after it was silent.
//
// Bounded: beyond kMost open questions the oldest is given up. Each has a socket of the caller's, which is why kMost is far
// below the usual limit of file descriptors.
//
// Pure. Outputs are collected: take sends(), replies() and closed() after each call.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/endpoint.h"
#include "base/random.h"
#include "base/strong.h"
#include "base/time.h"
#include "dns/message.h"

namespace entresol::dns {

// Who asked, in the caller's numbering.
using Asker = std::uint64_t;
using Ticket = base::StrongInt<struct TicketTag, std::uint64_t>;

struct Reply {
  Asker asker = 0;
  base::Bytes message;
};

// A question for a server, on a socket of its own, which stays open until the ticket is among closed().
struct Send {
  Ticket ticket;
  base::Endpoint server;
  bool stream = false;  // TCP: the asker came that way
  base::Bytes message;
};

struct ForwardCounters {
  std::uint64_t asked = 0, answered = 0;
  std::uint64_t timeouts = 0, unreachable = 0, declined = 0;  // of single servers
  std::uint64_t mismatched = 0;                               // answers to something else
  std::uint64_t given_up = 0;     // questions that no server has answered
  std::uint64_t crowded_out = 0;  // given up because of kMost
};

class Forwarder {
 public:
  static constexpr std::size_t kMost = 256;
  static constexpr std::size_t kMaxServers = 8;
  static constexpr base::Duration kPatience = std::chrono::seconds(2);  // for one server
  static constexpr base::Duration kForgiven = std::chrono::seconds(30);

  explicit Forwarder(base::RandomSource& random) : random_(random) {}

  void set_servers(std::vector<base::Endpoint> servers);
  const std::vector<base::Endpoint>& servers() const { return servers_; }

  // `limit`: octets of the largest reply. Without a server the reply is REFUSED: the asker's own next one may know.
  void ask(Asker asker, base::ByteView message, const Query& query, bool stream, std::size_t limit,
           base::TimePoint now);
  void answered(Ticket ticket, base::ByteView message, base::TimePoint now);
  void unreachable(Ticket ticket, base::TimePoint now);
  // The asker has gone.
  void forget(Asker asker);
  void on_timer(base::TimePoint now);
  base::TimePoint next_timer() const;

  std::vector<Send>& sends() { return sends_; }
  std::vector<Reply>& replies() { return replies_; }
  std::vector<Ticket>& closed() { return closed_; }
  std::size_t open() const { return open_.size(); }
  const ForwardCounters& counters() const { return counters_; }

 private:
  struct Entry {
    Asker asker = 0;
    base::Bytes message;  // with the asker's id
    std::uint16_t id = 0;
    bool stream = false;
    std::size_t limit = 0;
    std::size_t first = 0;  // server
    std::size_t tries = 0;
    base::TimePoint until{};
  };
  std::size_t most_tries() const { return servers_.size() == 1 ? 2 : servers_.size(); }
  void send(Entry entry, base::TimePoint now);
  void next_or_fail(std::map<Ticket, Entry>::iterator at, base::TimePoint now);
  void avoid(const Entry& entry, base::TimePoint now);
  void fail(const Entry& entry);

  base::RandomSource& random_;
  std::vector<base::Endpoint> servers_;
  std::size_t preferred_ = 0;  // asked first
  base::TimePoint avoided_at_{};
  std::uint64_t last_ticket_ = 0;
  std::map<Ticket, Entry> open_;  // older tickets end sooner: all have the same patience
  std::vector<Send> sends_;
  std::vector<Reply> replies_;
  std::vector<Ticket> closed_;
  ForwardCounters counters_;
};

}  // namespace entresol::dns
