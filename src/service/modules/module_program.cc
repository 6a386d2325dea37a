#include "service/modules/module_program.h"

#include <algorithm>
#include <cstring>

#include "entresol/service.h"

namespace entresol::service::modules {
namespace {

using sandbox::Trap;
using sandbox::TrapKind;
using sandbox::Value;

static_assert(sizeof(entresol_packet) == 64 && sizeof(entresol_verdict) == 32);

// As sdk/include/entresol/module.h has it.
struct Description {
  std::uint32_t abi = 0, callbacks = 0, packets = 0, verdicts = 0, payload = 0, payload_room = 0,
                out = 0, needs = 0;
};
constexpr std::uint32_t kHasStart = 1, kHasConfigure = 2, kHasPackets = 4, kHasTimer = 8;

Fault fault_of(const Trap& trap) {
  Fault out{trap.message, {}, trap.kind == TrapKind::kInterrupted};
  for (const sandbox::Frame& frame : trap.frames) {
    std::string line = frame.function;
    std::string_view file = frame.file;
    if (file.starts_with("./")) file.remove_prefix(2);  // the kit's modules: from their folder
    if (!file.empty()) line += " (" + std::string(file) + ":" + std::to_string(frame.line) + ")";
    out.backtrace.push_back(std::move(line));
  }
  return out;
}

// What did not fit into the module's room is not shown to it.
void hide_payloads_beyond(std::uint32_t size, std::uint8_t* packets, const entresol_batch& batch) {
  for (std::uint32_t i = 0; i < batch.count; ++i) {
    entresol_packet packet = batch.packets[i];
    if (std::uint64_t{packet.payload} + packet.payload_size <= size) continue;
    packet.payload = packet.payload_size = 0;
    std::memcpy(packets + i * sizeof packet, &packet, sizeof packet);
  }
}

std::string features_text(std::uint32_t features) {
  std::string out;
  const auto say = [&](std::uint32_t feature, const std::string& text) {
    if ((features & feature) != 0) out += (out.empty() ? "" : ", ") + text;
    features &= ~feature;
  };
  say(ENTRESOL_FEATURE_STABLE, "a stable store (manifest: limits, stable)");
  say(ENTRESOL_FEATURE_CRYPTO, "cryptography (manifest: uses: [crypto])");
  say(features, "features of a later node (" + std::to_string(features) + ")");
  return out;
}

}  // namespace

Sandbox::Sandbox(std::unique_ptr<sandbox::Engine> engine)
    : engine_(std::move(engine)), imports_(*engine_) {
  add_host_calls(imports_);
}

base::Result<std::unique_ptr<Sandbox>> Sandbox::create(const sandbox::EngineConfig& config) {
  auto engine = sandbox::Engine::create(config);
  if (!engine) return tl::unexpected(engine.error());
  return std::unique_ptr<Sandbox>(new Sandbox(std::move(*engine)));
}

base::Result<std::shared_ptr<const sandbox::Prepared>> Sandbox::prepare(base::ByteView wasm) {
  auto module = sandbox::Module::compile(*engine_, wasm);
  if (!module) return tl::unexpected(module.error());
  return prepare(*module);
}

base::Result<std::shared_ptr<const sandbox::Prepared>> Sandbox::prepare(
    const sandbox::Module& module) {
  return sandbox::Prepared::create(*engine_, module, imports_, entries());
}

// A call begins between two ticks, so it takes one more to give it its whole time.
ModuleProgram::ModuleProgram(std::shared_ptr<const sandbox::Prepared> module, const Limits& limits)
    : ticks_(static_cast<std::uint64_t>(
          (limits.batch + Sandbox::kTick - base::Duration(1)) / Sandbox::kTick + 1)),
      module_(std::move(module)),
      memory_(limits.memory) {}

std::optional<Fault> ModuleProgram::start(Environment& environment) {
  instance_.emplace(module_, &environment, memory_);
  // It may take longer to begin than to answer.
  if (auto trap = instance_->start(ticks_ * 20)) return fault_of(*trap);
  if (auto fault = describe(environment)) return fault;
  if ((places_.callbacks & kHasStart) != 0)
    if (auto fault = call(kStart)) return fault;
  return configure();
}

std::optional<Fault> ModuleProgram::describe(const Environment& environment) {
  Value value;
  if (auto trap = instance_->call(kDescribe, std::span(&value, 1), ticks_)) return fault_of(*trap);
  const sandbox::Memory memory = instance_->memory();
  Description said;
  if (!memory.holds(value.u32, sizeof said))
    return Fault{"entresol_describe: its answer is not in the module's memory", {}, false};
  std::memcpy(&said, memory.base + value.u32, sizeof said);
  if (said.abi != ENTRESOL_ABI)
    return Fault{"it is made for ABI " + std::to_string(said.abi) + ", and this node has " +
                     std::to_string(ENTRESOL_ABI),
                 {},
                 false};
  if (!memory.holds(said.packets, ENTRESOL_BATCH * sizeof(entresol_packet)) ||
      !memory.holds(said.verdicts, ENTRESOL_BATCH * sizeof(entresol_verdict)) ||
      !memory.holds(said.payload, said.payload_room) || !memory.holds(said.out, ENTRESOL_OUT_SIZE))
    return Fault{"entresol_describe: room for packets is not in the module's memory", {}, false};
  if (const std::uint32_t lacking = said.needs & ~environment.features(); lacking != 0)
    return Fault{"it needs what it does not have here: " + features_text(lacking), {}, false};
  places_ = {said.packets,      said.verdicts, said.payload,
             said.payload_room, said.out,      said.callbacks};
  return std::nullopt;
}

std::optional<Fault> ModuleProgram::call(Entry entry, std::span<Value> values) {
  if (auto trap = instance_->call(entry, values, ticks_)) [[unlikely]]
    return fault_of(*trap);
  return std::nullopt;
}

std::optional<Fault> ModuleProgram::configure() {
  return (places_.callbacks & kHasConfigure) != 0 ? call(kConfigure) : std::nullopt;
}

std::optional<Fault> ModuleProgram::packets(const entresol_batch& batch) {
  if ((places_.callbacks & kHasPackets) == 0) {
    std::memset(static_cast<void*>(batch.verdicts), 0, batch.count * sizeof(entresol_verdict));
    return std::nullopt;
  }
  std::uint8_t* const base = instance_->known_memory().base;
  std::memcpy(base + places_.packets, batch.packets, batch.count * sizeof(entresol_packet));
  std::memset(base + places_.verdicts, 0, batch.count * sizeof(entresol_verdict));
  std::uint32_t payload = std::min(batch.payload_size, places_.payload_room);
  if (payload > 0) std::memcpy(base + places_.payload, batch.payload, payload);
  if (payload < batch.payload_size) [[unlikely]]
    hide_payloads_beyond(payload, base + places_.packets, batch);
  Value values[2] = {Value::of(batch.count), Value::of(payload)};
  if (auto fault = call(kPackets, values)) [[unlikely]]
    return fault;
  std::memcpy(batch.verdicts, base + places_.verdicts, batch.count * sizeof(entresol_verdict));
  const bool names = std::any_of(batch.verdicts, batch.verdicts + batch.count,
                                 [](const auto& v) { return v.action == ENTRESOL_REPLICATE; });
  if (names) [[unlikely]]
    std::memcpy(batch.out, base + places_.out, ENTRESOL_OUT_SIZE);
  return std::nullopt;
}

std::optional<Fault> ModuleProgram::timer(std::uint64_t name) {
  Value value = Value::of(name);
  return (places_.callbacks & kHasTimer) != 0 ? call(kTimer, std::span(&value, 1)) : std::nullopt;
}

void ModuleProgram::prefetch() const {
  if (!instance_) return;
  instance_->prefetch(kPackets, places_.verdicts);
  const std::uint8_t* const base = instance_->known_memory().base;
  __builtin_prefetch(base + places_.packets, 1);
  __builtin_prefetch(base + places_.verdicts, 1);
}

std::size_t ModuleProgram::memory() const {
  return !instance_ ? 0 : instance_->memory().size;
}

}  // namespace entresol::service::modules
