#include "service/sandbox/instance.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error_codes.h"
#include "service/sandbox/wasmtime_handles.h"

namespace entresol::service::sandbox {
namespace {

constexpr std::string_view kMemoryName = "memory";
constexpr int kStoreLines = 4;
constexpr std::string_view kInitialise = "_initialize";

const Export* find(const Module& module, std::string_view name) {
  const auto& exports = module.exports();
  const auto found = std::ranges::find(exports, name, &Export::name);
  return found == exports.end() ? nullptr : &*found;
}

template <typename T, typename Handle>
T load(const Handle& handle) {
  static_assert(sizeof(T) == sizeof handle.bytes);
  T value;
  std::memcpy(&value, handle.bytes.data(), sizeof value);
  return value;
}

template <typename Handle, typename T>
void keep(Handle& handle, const T& value) {
  static_assert(sizeof(T) == sizeof handle.bytes);
  std::memcpy(handle.bytes.data(), &value, sizeof value);
}

void check_entry(const Module& module, const Entry& entry, std::vector<std::string>& wrong,
                 std::vector<bool>& present) {
  const Export* found = find(module, entry.name);
  present.push_back(found != nullptr);
  if (found == nullptr) {
    if (entry.required) wrong.push_back(entry.name + ": the module does not export it");
  } else if (found->kind != ItemKind::kFunction) {
    wrong.push_back(entry.name + ": exported, but not a function");
  } else if (found->signature != entry.signature) {
    wrong.push_back(entry.name + ": it has to be " + to_text(entry.signature) + ", not " +
                    to_text(found->signature));
  }
}

std::string joined(const std::vector<std::string>& parts) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(parts.size(), kShown); ++i) {
    text += (i == 0 ? "" : "; ") + parts[i];
  }
  if (parts.size() > kShown) text += "; and " + std::to_string(parts.size() - kShown) + " more";
  return text;
}

Trap not_running() {
  return {TrapKind::kNotRunning, "it does not run: not started, or trapped before", {}};
}

}  // namespace

base::Result<std::shared_ptr<const Prepared>> Prepared::create(const Engine& engine,
                                                               const Module& module,
                                                               const Imports& imports,
                                                               std::vector<Entry> entries) {
  std::shared_ptr<Prepared> prepared(new Prepared());
  std::vector<std::string> wrong = imports.lacking(module);
  for (const Entry& entry : entries) check_entry(module, entry, wrong, prepared->present_);
  if (entries.size() > kMaxEntries)
    wrong.emplace_back("more entries than an instance has room for");
  const Export* memory = find(module, kMemoryName);
  prepared->has_memory_ = memory != nullptr && memory->kind == ItemKind::kMemory;
  if (const Export* initialise = find(module, kInitialise)) {
    prepared->initialises_ = true;
    if (initialise->kind != ItemKind::kFunction || initialise->signature != Signature{}) {
      wrong.emplace_back("_initialize: it has to be () -> ()");
    }
  }
  if (!wrong.empty()) return base::fail(base::code::kModuleUnfit, joined(wrong));
  if (const ErrorHandle error{
          wasmtime_linker_instantiate_pre(imports.handle(), module.handle(), &prepared->pre_)}) {
    return base::fail(base::code::kModuleUnfit, message_of(*error));
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Signature& signature = entries[i].signature;
    prepared->values_[i] =
        static_cast<std::uint8_t>(std::max(signature.parameters.size(), signature.results.size()));
  }
  prepared->entries_ = std::move(entries);
  prepared->engine_ = wasmtime_engine_clone(engine.handle());
  return prepared;
}

Prepared::~Prepared() {
  if (pre_ != nullptr) wasmtime_instance_pre_delete(pre_);
  if (engine_ != nullptr) wasm_engine_delete(engine_);
}

Instance::Instance(std::shared_ptr<const Prepared> prepared, void* context, std::size_t memory)
    : prepared_(std::move(prepared)), host_(context), memory_limit_(memory) {}

std::optional<Trap> Instance::start(std::uint64_t ticks) {
  stop();
  store_ = wasmtime_store_new(prepared_->engine_, this, nullptr);
  context_ = wasmtime_store_context(store_);
  wasmtime_store_limiter(store_, static_cast<std::int64_t>(memory_limit_), -1, 1, 1, 1);
  wasmtime_context_set_epoch_deadline(context_, ticks);
  auto trap = instantiate();
  if (!trap && prepared_->initialises_) {
    Function initialise;
    trap = look_up(kInitialise, initialise) ? invoke(initialise, {}) : not_running();
  }
  running_ = !trap;
  return trap;
}

std::optional<Trap> Instance::instantiate() {
  wasm_trap_t* trap = nullptr;
  wasmtime_instance_t instance{};
  wasmtime_error_t* error =
      wasmtime_instance_pre_instantiate(prepared_->pre_, context_, &instance, &trap);
  if (trap == nullptr && error == nullptr) {
    keep(instance_, instance);
    instantiated_ = true;
    return std::nullopt;
  }
  const bool refused = !refusal_.empty();
  Trap result = trap_of(TrapHandle{trap}, ErrorHandle{error}, std::exchange(refusal_, {}));
  // Without a trap or a refusal, code has not run: the pool or a limit said no.
  if (trap == nullptr && !refused && result.frames.empty()) result.kind = TrapKind::kNoRoom;
  return result;
}

void Instance::stop() {
  running_ = false;
  instantiated_ = false;
  has_memory_ = false;
  memory_ = {};
  looked_up_ = 0;
  refusal_.clear();
  context_ = nullptr;
  if (store_ != nullptr) wasmtime_store_delete(std::exchange(store_, nullptr));
}

bool Instance::look_up(std::string_view name, Function& function) {
  const auto instance = load<wasmtime_instance_t>(instance_);
  wasmtime_extern_t item{};
  if (!wasmtime_instance_export_get(context_, &instance, name.data(), name.size(), &item) ||
      item.kind != WASMTIME_EXTERN_FUNC) {
    return false;
  }
  keep(function, item.of.func);
  return true;
}

std::optional<Trap> Instance::call(std::size_t entry, std::span<Value> values,
                                   std::uint64_t ticks) {
  if (!running_ || entry >= Prepared::kMaxEntries || values.size() < prepared_->values_[entry]) {
    return not_running();
  }
  Function& function = functions_[entry];
  if ((looked_up_ >> entry & 1) == 0) {
    if (entry >= prepared_->entries_.size() ||
        !look_up(prepared_->entries_[entry].name, function)) {
      return not_running();
    }
    looked_up_ = static_cast<std::uint16_t>(looked_up_ | 1u << entry);
  }
  wasmtime_context_set_epoch_deadline(context_, ticks);
  auto trap = invoke(function, values);
  if (trap) running_ = false;
  return trap;
}

std::optional<Trap> Instance::invoke(const Function& function, std::span<Value> values) {
  const auto handle = load<wasmtime_func_t>(function);
  wasm_trap_t* trap = nullptr;
  wasmtime_error_t* error = wasmtime_func_call_unchecked(
      context_, &handle, reinterpret_cast<wasmtime_val_raw_t*>(values.data()), values.size(),
      &trap);
  if (trap == nullptr && error == nullptr) [[likely]]
    return std::nullopt;
  return trap_of(TrapHandle{trap}, ErrorHandle{error}, std::exchange(refusal_, {}));
}

// A hint, whatever lies there: the store's state for running code, and the function's.
void Instance::prefetch() const {
  struct Parts {
    std::uint64_t store;
    const char* function;
  };
  const auto* store = reinterpret_cast<const char*>(context_);
  for (int line = 0; line < kStoreLines; ++line) __builtin_prefetch(store + line * 64);
  __builtin_prefetch(load<Parts>(functions_[0]).function);
}

Memory Instance::memory() {
  if (!instantiated_ || !prepared_->has_memory_) return {};
  if (!has_memory_) {
    const auto instance = load<wasmtime_instance_t>(instance_);
    wasmtime_extern_t item{};
    if (!wasmtime_instance_export_get(context_, &instance, kMemoryName.data(), kMemoryName.size(),
                                      &item) ||
        item.kind != WASMTIME_EXTERN_MEMORY) {
      return {};
    }
    keep(memory_handle_, item.of.memory);
    has_memory_ = true;
  }
  const auto handle = load<wasmtime_memory_t>(memory_handle_);
  memory_ = {wasmtime_memory_data(context_, &handle), wasmtime_memory_data_size(context_, &handle)};
  return memory_;
}

}  // namespace entresol::service::sandbox
