// A program that does as it is told, for this folder's tests.
#pragma once

#include <functional>
#include <vector>

#include "service/program.h"

namespace entresol::service::test {

class ScriptedProgram final : public Program {
 public:
  std::optional<Fault> start(Environment& environment) override {
    environment_ = &environment;
    ++starts;
    return called();
  }
  std::optional<Fault> configure() override { return called(); }
  std::optional<Fault> packets(const entresol_batch& batch) override {
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      seen.push_back(batch.packets[i]);
      batch.verdicts[i] = verdict;
    }
    if (on_packets) on_packets(*environment_, batch);
    return called();
  }
  std::optional<Fault> timer(std::uint64_t name) override {
    timers.push_back(name);
    if (on_timer) on_timer();
    return called();
  }

  entresol_verdict verdict{};
  bool fault = false;
  int starts = 0;
  std::vector<entresol_packet> seen;
  std::vector<std::uint64_t> timers;
  std::function<void()> on_call, on_timer;
  std::function<void(Environment&, const entresol_batch&)> on_packets;

 private:
  std::optional<Fault> called() {
    if (on_call) on_call();
    if (fault) return Fault{"scripted", {}, false};
    return std::nullopt;
  }
  Environment* environment_ = nullptr;
};

}  // namespace entresol::service::test
