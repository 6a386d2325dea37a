// The sandbox: modules of WebAssembly, compiled to machine code and run inside this process, each instance with a memory
// of its own and nothing else. Nothing of Wasmtime shows in these headers.
//
//   Engine    one a process: how code is made, room for instances, the clock that ends calls
//   Module    code, compiled or from the cache; what it imports and exports
//   Imports   the host's functions that modules may import
//   Prepared  a module with its imports, looked up once
//   Instance  a running one: memory, calls, traps
//
// Engine, Module, Imports and Prepared may be shared by threads once they are made; an Instance belongs to one thread at
// a time. What is made from an Engine keeps what it needs of it.
//
// Modules may use WebAssembly 2.0 with its vectors of 128 bits, and references to typed functions; neither threads, several
// memories, 64-bit memories, exceptions, tail calls nor garbage collection: what is off cannot be turned against us.
//
// The first Engine of a process takes SIGSEGV, SIGILL and SIGFPE: those raised by a module's code become traps, others go
// on to who had them before, a sanitizer for example.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"

struct wasm_engine_t;

namespace entresol::service::sandbox {

struct EngineConfig {
  // Instances that live at once. Each takes 4 GiB of address space, but no memory.
  std::uint32_t instances = 1000;
  // Most bytes that any instance's memory may have.
  std::size_t memory = std::size_t{16} << 20;
  // Most functions in an instance's table.
  std::uint32_t table_elements = 10'000;
  // Bytes that a call may use of the calling thread's stack.
  std::size_t stack = std::size_t{256} << 10;
};

class Engine {
 public:
  // Fails where the process may not have that much address space (E0307).
  static base::Result<std::unique_ptr<Engine>> create(const EngineConfig& config);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Moves the clock that calls are held to. From any thread, at any time; a role's timer does so.
  void tick() noexcept;

  const EngineConfig& config() const { return config_; }
  wasm_engine_t* handle() const { return engine_; }  // for this folder

 private:
  Engine(const EngineConfig& config, wasm_engine_t* engine) : config_(config), engine_(engine) {}

  EngineConfig config_;
  wasm_engine_t* engine_;
};

}  // namespace entresol::service::sandbox
