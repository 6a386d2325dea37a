// Any bytes as a module: refused, or compiled, sealed and read back, started and called within its bounds, whatever it does.
// What it imports is given, as far as it can be.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stop_token>
#include <thread>

#include "service/sandbox/instance.h"

namespace {

using namespace entresol;
using namespace entresol::service::sandbox;

constexpr std::size_t kMemory = std::size_t{1} << 20;
constexpr std::size_t kMostBytes = std::size_t{64} << 10;
constexpr std::uint64_t kTicks = 5;  // of the clock below

void expect(bool holds) {
  if (!holds) std::abort();
}

Engine& engine() {
  static const auto engine =
      *Engine::create({.instances = 4, .memory = kMemory, .table_elements = 1000});
  static const std::jthread clock([](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      engine->tick();
    }
  });
  return *engine;
}

void nothing(HostCall&) noexcept {}

// Looks at the memory, refuses now and then.
void something(HostCall& call) noexcept {
  const std::uint64_t argument = call[0].u64;
  const Memory memory = call.memory();
  if (memory.holds(static_cast<std::uint32_t>(argument), 8)) {
    memory.base[static_cast<std::uint32_t>(argument)] ^= 1;
  }
  auto& calls = *static_cast<std::uint32_t*>(call.context());
  if (++calls % 7 == 0) return call.refuse("the seventh");
  call[0] = Value::of(argument * 3 + calls);
}

bool plain(const Signature& signature) {
  const auto is_plain = [](Type type) { return type != Type::kV128 && type != Type::kReference; };
  return std::ranges::all_of(signature.parameters, is_plain) &&
         std::ranges::all_of(signature.results, is_plain) && signature.parameters.size() <= 16 &&
         signature.results.size() <= 16;
}

void run(Instance& instance, const Prepared& prepared) {
  const auto look = [](const std::optional<Trap>& trap) {
    if (trap) expect(!trap->message.empty() && !to_text(*trap).empty());
    return !trap;
  };
  if (!look(instance.start(kTicks))) return expect(!instance.running());
  for (std::size_t entry = 0; entry < prepared.entries().size(); ++entry) {
    Value values[16];
    std::ranges::fill(values, Value::of(static_cast<std::uint32_t>(entry * 0x10001)));
    const bool returned = look(instance.call(entry, values, kTicks));
    expect(instance.running() == returned);
    expect(instance.memory().size <= kMemory);
    if (!returned && !look(instance.start(kTicks))) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kMostBytes) return 0;
  const base::ByteView wasm(data, size);
  const auto compiled = Module::compile(engine(), wasm);
  if (!compiled) return expect(!compiled.error().message.empty()), 0;

  const crypto::SecretBytes<32> key;
  const auto hash = crypto::sha256(wasm);
  const auto module = Module::unseal(engine(), *compiled->seal(key, hash), key, hash);
  expect(module && module->exports().size() == compiled->exports().size());

  Imports imports(engine());
  std::vector<std::pair<std::string, std::string>> given;
  for (const Import& import : module->imports()) {
    std::pair name(import.module, import.name);
    if (import.kind != ItemKind::kFunction || !plain(import.signature) ||
        import.signature.results.size() > 1 || std::ranges::find(given, name) != given.end()) {
      continue;
    }
    const bool takes = !import.signature.parameters.empty() || !import.signature.results.empty();
    imports.add(import.module, import.name, import.signature, takes ? &something : &nothing);
    given.push_back(std::move(name));
  }
  std::vector<Entry> entries;
  for (const Export& item : module->exports()) {
    if (item.kind == ItemKind::kFunction && plain(item.signature) &&
        entries.size() < Prepared::kMaxEntries) {
      entries.push_back({item.name, item.signature});
    }
  }
  const auto prepared = Prepared::create(engine(), *module, imports, std::move(entries));
  if (!prepared) return expect(!prepared.error().message.empty()), 0;
  std::uint32_t calls = 0;
  Instance instance(*prepared, &calls, kMemory);
  run(instance, **prepared);
  return 0;
}
