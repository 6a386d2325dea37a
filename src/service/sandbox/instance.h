// A module at work: an instance with its own memory, which is gone without a trace when it ends.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/sandbox/imports.h"
#include "service/sandbox/module.h"
#include "service/sandbox/trap.h"
#include "service/sandbox/value.h"

struct wasmtime_instance_pre;
struct wasmtime_store;
struct wasmtime_context;

namespace entresol::service::sandbox {

// A function that the host calls in a module.
struct Entry {
  std::string name;
  Signature signature;
  bool required = true;
};

// A module whose imports and entries were looked up and checked. Starting an instance of it takes microseconds.
class Prepared {
 public:
  static constexpr std::size_t kMaxEntries = 16;

  // E0703 names every import that is not granted and every entry that the module lacks or has with another type. A memory
  // is the module's own, and exported as "memory"; one that is imported is refused.
  static base::Result<std::shared_ptr<const Prepared>> create(const Engine& engine,
                                                              const Module& module,
                                                              const Imports& imports,
                                                              std::vector<Entry> entries);
  ~Prepared();
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  const std::vector<Entry>& entries() const { return entries_; }
  bool has(std::size_t entry) const { return present_[entry]; }

 private:
  friend class Instance;
  Prepared() = default;

  wasm_engine_t* engine_ = nullptr;
  wasmtime_instance_pre* pre_ = nullptr;
  std::vector<Entry> entries_;
  std::vector<bool> present_;
  std::array<std::uint8_t, kMaxEntries> values_{};  // places that a call of it needs
  bool initialises_ = false;  // exports _initialize, which runs the constructors of C++
  bool has_memory_ = false;
};

class alignas(64) Instance {
 public:
  // `context` is what its host functions see. `memory` bounds its memory, in bytes, within the engine's own bound: what
  // asks for more is told so by memory.grow, and a module that needs more from the start does not start.
  Instance(std::shared_ptr<const Prepared> prepared, void* context, std::size_t memory);
  ~Instance() { stop(); }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Starts afresh, whatever was before: new memory, and the module's start function and _initialize within `ticks`.
  [[nodiscard]] std::optional<Trap> start(std::uint64_t ticks);
  // Gives everything back.
  void stop();

  // Calls the entry of that number. `values` holds the arguments and receives the results; it is as long as the longer
  // of the two. The call ends with kInterrupted at the ticks-th tick of the engine from now; code of host functions and
  // one bulk operation on memory are not cut short. After a trap the memory can still be looked at, until the next
  // start(); calls are refused.
  [[nodiscard]] std::optional<Trap> call(std::size_t entry, std::span<Value> values,
                                         std::uint64_t ticks);

  bool running() const { return running_; }
  Memory memory();
  // The memory as memory() has last said it: it never moves and never shrinks, so this is all there or less than all. Costs
  // nothing.
  Memory known_memory() const { return memory_; }
  // What a call of entry 0 will need, asked for before its turn.
  void prefetch() const;

 private:
  friend class HostCall;
  // A handle of Wasmtime's, as it lies there.
  template <std::size_t size>
  struct Handle {
    alignas(8) std::array<std::byte, size> bytes{};
  };
  using Function = Handle<16>;

  std::optional<Trap> instantiate();
  std::optional<Trap> invoke(const Function& function, std::span<Value> values);
  bool look_up(std::string_view name, Function& function);

  // What a call of entry 0 needs lies on one cache line, as many instances take turns.
  wasmtime_context* context_ = nullptr;
  Memory memory_;  // as of the last look
  bool running_ = false;
  std::uint16_t looked_up_ = 0;  // a bit for each of functions_
  std::shared_ptr<const Prepared> prepared_;
  std::array<Function, Prepared::kMaxEntries> functions_;
  void* host_;
  std::size_t memory_limit_;
  wasmtime_store* store_ = nullptr;
  Handle<16> instance_;
  bool instantiated_ = false;
  Handle<24> memory_handle_;
  bool has_memory_ = false;
  std::string refusal_;  // of a host function, in this call
};

}  // namespace entresol::service::sandbox
