// What answers a query: the zones of the layers, or else the servers that were there before. Sockets, addresses and clocks
// are the caller's; who asks is a number of its own.
//
// A name that somebody had to be asked about waits, kMostWaiting of them at once and kPatience each: retry() looks again.
//
// Pure. Outputs are collected, see forwarder.h.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "dns/forwarder.h"
#include "dns/zone.h"

namespace entresol::dns {

struct ServerCounters {
  std::uint64_t queries = 0;
  std::uint64_t answered_here = 0;  // of the zones' names
  std::uint64_t malformed = 0;      // FORMERR, NOTIMP, BADVERS, or no answer at all
  std::uint64_t refused = 0;        // another class, or a transfer
  std::uint64_t unanswered = 0;     // nobody has said in time whether there is such a name
};

class Server {
 public:
  static constexpr std::size_t kMostWaiting = 64;
  static constexpr base::Duration kPatience =
      std::chrono::seconds(4);  // below that of askers, which is 5

  explicit Server(base::RandomSource& random) : forwarder_(random) {}

  void add(ZoneConfig config, Lookup& lookup) { zones_.emplace_back(std::move(config), lookup); }
  const std::deque<Zone>& zones() const { return zones_; }
  Forwarder& forwarder() { return forwarder_; }
  const Forwarder& forwarder() const { return forwarder_; }

  // `largest`: octets of the largest reply that the way back carries, whatever the asker says of itself. False if there
  // will be no reply.
  bool take(Asker asker, base::ByteView message, bool stream, std::size_t largest,
            base::TimePoint now);
  bool waits() const { return !waiting_.empty(); }
  void retry(base::TimePoint now);
  void forget(Asker asker);
  void on_timer(base::TimePoint now);
  base::TimePoint next_timer() const;

  std::vector<Send>& sends() { return forwarder_.sends(); }
  std::vector<Reply>& replies() { return forwarder_.replies(); }
  std::vector<Ticket>& closed() { return forwarder_.closed(); }
  const ServerCounters& counters() const { return counters_; }

 private:
  struct Waiting {
    Asker asker = 0;
    base::Bytes message;
    const Zone* zone = nullptr;
    std::size_t limit = 0;
    base::TimePoint until{};
  };
  void answer(Asker asker, base::ByteView message, const Query& query, bool stream,
              std::size_t largest, base::TimePoint now);
  const Zone* zone_of(base::ByteView name) const;
  void reply(Asker asker, base::Bytes message) { replies().push_back({asker, std::move(message)}); }
  void reply_here(Asker asker, base::ByteView message, const Query& query, base::Bytes answer,
                  std::size_t limit);

  std::deque<Zone> zones_;  // Waiting points at them
  Forwarder forwarder_;
  std::deque<Waiting> waiting_;  // oldest first
  ServerCounters counters_;
};

}  // namespace entresol::dns
