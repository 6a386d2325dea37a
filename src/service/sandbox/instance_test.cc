#include "service/sandbox/instance.h"

#include <deque>
#include <set>

#include "base/error_codes.h"
#include "service/sandbox/sandbox_testing.h"

namespace entresol::service::sandbox {
namespace {

class InstanceTest : public SandboxTest {
 protected:
  // Starts the probe; `other` is the entry kOther.
  Instance& probe(std::string other = "crash", Signature signature = {},
                  std::size_t memory = kMemory) {
    const Module module = compile(wasm_);
    instance_ = std::make_unique<Instance>(
        prepare(module, probe_entries(std::move(other), std::move(signature))), &host_, memory);
    const auto trap = instance_->start(kLong);
    EXPECT_FALSE(trap) << to_text(*trap);
    return *instance_;
  }
  // The one result of a call that has to succeed.
  Value call(std::size_t entry, Value a = {}, Value b = {}) {
    Value values[] = {a, b};
    const auto trap = instance_->call(entry, values, kLong);
    EXPECT_FALSE(trap) << to_text(*trap);
    return values[0];
  }
  Trap trap(std::size_t entry, Value a = {}, Value b = {}, std::uint64_t ticks = kLong) {
    Value values[] = {a, b};
    auto trap = instance_->call(entry, values, ticks);
    EXPECT_TRUE(trap);
    return trap.value_or(Trap{});
  }
  Trap trap_of(std::string other, Signature signature = {}) {
    probe(std::move(other), std::move(signature));
    return trap(kOther);
  }

  base::Bytes wasm_ = read_module(ENTRESOL_PROBE_WASM);
  std::unique_ptr<Instance> instance_;
};

TEST_F(InstanceTest, CallsAndKeepsState) {
  probe();
  EXPECT_EQ(call(kAdd, Value::of(40u), Value::of(2u)).u32, 42u);
  EXPECT_EQ(call(kCount).u32, 6u);
  EXPECT_EQ(call(kCount).u32, 7u);
  ASSERT_FALSE(instance_->start(kLong));
  EXPECT_EQ(call(kCount).u32, 6u) << "started again, it knows nothing of before";
}

TEST_F(InstanceTest, HostFunctionsSeeTheirInstance) {
  probe();
  Host other_host;
  Instance other(prepare(compile(wasm_), probe_entries()), &other_host, kMemory);
  ASSERT_FALSE(other.start(kLong));
  EXPECT_EQ(call(kGreet).u32, 5u);
  EXPECT_EQ(call(kGreet).u32, 10u);
  EXPECT_EQ(host_.told, "hellohello");
  EXPECT_EQ(other_host.told, "");
  EXPECT_EQ(call(kSum, Value::of(std::uint64_t{1} << 40), Value::of(9.0)).u64,
            (std::uint64_t{1} << 41) + 4);
}

TEST_F(InstanceTest, RefusedByAHostFunction) {
  probe();
  const Trap trap = this->trap(kGiveUp);
  EXPECT_EQ(trap.kind, TrapKind::kHost);
  EXPECT_EQ(trap.message, "stop: as it was told");
  ASSERT_FALSE(trap.frames.empty());
  EXPECT_EQ(trap.frames[0].function, "give_up");
  EXPECT_TRUE(trap.frames[0].file.ends_with("testing/probe.c")) << trap.frames[0].file;
  EXPECT_GT(trap.frames[0].line, 0u);
}

TEST_F(InstanceTest, WildPointersAreTold) {
  probe();
  EXPECT_EQ(trap(kTellWild).message, "tell: text outside the memory");
  EXPECT_EQ(host_.told, "");
}

TEST_F(InstanceTest, WildPointersTrap) {
  for (const std::uint32_t at : {0xfffffffcu, 0x80000000u, static_cast<std::uint32_t>(kMemory)}) {
    probe();
    const Trap read = trap(kPeek, Value::of(at));
    EXPECT_EQ(read.kind, TrapKind::kMemory) << at;
    ASSERT_FALSE(read.frames.empty());
    EXPECT_EQ(read.frames[0].function, "peek");
    probe();
    EXPECT_EQ(trap(kPoke, Value::of(at), Value::of(1u)).kind, TrapKind::kMemory) << at;
  }
}

TEST_F(InstanceTest, AfterATrapItIsNotCalled) {
  probe();
  trap(kPeek, Value::of(0xfffffffcu));
  EXPECT_FALSE(instance_->running());
  EXPECT_EQ(trap(kCount).kind, TrapKind::kNotRunning);
  EXPECT_GT(instance_->memory().size, 0u) << "its memory can be looked at";
  ASSERT_FALSE(instance_->start(kLong));
  EXPECT_EQ(call(kCount).u32, 6u);
}

TEST_F(InstanceTest, NeverStarted) {
  Instance instance(prepare(compile(wasm_), probe_entries()), &host_, kMemory);
  Value values[2];
  EXPECT_EQ(instance.call(kAdd, values, kLong).value().kind, TrapKind::kNotRunning);
  EXPECT_EQ(instance.memory().size, 0u);
}

TEST_F(InstanceTest, TooFewPlacesForValues) {
  probe();
  Value one[1];
  EXPECT_EQ(instance_->call(kAdd, one, kLong).value().kind, TrapKind::kNotRunning);
  EXPECT_EQ(instance_->call(kOther + 1, one, kLong).value().kind, TrapKind::kNotRunning);
}

TEST_F(InstanceTest, DeepRecursionTraps) {
  probe();
  EXPECT_EQ(call(kDig, Value::of(10u)).u32, 55u);
  const Trap trap = this->trap(kDig, Value::of(100'000'000u));
  EXPECT_TRUE(trap.kind == TrapKind::kStackOverflow || trap.kind == TrapKind::kMemory)
      << to_text(trap) << ": the machine's stack or the module's own, whichever ends first";
  EXPECT_LE(trap.frames.size(), 20u);
}

TEST_F(InstanceTest, TheKindsOfTraps) {
  EXPECT_EQ(trap_of("crash").kind, TrapKind::kUnreachable);
  EXPECT_EQ(trap_of("call_null", {{}, {Type::kI32}}).kind, TrapKind::kIndirect);
  EXPECT_EQ(trap_of("call_other", {{}, {Type::kI64}}).kind, TrapKind::kIndirect);
  probe("divide", {{Type::kI32, Type::kI32}, {Type::kI32}});
  EXPECT_EQ(trap(kOther, Value::of(1), Value::of(0)).kind, TrapKind::kArithmetic);
  ASSERT_FALSE(instance_->start(kLong));
  EXPECT_EQ(trap(kOther, Value::of(INT32_MIN), Value::of(-1)).kind, TrapKind::kArithmetic);
}

TEST_F(InstanceTest, EndlessLoopsEnd) {
  for (const char* loop : {"spin", "churn"}) {
    probe(loop);
    call(kGrow, Value::of(40u));
    const Ticker ticker(*engine_);
    const Trap trap = this->trap(kOther, {}, {}, 3);
    EXPECT_EQ(trap.kind, TrapKind::kInterrupted) << loop;
    ASSERT_FALSE(trap.frames.empty());
    EXPECT_EQ(trap.frames[0].function, loop);
  }
}

TEST_F(InstanceTest, ADeadlineIsForOneCall) {
  probe();
  ASSERT_FALSE(instance_->start(1));
  for (int i = 0; i < 10; ++i) {
    engine_->tick();
    Value values[2];
    EXPECT_FALSE(instance_->call(kCount, values, 1));
  }
}

TEST_F(InstanceTest, MemoryIsBounded) {
  probe("bomb", {{}, {Type::kI32}}, std::size_t{2} << 20);
  const Memory before = instance_->memory();
  EXPECT_EQ(call(kOther).u32, 32u) << "pages of 64 KiB";
  EXPECT_EQ(instance_->known_memory().size, before.size);
  EXPECT_EQ(instance_->memory().size, std::size_t{2} << 20);
  EXPECT_EQ(instance_->memory().base, before.base) << "known_memory() rests on it";
  EXPECT_EQ(instance_->known_memory().size, std::size_t{2} << 20);
  EXPECT_EQ(call(kGrow, Value::of(1u)).i32, -1);
  // The engine's bound holds where the instance's is larger.
  probe("bomb", {{}, {Type::kI32}}, std::size_t{1} << 32);
  EXPECT_EQ(call(kOther).u32, kMemory / 65536);
}

TEST_F(InstanceTest, NeedsMoreMemoryThanItMayHave) {
  Instance instance(prepare(compile(wasm_), probe_entries()), &host_, 65536);
  const auto trap = instance.start(kLong);
  ASSERT_TRUE(trap);
  EXPECT_EQ(trap->kind, TrapKind::kNoRoom) << to_text(*trap);
  EXPECT_FALSE(instance.running());
}

TEST_F(InstanceTest, NoRoomForAnother) {
  const auto prepared = prepare(compile(wasm_), probe_entries());
  std::deque<Instance> instances;
  for (std::uint32_t i = 0; i < engine_->config().instances; ++i) {
    ASSERT_FALSE(instances.emplace_back(prepared, &host_, kMemory).start(kLong));
  }
  Instance one_more(prepared, &host_, kMemory);
  const auto trap = one_more.start(kLong);
  ASSERT_TRUE(trap);
  EXPECT_EQ(trap->kind, TrapKind::kNoRoom) << to_text(*trap);
  instances.pop_front();
  EXPECT_FALSE(one_more.start(kLong));
}

TEST_F(InstanceTest, AThousandKeepApart) {
  engine_ = make(1000);
  Imports imports(*engine_);
  add_host(imports);
  const Module module = compile(wasm_);
  const auto prepared = *Prepared::create(*engine_, module, imports, probe_entries());
  std::deque<Instance> instances;
  std::set<std::uint8_t*> places;
  Value values[2];
  for (std::uint32_t i = 0; i < 1000; ++i) {
    ASSERT_FALSE(instances.emplace_back(prepared, &host_, kMemory).start(kLong));
    for (std::uint32_t calls = 0; calls < i % 7; ++calls) {
      ASSERT_FALSE(instances.back().call(kCount, values, kLong));
    }
    places.insert(instances.back().memory().base);
  }
  EXPECT_EQ(places.size(), 1000u);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    instances[(i + 4) % 1000].prefetch(kCount, 0);
    ASSERT_FALSE(instances[i].call(kCount, values, kLong));
    ASSERT_EQ(values[0].u32, 6 + i % 7) << i;
  }
}

TEST_F(InstanceTest, InstancesOfOtherThreads) {
  const auto prepared = prepare(compile(wasm_), probe_entries());
  std::atomic<int> trapped = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        Instance instance(prepared, &host_, kMemory);
        Value values[2] = {Value::of(0xfffffffcu)};
        if (!instance.start(kLong) && instance.call(kPeek, values, kLong)) ++trapped;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(trapped, 200);
}

TEST_F(InstanceTest, ConstructorsRunFirst) {
  const base::Bytes wasm = read_module(ENTRESOL_REACTOR_WASM);
  const Module module = compile(wasm);
  Instance instance(prepare(module, {{"square", {{Type::kI32}, {Type::kI32}}}}), nullptr, kMemory);
  ASSERT_FALSE(instance.start(kLong));
  Value values[1] = {Value::of(7u)};
  ASSERT_FALSE(instance.call(0, values, kLong));
  EXPECT_EQ(values[0].u32, 49u);
}

TEST_F(InstanceTest, UnknownImportsAreNamed) {
  Imports none(*engine_);
  none.add("env", "twice", {{Type::kI32}, {Type::kI64}}, &twice);
  const Module module = compile(wasm_);
  const auto prepared =
      Prepared::create(*engine_, module, none, {{"add", {{}, {}}}, {"absent", {}}});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code, base::code::kModuleUnfit);
  const std::string& why = prepared.error().message;
  EXPECT_NE(why.find("env.tell: no such function here"), why.npos) << why;
  EXPECT_NE(why.find("env.twice: it is (i32) -> (i64) here, not (i64) -> (i64)"), why.npos) << why;
  EXPECT_NE(why.find("add: it has to be () -> (), not (i32, i32) -> (i32)"), why.npos) << why;
  EXPECT_NE(why.find("absent: the module does not export it"), why.npos) << why;
}

TEST_F(InstanceTest, EntriesThatMayBeMissing) {
  const auto prepared =
      prepare(compile(wasm_), {{"absent", {}, false}, {"count", {{}, {Type::kI32}}}});
  EXPECT_FALSE(prepared->has(0));
  EXPECT_TRUE(prepared->has(1));
  Instance instance(prepared, &host_, kMemory);
  ASSERT_FALSE(instance.start(kLong));
  Value values[1];
  EXPECT_EQ(instance.call(0, values, kLong).value().kind, TrapKind::kNotRunning);
  EXPECT_FALSE(instance.call(1, values, kLong));
}

TEST_F(InstanceTest, AMemoryIsTheModulesOwn) {
  // (module (import "env" "memory" (memory 1)))
  const std::uint8_t wasm[] = {0,   'a', 's', 'm', 1,   0,   0,   0,   2,   15, 1, 3, 'e',
                               'n', 'v', 6,   'm', 'e', 'm', 'o', 'r', 'y', 2,  0, 1};
  const auto prepared = Prepared::create(*engine_, compile(wasm), imports_, {});
  ASSERT_FALSE(prepared);
  EXPECT_NE(prepared.error().message.find("env.memory: not a function"), std::string::npos)
      << prepared.error().message;
}

TEST_F(InstanceTest, AStartFunctionThatTraps) {
  // (module (func unreachable) (start 0))
  const std::uint8_t wasm[] = {0, 'a', 's', 'm', 1, 0, 0, 0,  1, 4, 1, 0x60, 0, 0,
                               3, 2,   1,   0,   8, 1, 0, 10, 5, 1, 3, 0,    0, 11};
  Instance instance(prepare(compile(wasm), {}), nullptr, kMemory);
  const auto trap = instance.start(kLong);
  ASSERT_TRUE(trap);
  EXPECT_EQ(trap->kind, TrapKind::kUnreachable) << to_text(*trap);
  EXPECT_FALSE(instance.running());
}

TEST_F(InstanceTest, TrapsReadWell) {
  probe();
  const std::string text = to_text(trap(kPeek, Value::of(0xfffffffcu)));
  EXPECT_TRUE(text.starts_with("memory out of bounds: an address outside its memory\n  at peek ("))
      << text;
  EXPECT_NE(text.find("testing/probe.c:"), text.npos) << text;
}

}  // namespace
}  // namespace entresol::service::sandbox
