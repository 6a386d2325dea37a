#include "cli/kit/script_run.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "config/service_file.h"
#include "service/native_program.h"

extern "C" const entresol_service* entresol_service_hello();

namespace entresol::cli::kit {
namespace {

using service::Environment;
using service::Fault;

// What the service does, as a function.
class Told final : public service::Program {
 public:
  using OnPacket = std::function<std::optional<Fault>(Environment&, const entresol_batch&)>;
  using OnTimer = std::function<void(Environment&, std::uint64_t)>;
  explicit Told(OnPacket on_packet, OnTimer on_timer = nullptr)
      : on_packet_(std::move(on_packet)), on_timer_(std::move(on_timer)) {}
  std::optional<Fault> start(Environment& environment) override {
    environment_ = &environment;
    return std::nullopt;
  }
  std::optional<Fault> configure() override { return std::nullopt; }
  std::optional<Fault> packets(const entresol_batch& batch) override {
    return on_packet_(*environment_, batch);
  }
  std::optional<Fault> timer(std::uint64_t name) override {
    if (on_timer_) on_timer_(*environment_, name);
    return std::nullopt;
  }

 private:
  OnPacket on_packet_;
  OnTimer on_timer_;
  Environment* environment_ = nullptr;
};

service::Manifest manifest() {
  service::Manifest out;
  out.fields = ~0u;
  out.limits.held = 2;
  out.metrics = {{"seen", service::MetricKind::kCounter, ""}};
  return out;
}

Outcome run(std::string_view text, std::unique_ptr<service::Program> program) {
  const auto script = parse_script(text, "a");
  EXPECT_TRUE(script) << script.error().message;
  return run_script(*script, manifest(), std::move(program));
}

std::string came(const Outcome& outcome) {
  return outcome.failure ? std::to_string(outcome.failure->line) + ": " + outcome.failure->came
                         : "";
}

// Holds what comes, and lets it go after a second, if its port is 1.
std::unique_ptr<Told> holder() {
  return std::make_unique<Told>(
      [](Environment& environment, const entresol_batch& batch) -> std::optional<Fault> {
        for (std::uint32_t i = 0; i < batch.count; ++i) {
          batch.verdicts[i].action = ENTRESOL_HOLD;
          batch.verdicts[i].lifetime_ms = 3000;
          if (batch.packets[i].port == 1)
            environment.timer_set(batch.packets[i].handle, 1'000'000'000);
        }
        environment.metric(0, batch.count);
        return std::nullopt;
      },
      [](Environment& environment, std::uint64_t name) {
        entresol_verdict verdict{};
        verdict.action = ENTRESOL_DELIVER;
        environment.release(static_cast<std::uint32_t>(name), verdict);
      });
}

TEST(ScriptRun, TimePassesForTimersAndHolds) {
  EXPECT_EQ(came(run(R"(packet port=1 as=one
expect hold for=3s
packet port=2 as=two
expect hold
packet port=2
expect drop
expect metric seen=3
advance 999ms
expect no release
advance 1ms
expect release of=one deliver
expect no expired
advance 2s
expect expired of=two
expect no release)",
                     holder())),
            "");
}

TEST(ScriptRun, SaysWhatCameInstead) {
  EXPECT_EQ(came(run("packet port=1\nexpect deliver", holder())), "2: hold for=3000ms");
  EXPECT_EQ(came(run("packet times=3\nexpect hold", holder())),
            "2: packet 3: drop: it holds 2 packets, which is its limit");
  EXPECT_EQ(came(run("packet port=1\nexpect metric seen=2", holder())), "2: seen=1");
  EXPECT_EQ(came(run("expect hold", holder())), "1: no packet yet");
  EXPECT_EQ(came(run("packet\nexpect log \"x\"", holder())), "2: nothing");
  EXPECT_EQ(came(run("packet\nexpect release deliver", holder())), "2: no release");
  EXPECT_EQ(came(run("packet\nexpect resting", holder())), "2: running");
}

std::unique_ptr<Told> faulty() {
  return std::make_unique<Told>([](Environment&, const entresol_batch&) {
    return Fault{"out of bounds", {"fill (hello.c:12)"}, false};
  });
}

TEST(ScriptRun, AFaultThatIsNotExpectedFails) {
  const Outcome outcome = run("packet\nexpect drop", faulty());
  ASSERT_TRUE(outcome.failure);
  EXPECT_EQ(outcome.failure->line, 2u);
  EXPECT_EQ(outcome.failure->came, "a fault: out of bounds");
  EXPECT_EQ(outcome.failure->backtrace, (std::vector<std::string>{"fill (hello.c:12)"}));
  EXPECT_EQ(came(run("packet", faulty())), "1: a fault: out of bounds");
}

TEST(ScriptRun, AFaultThatIsExpectedGoesOn) {
  EXPECT_EQ(came(run(R"(packet
expect fault "hello.c:12"
expect fallback
expect resting
packet
expect fallback
advance 100ms
expect running)",
                     faulty())),
            "");
  EXPECT_EQ(came(run("packet\nexpect fault \"elsewhere\"", faulty())), "2: a fault: out of bounds");
}

TEST(ScriptRun, TimersWithoutAnEndAreOne) {
  auto program = std::make_unique<Told>(
      [](Environment& environment, const entresol_batch&) -> std::optional<Fault> {
        environment.timer_set(1, 0);
        return std::nullopt;
      },
      [](Environment& environment, std::uint64_t) { environment.timer_set(1, 0); });
  EXPECT_EQ(came(run("packet\nadvance 1s", std::move(program))),
            "2: timers follow one another without an end");
}

// The template of `entresol service new`, as native code under its own script.
TEST(ScriptRun, TheTemplateDoesWhatItsScriptSays) {
  std::ifstream file("sdk/templates/common/tests/hello.script");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto service = config::load_service("sdk/templates/common/service.yaml");
  ASSERT_TRUE(service) << service.error().message;
  const auto script = parse_script(text, "hello.script");
  ASSERT_TRUE(script) << script.error().message;
  ASSERT_TRUE(check_script(*script, service->manifest, "hello.script"));
  const Outcome outcome =
      run_script(*script, service->manifest,
                 std::make_unique<service::NativeProgram>(*entresol_service_hello()));
  EXPECT_EQ(came(outcome), "");
  EXPECT_EQ(outcome.expectations, 8u);
}

// Counts what it was asked in the stable store, says so in `reason`, and faults at port 9.
TEST(ScriptRun, TheStableStoreOutlivesAFault) {
  const auto counts = [](Environment& environment,
                         const entresol_batch& batch) -> std::optional<Fault> {
    std::uint8_t count = 0;
    environment.get(ENTRESOL_STABLE, "count", {&count, 1});
    ++count;
    EXPECT_EQ(environment.put(ENTRESOL_STABLE, "count", {&count, 1}, 0), 0);
    if (batch.packets[0].port == 9) return Fault{"told to", {}, false};
    batch.verdicts[0] = {.action = ENTRESOL_REFUSE, .reason = count};
    return std::nullopt;
  };
  service::Manifest stores = manifest();
  stores.limits.stable = 1000;
  const auto script = parse_script(R"(
packet
expect refuse reason=1
packet port=9
expect fault "told to"
advance 1s
packet
expect refuse reason=2
)",
                                   "a");
  ASSERT_TRUE(script) << script.error().message;
  EXPECT_EQ(came(run_script(*script, stores, std::make_unique<Told>(counts))), "");
}

}  // namespace
}  // namespace entresol::cli::kit
