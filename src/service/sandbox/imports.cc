#include "service/sandbox/imports.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "service/sandbox/instance.h"
#include "service/sandbox/wasmtime_handles.h"

namespace entresol::service::sandbox {
namespace {

wasm_valkind_t kind_of(Type type) {
  switch (type) {
    case Type::kI32:
      return WASM_I32;
    case Type::kI64:
      return WASM_I64;
    case Type::kF32:
      return WASM_F32;
    default:
      return WASM_F64;
  }
}

wasm_valtype_vec_t types_of(const std::vector<Type>& types) {
  wasm_valtype_vec_t vector{};
  wasm_valtype_vec_new_uninitialized(&vector, types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    vector.data[i] = wasm_valtype_new(kind_of(types[i]));
  }
  return vector;
}

// `function` is the host's.
wasm_trap_t* run(void* function, wasmtime_caller_t* caller, wasmtime_val_raw_t* values,
                 std::size_t) {
  HostCall call(caller, reinterpret_cast<Value*>(values));
  reinterpret_cast<HostFunction>(function)(call);
  if (!call.refused()) return nullptr;
  constexpr std::string_view kText = "refused by the host";
  return wasmtime_trap_new(kText.data(), kText.size());
}

Instance& instance_of(wasmtime_caller* caller) {
  return *static_cast<Instance*>(wasmtime_context_get_data(wasmtime_caller_context(caller)));
}

[[noreturn]] void misused(const std::string& why) {
  std::fprintf(stderr, "sandbox: %s\n", why.c_str());
  std::abort();
}

}  // namespace

void* HostCall::context() const {
  return instance_of(caller_).host_;
}

Memory HostCall::memory() const {
  return instance_of(caller_).memory();
}

void HostCall::refuse(std::string why) {
  refused_ = true;
  instance_of(caller_).refusal_ = std::move(why);
}

Imports::Imports(const Engine& engine) : linker_(wasmtime_linker_new(engine.handle())) {}

Imports::~Imports() {
  wasmtime_linker_delete(linker_);
}

void Imports::add(std::string_view module, std::string_view name, Signature signature,
                  HostFunction function) {
  const auto plain = [](Type type) { return type != Type::kV128 && type != Type::kReference; };
  if (!std::ranges::all_of(signature.parameters, plain) ||
      !std::ranges::all_of(signature.results, plain)) {
    misused(std::string(name) + " takes or returns what no host function can");
  }
  wasm_valtype_vec_t parameters = types_of(signature.parameters);
  wasm_valtype_vec_t results = types_of(signature.results);
  wasm_functype_t* type = wasm_functype_new(&parameters, &results);
  const ErrorHandle error{wasmtime_linker_define_func_unchecked(
      linker_, module.data(), module.size(), name.data(), name.size(), type, &run,
      reinterpret_cast<void*>(function), nullptr)};
  wasm_functype_delete(type);
  if (error) misused(message_of(*error));
  items_.push_back({std::string(module), std::string(name), std::move(signature)});
}

std::vector<std::string> Imports::lacking(const Module& module) const {
  std::vector<std::string> lacking;
  for (const Import& import : module.imports()) {
    const std::string name = one_line(import.module + "." + import.name);
    const auto item = std::ranges::find_if(items_, [&](const Item& candidate) {
      return candidate.module == import.module && candidate.name == import.name;
    });
    if (import.kind != ItemKind::kFunction) {
      lacking.push_back(name + ": not a function, and only functions are given");
    } else if (item == items_.end()) {
      lacking.push_back(name + ": no such function here");
    } else if (item->signature != import.signature) {
      lacking.push_back(name + ": it is " + to_text(item->signature) + " here, not " +
                        to_text(import.signature));
    }
  }
  return lacking;
}

}  // namespace entresol::service::sandbox
