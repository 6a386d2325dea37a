// The host's functions that modules may import: what is not here, a module cannot reach.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "service/sandbox/engine.h"
#include "service/sandbox/module.h"
#include "service/sandbox/value.h"

struct wasmtime_caller;
struct wasmtime_linker;

namespace entresol::service::sandbox {

// A call of a host function by a module: valid while it runs.
class HostCall {
 public:
  HostCall(wasmtime_caller* caller, Value* values) : caller_(caller), values_(values) {}

  // Argument `at` and, to be written before the function returns, result `at`: they share their place.
  Value& operator[](std::size_t at) { return values_[at]; }
  // What the instance was made with.
  void* context() const;
  // The calling instance's; empty if it exports none, and while its start function runs.
  Memory memory() const;
  // Ends the module's call with a trap of kind kHost once the function returns; results do not matter then.
  void refuse(std::string why);
  bool refused() const { return refused_; }

 private:
  wasmtime_caller* caller_;
  Value* values_;
  bool refused_ = false;
};

// Must not call the instance that called it.
using HostFunction = void (*)(HostCall& call) noexcept;

class Imports {
 public:
  explicit Imports(const Engine& engine);
  ~Imports();
  Imports(const Imports&) = delete;
  Imports& operator=(const Imports&) = delete;

  // Parameters and results of i32, i64, f32 and f64. A name given twice, or another type, ends the process.
  void add(std::string_view module, std::string_view name, Signature signature,
           HostFunction function);

  // Every import of the module that is not here, or not with that type: "env.open: no such function".
  std::vector<std::string> lacking(const Module& module) const;

  const wasmtime_linker* handle() const { return linker_; }  // for this folder

 private:
  struct Item {
    std::string module;
    std::string name;
    Signature signature;
  };
  wasmtime_linker* linker_;
  std::vector<Item> items_;
};

}  // namespace entresol::service::sandbox
