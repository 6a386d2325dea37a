// What the tests of this folder share: an engine, modules, host functions that leave traces.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "service/sandbox/instance.h"

namespace entresol::service::sandbox {

inline base::Bytes read_module(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The probe's entries, in this order.
enum Probe : std::size_t {
  kAdd,
  kCount,
  kGreet,
  kTellWild,
  kSum,
  kGiveUp,
  kPeek,
  kPoke,
  kDig,
  kGrow,
  kOther
};

struct Host {
  std::string told;
};

inline void tell(HostCall& call) noexcept {
  const Memory memory = call.memory();
  const std::uint32_t at = call[0].u32;
  const std::uint32_t size = call[1].u32;
  if (!memory.holds(at, size)) return call.refuse("tell: text outside the memory");
  auto& host = *static_cast<Host*>(call.context());
  host.told.append(reinterpret_cast<const char*>(memory.base) + at, size);
  call[0] = Value::of(static_cast<std::uint32_t>(host.told.size()));
}
inline void twice(HostCall& call) noexcept {
  call[0] = Value::of(call[0].u64 * 2);
}
inline void halve(HostCall& call) noexcept {
  call[0] = Value::of(call[0].f64 / 2);
}
inline void stop(HostCall& call) noexcept {
  call.refuse("stop: as it was told");
}

inline void add_host(Imports& imports) {
  imports.add("env", "tell", {{Type::kI32, Type::kI32}, {Type::kI32}}, &tell);
  imports.add("env", "twice", {{Type::kI64}, {Type::kI64}}, &twice);
  imports.add("env", "halve", {{Type::kF64}, {Type::kF64}}, &halve);
  imports.add("env", "stop", {}, &stop);
}

inline std::vector<Entry> probe_entries(std::string other = "crash", Signature signature = {}) {
  const Type i32 = Type::kI32;
  return {{"add", {{i32, i32}, {i32}}},
          {"count", {{}, {i32}}},
          {"greet", {{}, {i32}}},
          {"tell_wild", {{}, {i32}}},
          {"sum", {{Type::kI64, Type::kF64}, {Type::kI64}}},
          {"give_up", {}},
          {"peek", {{i32}, {i32}}},
          {"poke", {{i32, i32}, {}}},
          {"dig", {{i32}, {i32}}},
          {"grow", {{i32}, {i32}}},
          {std::move(other), std::move(signature)}};
}

inline constexpr std::uint64_t kLong = 1 << 20;  // ticks, where nobody ticks

// Ticks without pause, from another thread, as long as it lives.
class Ticker {
 public:
  explicit Ticker(Engine& engine)
      : thread_([this, &engine] {
          while (!done_) {
            engine.tick();
            std::this_thread::yield();
          }
        }) {}
  ~Ticker() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

class SandboxTest : public testing::Test {
 protected:
  static constexpr std::size_t kMemory = std::size_t{4} << 20;

  static std::unique_ptr<Engine> make(std::uint32_t instances) {
    auto engine = Engine::create({.instances = instances, .memory = kMemory});
    if (!engine) throw std::runtime_error(engine.error().message);
    return std::move(*engine);
  }
  std::shared_ptr<const Prepared> prepare(const Module& module, std::vector<Entry> entries) {
    auto prepared = Prepared::create(*engine_, module, imports_, std::move(entries));
    if (!prepared) throw std::runtime_error(prepared.error().message);
    return *prepared;
  }
  Module compile(base::ByteView wasm) {
    auto module = Module::compile(*engine_, wasm);
    if (!module) throw std::runtime_error(module.error().message);
    return std::move(*module);
  }

  SandboxTest() { add_host(imports_); }

  std::unique_ptr<Engine> engine_ = make(20);
  Imports imports_{*engine_};
  Host host_;
};

}  // namespace entresol::service::sandbox
