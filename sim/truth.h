// What a run knows to be true, apart from the product: which policies there were and who has acknowledged which, who was
// revoked and which node was told, what was acknowledged to people, and which packets were sent. What the product does is
// held against it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller_machine.h"

namespace entresol::sim {

// A policy of the run's own making: the first rule that takes a flow decides, what none takes is denied.
struct PortRule {
  bool allow = false;
  unsigned from_tag = 0, to_tag = 0;  // 0: anybody
  std::uint16_t first = 0, last = 0;  // the responder's UDP port
};
inline constexpr std::uint16_t kOpenPort = 2000;                     // which every policy allows
inline constexpr std::uint16_t kFirstPort = 1001, kLastPort = 1004;  // which policies differ in
inline constexpr unsigned kTags = 3;                                 // of hosts: 1, 2, 3
std::string tag_text(unsigned tag);

class PortPolicy {
 public:
  static PortPolicy any(security::SeededRandom& random);
  std::string text() const;
  bool allows(unsigned from_tag, unsigned to_tag, std::uint16_t port) const;

 private:
  std::vector<PortRule> rules_;
  std::uint64_t number_ = 0;  // so that no two have one text
};

// Between two hosts, opened by the first.
struct Flow {
  std::size_t from = 0, to = 0;
  int version = 6;
  std::uint16_t port = kOpenPort, client_port = 40000;
  auto operator<=>(const Flow&) const = default;
};

struct SentPacket {
  Flow flow;
  bool reply = false;
  base::TimePoint at{};
  std::uint16_t size = 0;
  bool seen = false;
  std::size_t sender() const { return reply ? flow.to : flow.from; }
  std::size_t receiver() const { return reply ? flow.from : flow.to; }
};

class Truth {
 public:
  explicit Truth(Timeline& timeline) : timeline_(timeline) {}

  std::vector<unsigned> tags;  // of hosts, by index
  std::vector<SentPacket> packets;

  // ---- policies
  void meant(const PortPolicy& policy) { meant_.emplace(policy.text(), policy); }
  const PortPolicy* policy_of(const std::string& text) const;
  void policy_is(std::uint64_t revision, const std::string& text);  // at the controller
  void policy_heard(std::size_t node, std::uint64_t revision);      // of a node, by the controller
  // No policy that the node may have had in force since the packet was sent allows it.
  bool denied(const SentPacket& packet, std::size_t node) const;

  // ---- revocations
  struct Told {
    directory::Revision at;
    std::map<std::size_t, base::TimePoint> nodes;  // that know it, since when
  };
  void revoked(std::size_t host, const directory::Revision& at) { revoked_[host] = {at, {}}; }
  void not_revoked(std::size_t host) { revoked_.erase(host); }
  bool is_revoked(std::size_t host) const { return revoked_.contains(host); }
  const std::map<std::size_t, Told>& revocations() const { return revoked_; }
  void controller_opened(const directory::Revision& at) {
    opened_[at.incarnation] = {opened_.size(), at.counter};
  }
  void node_has_seen(std::size_t node, const directory::Revision& since);
  // Sender or receiver was revoked, and the node had been told before the packet was sent.
  bool outcast(const SentPacket& packet, std::size_t node) const;

  // ---- what people were told
  struct Acknowledged {
    std::map<std::string, Json> members;              // by label, as `join` answered
    std::set<std::string> revoked;                    // labels
    std::map<std::string, base::UnixSeconds> tokens;  // ids, and their ends
    std::set<std::string> revoked_tokens;
    std::uint64_t policy_revision = 0;
    std::string policy;
  };
  Acknowledged acknowledged;
  // What of it the controller does not know.
  std::vector<std::string> lost(const directory::Authority& authority, base::UnixSeconds now) const;

 private:
  struct InForce {
    std::uint64_t revision = 0;
    const PortPolicy* policy = nullptr;
  };
  bool allows(const PortPolicy& policy, const SentPacket& packet) const;

  Timeline& timeline_;
  std::map<std::string, PortPolicy> meant_;
  std::vector<InForce> policies_;
  std::map<std::size_t, std::vector<std::pair<base::TimePoint, std::uint64_t>>> heard_;
  std::map<std::size_t, Told> revoked_;
  // Incarnations of the controller: in which order, and where each began.
  std::map<std::uint64_t, std::pair<std::size_t, std::uint64_t>> opened_;
};

}  // namespace entresol::sim
