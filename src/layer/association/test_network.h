// For this room's tests: nodes at distances, some of which die and return, and a host's link to the one that it has dialled.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "layer/association/selector.h"
#include "security/test_random.h"

namespace entresol::layer::association::test {

using base::Duration;
using base::TimePoint;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Node {
  Candidate at;
  Duration rtt = milliseconds(10);
  bool alive = true;
  bool answers = true;  // probes
  bool admits = true;   // gives keys
};

inline Candidate candidate(std::uint8_t number) {
  Candidate out;
  out.node.octets[15] = number;
  out.endpoint.address[15] = number;
  out.endpoint.port = 4850;
  return out;
}

class Network {
 public:
  explicit Network(std::uint64_t seed = 1) : random(seed), selector(random, seed) {}

  Node& add(Duration rtt) {
    const auto number = static_cast<std::uint8_t>(nodes.size() + 1);
    nodes.emplace_back().at = candidate(number);
    nodes.back().rtt = rtt;
    return nodes.back();
  }
  // All nodes are candidates.
  void know() {
    std::vector<Candidate> all;
    for (const Node& node : nodes) all.push_back(node.at);
    selector.set_candidates(all, now);
  }
  Node* node_at(const Candidate& at) {
    for (Node& node : nodes)
      if (node.at == at) return &node;
    return nullptr;
  }
  Node* dialled() { return selector.dialled() ? node_at(*selector.dialled()) : nullptr; }
  std::size_t at() {
    const auto found = std::ranges::find_if(nodes, [&](Node& node) { return &node == dialled(); });
    return found == nodes.end() ? 99 : static_cast<std::size_t>(found - nodes.begin());
  }

  void run_for(Duration duration) {
    run_until([] { return false; }, duration);
  }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const TimePoint end = now + limit;
    while (!done()) {
      TimePoint next = std::min(selector.next(), next_traffic_);
      if (!events_.empty()) next = std::min(next, events_.begin()->first);
      if (next > end) {
        now = end;
        return done();
      }
      now = std::max(now, next);
      ++steps;
      while (!events_.empty() && events_.begin()->first <= now) {
        const auto event = events_.extract(events_.begin());
        event.mapped()();
      }
      if (next_traffic_ <= now) traffic();
      if (selector.next() <= now) step();
    }
    return true;
  }

  security::SeededRandom random;
  Selector selector;
  std::deque<Node> nodes;  // which are pointed at while more are added
  TimePoint now{seconds(1000)};
  unsigned loss = 0;       // percent, each way
  bool talking = false;    // applications; else keepalives alone
  bool listening = false;  // nothing is sent, much received
  bool cut = false;        // the host from all
  LinkState link;
  std::size_t dials = 0, probes = 0, steps = 0, wanted = 0;
  std::size_t left_alive = 0;  // dials away from a node that served

 private:
  bool passes(const Node* node) {
    return node != nullptr && node->alive && !cut && !random.chance(loss) && !random.chance(loss);
  }
  void after(Duration delay, std::function<void()> what) {
    events_.emplace(now + delay, std::move(what));
  }
  void step() {
    const Step out = selector.step(link, now);
    probes += out.probes.size();
    wanted += out.nodes_wanted;
    for (const Question& question : out.probes) {
      const Node* node = node_at(question.at);
      if (!passes(node) || !node->answers) continue;
      after(node->rtt, [this, nonce = question.nonce] { selector.answered(nonce, now); });
    }
    if (!out.dial) return;
    ++dials;
    if (dialled_ != nullptr && dialled_->alive && !cut && link.up) ++left_alive;
    dialled_ = dialled();
    link = {};
    handshake(*out.dial, dials);
  }
  void handshake(const Candidate& with, std::size_t which) {
    if (which != dials) return;
    const Node* node = node_at(with);
    if (passes(node) && node->admits)
      return after(node->rtt, [this, which] { link.up |= which == dials; });
    after(seconds(5), [this, with, which] { handshake(with, which); });
  }
  void traffic() {
    const bool busy = talking || listening;
    next_traffic_ = now + (busy ? Duration(milliseconds(100)) : Duration(seconds(5)));
    if (!link.up) return;
    if (!listening) ++link.sent;
    if (busy && passes(dialled())) ++link.received;
  }
  const Node* dialled_ = nullptr;
  TimePoint next_traffic_ = now;
  std::multimap<TimePoint, std::function<void()>> events_;
};

}  // namespace entresol::layer::association::test
