// A module's code. Compiling takes milliseconds and happens once a node: what it made is kept sealed and read back.
//
// Reading compiled code back means to run it, so whoever can write it owns the process. Therefore it is sealed with a key
// that only this node has, and nothing is looked at before the seal holds: a damaged, truncated or planted file is refused
// here and compiled anew. The seal also binds it to the module that it was compiled from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/hash.h"
#include "service/sandbox/engine.h"
#include "service/sandbox/value.h"

struct wasmtime_module;

namespace entresol::service::sandbox {

enum class ItemKind : std::uint8_t { kFunction, kGlobal, kTable, kMemory, kTag };

struct Import {
  std::string module;
  std::string name;
  ItemKind kind = ItemKind::kFunction;
  Signature signature;  // of a function
};

struct Export {
  std::string name;
  ItemKind kind = ItemKind::kFunction;
  Signature signature;  // of a function
};

class Module {
 public:
  // E0701 with the validator's or compiler's reason.
  static base::Result<Module> compile(const Engine& engine, base::ByteView wasm);

  // The compiled code of the module whose SHA-256 is `wasm_hash`, for unseal() with the same key.
  base::Result<base::Bytes> seal(const crypto::SecretBytes<32>& key,
                                 const crypto::Hash256& wasm_hash) const;
  // E0702: not sealed with this key for this module, or made by another version of the compiler or for another CPU.
  static base::Result<Module> unseal(const Engine& engine, base::ByteView sealed,
                                     const crypto::SecretBytes<32>& key,
                                     const crypto::Hash256& wasm_hash);

  const std::vector<Import>& imports() const { return imports_; }
  const std::vector<Export>& exports() const { return exports_; }
  std::size_t code_size() const;  // bytes of machine code and tables, shared by its instances

  const wasmtime_module* handle() const { return module_.get(); }  // for this folder

 private:
  struct Delete {
    void operator()(wasmtime_module* module) const;
  };
  explicit Module(wasmtime_module* module);

  std::unique_ptr<wasmtime_module, Delete> module_;
  std::vector<Import> imports_;
  std::vector<Export> exports_;
};

}  // namespace entresol::service::sandbox
