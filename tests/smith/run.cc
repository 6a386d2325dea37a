// smith_run [FILE]: what entresol_smith writes, of a file or standard input, module after module as a service beside a good
// one on one service thread. Whatever a module does, it ends nothing but itself: the good one loses no packet, the module
// stays within its limits, and all its packets come back, each with a verdict or a reason. The seed is told with what fails.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "service/modules/testing/hostile_scene.h"

namespace entresol::service::modules {
namespace {

using std::chrono::milliseconds;
using test::HostileScene;

constexpr std::uint32_t kRounds = 6, kPackets = 16, kMostOctets = 4 << 20;

struct Sums {
  std::size_t modules = 0, refused = 0, failed = 0, ended = 0, faults = 0, over_budget = 0;
  std::size_t delivered = 0, dropped = 0, lines = 0, stored = 0, withdrawals = 0, held = 0;
};

// What does not hold; empty: all does.
std::string wrong_with(HostileScene& scene, const Limits& limits) {
  if (std::string harm = scene.harm(); !harm.empty()) return harm;
  const test::Tally& its = scene.tally(HostileScene::kHostile);
  RemoteService& remote = scene.remote(HostileScene::kHostile);
  const Report report = scene.hostile().report();
  const std::size_t copies = its.delivered > its.sent ? its.delivered - its.sent : 0;
  if (copies == 0 && its.delivered + its.dropped() + remote.held < its.sent)
    return "packets of its own are lost without a reason";
  if (scene.away() != remote.held) return "buffers are lost";
  if (report.memory > limits.memory) return "it has " + std::to_string(report.memory) + " octets";
  if (report.stored > limits.ephemeral) return "it stores " + std::to_string(report.stored);
  if (remote.held > limits.held) return "it holds " + std::to_string(remote.held) + " packets";
  if (scene.lines() > 2 * limits.log_lines) return "it has written too many lines";
  if (remote.withdrawals > 2 * limits.withdrawals) return "it has withdrawn too often";
  return "";
}

void count(HostileScene& scene, Sums& sums) {
  const test::Tally& its = scene.tally(HostileScene::kHostile);
  const Report report = scene.hostile().report();
  sums.faults += report.usage.faults;
  sums.ended += report.usage.faults > 0;
  sums.over_budget += report.last_fault && report.last_fault->over_budget;
  sums.delivered += its.delivered;
  sums.dropped += its.dropped();
  sums.lines += scene.lines();
  sums.stored += report.stored;
  sums.withdrawals += scene.remote(HostileScene::kHostile).withdrawals;
  sums.held += scene.remote(HostileScene::kHostile).held;
}

std::string run(Sandbox& box, const HostileScene::Code& good, base::ByteView wasm, Sums& sums) {
  const auto code = box.prepare(wasm);
  if (!code) {
    ++sums.refused;
    return "refused: " + code.error().message;
  }
  HostileScene scene(good);
  Manifest manifest;
  manifest.metrics = {{"a", MetricKind::kCounter, ""}, {"b", MetricKind::kHistogram, ""}};
  manifest.config = {{.name = "mode", .otherwise = "open", .help = ""}};
  scene.add_hostile(manifest, *code);
  for (std::uint32_t i = 0; i < kRounds; ++i) {
    scene.round(kPackets);
    scene.advance(milliseconds(120));
  }
  scene.hostile().configure({{"mode", "shut"}}, scene.now(), scene.unix_nanos());
  scene.settle();
  count(scene, sums);
  return wrong_with(scene, manifest.limits);
}

std::uint32_t number(const base::Bytes& octets, std::size_t at) {
  std::uint32_t out = 0;
  for (std::size_t i = 4; i > 0; --i) out = out << 8 | octets[at + i - 1];
  return out;
}

base::Bytes read(std::istream& from) {
  return {std::istreambuf_iterator<char>(from), {}};
}

int main_of(std::istream& from) {
  const auto box = Sandbox::create({.instances = 8});
  std::ifstream file(ENTRESOL_EVERY_CALL_WASM, std::ios::binary);
  const auto good = (*box)->prepare(read(file));
  const test::CpuTicker ticker((*box)->engine());
  const base::Bytes all = read(from);
  Sums sums;
  for (std::size_t at = 0; at + 8 <= all.size();) {
    const std::uint32_t seed = number(all, at), size = number(all, at + 4);
    if (size > kMostOctets || all.size() - at - 8 < size) {
      std::fprintf(stderr, "the list of modules is damaged at octet %zu\n", at);
      return 1;
    }
    const std::string wrong = run(**box, *good, base::ByteView(all).subspan(at + 8, size), sums);
    at += 8 + size;
    ++sums.modules;
    if (wrong.empty()) continue;
    ++sums.failed;
    std::printf("seed %u: %s\n", seed, wrong.c_str());
  }
  std::printf(
      "%zu modules, %zu failed, %zu of these refused; %zu faulted, %zu times, %zu last over "
      "budget; %zu packets "
      "delivered, %zu dropped, %zu held; %zu lines, %zu octets stored, %zu withdrawals\n",
      sums.modules, sums.failed, sums.refused, sums.ended, sums.faults, sums.over_budget,
      sums.delivered, sums.dropped, sums.held, sums.lines, sums.stored, sums.withdrawals);
  // If none of them had done anything, this would have shown nothing.
  const bool lively = sums.modules > 0 && sums.ended > 0 && sums.ended < sums.modules &&
                      sums.stored > 0 && sums.lines > 0 && sums.withdrawals > 0;
  if (!lively) std::printf("the modules did nothing worth the name\n");
  return sums.failed == 0 && lively ? 0 : 1;
}

}  // namespace
}  // namespace entresol::service::modules

int main(int argc, char** argv) {
  if (argc < 2) return entresol::service::modules::main_of(std::cin);
  std::ifstream file(argv[1], std::ios::binary);
  return entresol::service::modules::main_of(file);
}
