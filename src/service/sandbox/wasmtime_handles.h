// For the sources of this folder alone: Wasmtime's C interface, with owners for what it hands out.
#pragma once

#include <wasmtime.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "service/sandbox/trap.h"
#include "service/sandbox/value.h"

static_assert(sizeof(entresol::service::sandbox::Value) == sizeof(wasmtime_val_raw_t));
static_assert(alignof(entresol::service::sandbox::Value) >= alignof(wasmtime_val_raw_t));

namespace entresol::service::sandbox {

template <auto function>
struct Call {
  template <typename T>
  void operator()(T* handle) const {
    function(handle);
  }
};
using ErrorHandle = std::unique_ptr<wasmtime_error_t, Call<wasmtime_error_delete>>;
using TrapHandle = std::unique_ptr<wasm_trap_t, Call<wasm_trap_delete>>;

inline std::string_view view(const wasm_name_t& name) {
  return {name.data, name.size};
}

// Text of a module's making, fit for one line of a log: at most 200 characters, none of them special.
std::string one_line(std::string_view text);

// The first line of an error's text.
std::string message_of(const wasmtime_error_t& error);

Signature signature_of(const wasm_functype_t& type);

// What ended a call: one of the two is not null. `refusal` is what a host function has said, if it was one.
Trap trap_of(TrapHandle trap, ErrorHandle error, std::string refusal);

// The envelope of compiled code: its seal, then the code.
base::Bytes seal_code(const crypto::SecretBytes<32>& key, const crypto::Hash256& wasm_hash,
                      base::ByteView code);

}  // namespace entresol::service::sandbox
