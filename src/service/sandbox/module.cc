#include "service/sandbox/module.h"

#include <algorithm>
#include <array>

#include "base/error_codes.h"
#include "service/sandbox/wasmtime_handles.h"

namespace entresol::service::sandbox {
namespace {

// Sealed code begins with these, the second padded with zeros; then the seal, then the code. Wasmtime itself tells its
// major versions apart, but a mended compiler has to compile anew.
constexpr std::string_view kMagic = "entresol code 1\n";
constexpr std::size_t kVersionSize = 16;
constexpr std::size_t kHead = kMagic.size() + kVersionSize;
constexpr std::size_t kSealed = kHead + sizeof(crypto::Hash256);
static_assert(sizeof(WASMTIME_VERSION) <= kVersionSize);

std::array<std::uint8_t, kHead> head() {
  std::array<std::uint8_t, kHead> bytes{};
  std::ranges::copy(kMagic, bytes.begin());
  std::ranges::copy(std::string_view(WASMTIME_VERSION), bytes.begin() + kMagic.size());
  return bytes;
}

Type type_of(const wasm_valtype_t* type) {
  // wasm_valtype_kind ends the process at a v128.
  wasmtime_valtype_t full{};
  wasmtime_valtype_new(type, &full);
  const auto kind = full.kind;
  wasmtime_valtype_delete(&full);
  switch (kind) {
    case WASMTIME_VALTYPE_KIND_I32:
      return Type::kI32;
    case WASMTIME_VALTYPE_KIND_I64:
      return Type::kI64;
    case WASMTIME_VALTYPE_KIND_F32:
      return Type::kF32;
    case WASMTIME_VALTYPE_KIND_F64:
      return Type::kF64;
    case WASMTIME_VALTYPE_KIND_V128:
      return Type::kV128;
    default:
      return Type::kReference;
  }
}

ItemKind kind_of(const wasm_externtype_t* type) {
  switch (wasm_externtype_kind(type)) {
    case WASM_EXTERN_FUNC:
      return ItemKind::kFunction;
    case WASM_EXTERN_GLOBAL:
      return ItemKind::kGlobal;
    case WASM_EXTERN_TABLE:
      return ItemKind::kTable;
    case WASM_EXTERN_MEMORY:
      return ItemKind::kMemory;
    default:
      return ItemKind::kTag;
  }
}

Signature function_of(const wasm_externtype_t* type) {
  const wasm_functype_t* function = wasm_externtype_as_functype_const(type);
  return function != nullptr ? signature_of(*function) : Signature{};
}

crypto::Hash256 seal_of(const crypto::SecretBytes<32>& key, const crypto::Hash256& wasm_hash,
                        base::ByteView code) {
  return crypto::hmac_sha256(key, head(), wasm_hash, crypto::sha256(code));
}

std::string_view name_of(Type type) {
  constexpr std::string_view kNames[] = {"i32", "i64", "f32", "f64", "v128", "reference"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string to_text(const std::vector<Type>& types) {
  std::string text = "(";
  for (const Type type : types) {
    if (text.size() > 1) text += ", ";
    text += name_of(type);
  }
  return text + ")";
}

}  // namespace

std::string to_text(const Signature& signature) {
  return to_text(signature.parameters) + " -> " + to_text(signature.results);
}

Signature signature_of(const wasm_functype_t& type) {
  const wasm_valtype_vec_t* parameters = wasm_functype_params(&type);
  const wasm_valtype_vec_t* results = wasm_functype_results(&type);
  Signature signature;
  signature.parameters.reserve(parameters->size);
  signature.results.reserve(results->size);
  for (std::size_t i = 0; i < parameters->size; ++i) {
    signature.parameters.push_back(type_of(parameters->data[i]));
  }
  for (std::size_t i = 0; i < results->size; ++i) {
    signature.results.push_back(type_of(results->data[i]));
  }
  return signature;
}

base::Bytes seal_code(const crypto::SecretBytes<32>& key, const crypto::Hash256& wasm_hash,
                      base::ByteView code) {
  base::Bytes sealed;
  sealed.reserve(kSealed + code.size());
  const auto begin = head();
  sealed.insert(sealed.end(), begin.begin(), begin.end());
  const crypto::Hash256 seal = seal_of(key, wasm_hash, code);
  sealed.insert(sealed.end(), seal.begin(), seal.end());
  sealed.insert(sealed.end(), code.begin(), code.end());
  return sealed;
}

void Module::Delete::operator()(wasmtime_module* module) const {
  wasmtime_module_delete(module);
}

Module::Module(wasmtime_module* module) : module_(module) {
  wasm_importtype_vec_t imports{};
  wasmtime_module_imports(module, &imports);
  for (std::size_t i = 0; i < imports.size; ++i) {
    const wasm_externtype_t* type = wasm_importtype_type(imports.data[i]);
    imports_.push_back({std::string(view(*wasm_importtype_module(imports.data[i]))),
                        std::string(view(*wasm_importtype_name(imports.data[i]))), kind_of(type),
                        function_of(type)});
  }
  wasm_importtype_vec_delete(&imports);
  wasm_exporttype_vec_t exports{};
  wasmtime_module_exports(module, &exports);
  for (std::size_t i = 0; i < exports.size; ++i) {
    const wasm_externtype_t* type = wasm_exporttype_type(exports.data[i]);
    exports_.push_back({std::string(view(*wasm_exporttype_name(exports.data[i]))), kind_of(type),
                        function_of(type)});
  }
  wasm_exporttype_vec_delete(&exports);
}

base::Result<Module> Module::compile(const Engine& engine, base::ByteView wasm) {
  wasmtime_module_t* module = nullptr;
  if (const ErrorHandle error{
          wasmtime_module_new(engine.handle(), wasm.data(), wasm.size(), &module)}) {
    return base::fail(base::code::kModuleMalformed,
                      "not a module that runs here: " + message_of(*error));
  }
  return Module(module);
}

base::Result<base::Bytes> Module::seal(const crypto::SecretBytes<32>& key,
                                       const crypto::Hash256& wasm_hash) const {
  wasm_byte_vec_t code{};
  if (const ErrorHandle error{wasmtime_module_serialize(module_.get(), &code)}) {
    return base::fail(base::code::kModuleCode,
                      "compiled code cannot be kept: " + message_of(*error));
  }
  base::Bytes sealed = seal_code(
      key, wasm_hash, base::ByteView(reinterpret_cast<const std::uint8_t*>(code.data), code.size));
  wasm_byte_vec_delete(&code);
  return sealed;
}

base::Result<Module> Module::unseal(const Engine& engine, base::ByteView sealed,
                                    const crypto::SecretBytes<32>& key,
                                    const crypto::Hash256& wasm_hash) {
  const auto begin = head();
  if (sealed.size() < kSealed || !std::equal(kMagic.begin(), kMagic.end(), sealed.begin())) {
    return base::fail(base::code::kModuleCode, "this is no compiled code of this program");
  }
  if (!std::ranges::equal(sealed.first(kHead), begin)) {
    return base::fail(base::code::kModuleCode, "compiled code is of another version");
  }
  const base::ByteView code = sealed.subspan(kSealed);
  const crypto::Hash256 seal = seal_of(key, wasm_hash, code);
  if (!crypto::constant_time_equal(seal, sealed.subspan(kHead, seal.size()))) {
    return base::fail(base::code::kModuleCode,
                      "compiled code is damaged, or not this node's, or of another module");
  }
  wasmtime_module_t* module = nullptr;
  if (const ErrorHandle error{
          wasmtime_module_deserialize(engine.handle(), code.data(), code.size(), &module)}) {
    return base::fail(base::code::kModuleCode,
                      "compiled code is of another version or machine: " + message_of(*error));
  }
  return Module(module);
}

std::size_t Module::code_size() const {
  void* start = nullptr;
  void* end = nullptr;
  wasmtime_module_image_range(module_.get(), &start, &end);
  return static_cast<std::size_t>(static_cast<char*>(end) - static_cast<char*>(start));
}

}  // namespace entresol::service::sandbox
