// What fuzz targets of live links and sessions start from: a node, honest hosts, and mallory, a host with keys and a
// certificate of her own who keeps to no rule. She and the victim, the last of the hosts, know each other.
#pragma once

#include <cstdlib>

#include "layer/member/test_inner.h"
#include "layer/member/test_raw_host.h"

namespace entresol::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

struct HostileScene {
  HostileScene(std::uint64_t seed, std::size_t hosts) : star(seed, hosts) {
    victim().learn(mallory.joined);
    mallory.learn(victim().in());
    require(star.attach());
    require(star.world.run_until([&] { return mallory.attached(); }, std::chrono::seconds(5)));
  }
  layer::member::test::Machine& victim() { return *star.hosts.back(); }
  // After each input, so that the world does not grow.
  void forget() {
    mallory.packets.clear();
    for (auto& host : star.hosts) {
      host->delivered.clear();
      host->replies.clear();
    }
  }

  layer::member::test::Star star;
  layer::member::test::RawHost mallory{
      star.world, 66, *star.node,
      layer::member::test::join(star.authority, layer::membership::Role::kHost, "mallory",
                                {100, 64, 0, 66})};
};

}  // namespace entresol::fuzz
