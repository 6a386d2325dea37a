// Compiled code of modules on a node's disk, one file for each module: STATE/code/SHA256.code, sealed with a key that follows
// from the node's identity (service/sandbox/module.h), so that nobody else can have written it. What is damaged, foreign or
// of another version of the compiler is compiled anew, counted, and replaced. Bounded: what was used least lately goes first.
//
// Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "crypto/ed25519.h"
#include "service/sandbox/module.h"

namespace entresol::runtime {

class CodeCache {
 public:
  static constexpr std::size_t kMost = std::size_t{128} << 20;  // octets of all files

  struct Counters {
    std::uint64_t found = 0, compiled = 0;
    std::uint64_t refused = 0;     // files that were there and could not be used; compiled as well
    std::uint64_t unwritable = 0;  // code that could not be kept
  };

  CodeCache(std::string directory, const crypto::Ed25519KeyPair& identity,
            std::size_t most = kMost);

  // The module's code, from the disk or compiled. E0701. A disk that fails costs time alone.
  base::Result<service::sandbox::Module> module_of(const service::sandbox::Engine& engine,
                                                   base::ByteView wasm);
  Counters counters() const;

 private:
  std::string file_of(const crypto::Hash256& hash) const;
  bool keep(const service::sandbox::Module& module, const crypto::Hash256& hash);
  void trim() const;

  std::string directory_;
  crypto::SecretBytes<32> key_;
  std::size_t most_;
  std::atomic<std::uint64_t> found_{0}, compiled_{0}, refused_{0}, unwritable_{0};
};

}  // namespace entresol::runtime
