#include "service/sandbox/module.h"

#include <algorithm>

#include "base/error_codes.h"
#include "service/sandbox/sandbox_testing.h"
#include "service/sandbox/wasmtime_handles.h"

namespace entresol::service::sandbox {
namespace {

class ModuleTest : public SandboxTest {
 protected:
  base::Result<Module> unseal(base::ByteView sealed) {
    return Module::unseal(*engine_, sealed, key_, hash_);
  }
  void refused(base::ByteView sealed, std::string_view why) {
    const auto module = unseal(sealed);
    ASSERT_FALSE(module);
    EXPECT_EQ(module.error().code, base::code::kModuleCode);
    EXPECT_NE(module.error().message.find(why), std::string::npos) << module.error().message;
  }

  base::Bytes wasm_ = read_module(ENTRESOL_PROBE_WASM);
  crypto::SecretBytes<32> key_{crypto::sha256(wasm_)};
  crypto::Hash256 hash_ = crypto::sha256(wasm_);
};

TEST_F(ModuleTest, SaysWhatItImportsAndExports) {
  const Module module = compile(wasm_);
  const auto tell = std::ranges::find(module.imports(), "tell", &Import::name);
  ASSERT_NE(tell, module.imports().end());
  EXPECT_EQ(tell->module, "env");
  EXPECT_EQ(tell->kind, ItemKind::kFunction);
  EXPECT_EQ(to_text(tell->signature), "(i32, i32) -> (i32)");
  const auto sum = std::ranges::find(module.exports(), "sum", &Export::name);
  ASSERT_NE(sum, module.exports().end());
  EXPECT_EQ(to_text(sum->signature), "(i64, f64) -> (i64)");
  const auto memory = std::ranges::find(module.exports(), "memory", &Export::name);
  ASSERT_NE(memory, module.exports().end());
  EXPECT_EQ(memory->kind, ItemKind::kMemory);
  EXPECT_GT(module.code_size(), 1000u);
}

TEST_F(ModuleTest, VectorsInASignature) {
  const Module module = compile(read_module(ENTRESOL_REACTOR_WASM));
  const auto shift = std::ranges::find(module.exports(), "shift", &Export::name);
  ASSERT_NE(shift, module.exports().end());
  EXPECT_EQ(to_text(shift->signature), "(v128) -> (v128)");
}

TEST_F(ModuleTest, WhatIsNoModule) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, wasm_.size() / 2}) {
    const auto module = Module::compile(*engine_, base::ByteView(wasm_).first(size));
    ASSERT_FALSE(module) << size;
    EXPECT_EQ(module.error().code, base::code::kModuleMalformed);
    EXPECT_EQ(module.error().message.find('\n'), std::string::npos);
  }
}

TEST_F(ModuleTest, NeedsWhatIsOff) {
  // (module (memory 65535)), (module (memory i64 1)), (module (memory 1 1 shared)), (module (memory 0) (memory 0))
  const std::vector<base::Bytes> sections = {
      {5, 5, 1, 0, 0xff, 0xff, 3}, {5, 3, 1, 4, 1}, {5, 4, 1, 3, 1, 1}, {5, 5, 2, 0, 0, 0, 0}};
  for (const base::Bytes& section : sections) {
    base::Bytes wasm = {0, 'a', 's', 'm', 1, 0, 0, 0};
    wasm.insert(wasm.end(), section.begin(), section.end());
    const auto module = Module::compile(*engine_, wasm);
    ASSERT_FALSE(module);
    EXPECT_EQ(module.error().code, base::code::kModuleMalformed) << module.error().message;
  }
}

TEST_F(ModuleTest, SealedCodeRunsTheSame) {
  const base::Bytes sealed = *compile(wasm_).seal(key_, hash_);
  const auto module = unseal(sealed);
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(module->exports().size(), compile(wasm_).exports().size());
  Instance instance(prepare(*module, probe_entries()), &host_, kMemory);
  ASSERT_FALSE(instance.start(kLong));
  Value values[2] = {Value::of(40u), Value::of(2u)};
  ASSERT_FALSE(instance.call(kAdd, values, kLong));
  EXPECT_EQ(values[0].u32, 42u);
  values[0] = Value::of(0xfffffffcu);
  const auto trap = instance.call(kPeek, values, kLong);
  ASSERT_TRUE(trap);
  EXPECT_EQ(trap->kind, TrapKind::kMemory);
  ASSERT_FALSE(trap->frames.empty());
  EXPECT_TRUE(trap->frames[0].file.ends_with("testing/probe.c")) << to_text(*trap);
}

TEST_F(ModuleTest, DamagedCodeIsNotLookedAt) {
  const base::Bytes sealed = *compile(wasm_).seal(key_, hash_);
  for (std::size_t at = 0; at < sealed.size(); at += 1 + sealed.size() / 200) {
    base::Bytes damaged = sealed;
    damaged[at] ^= 1;
    refused(damaged, at < 16 ? "no compiled code" : at < 32 ? "another version" : "damaged");
  }
  for (std::size_t size = 0; size < sealed.size(); size += 1 + sealed.size() / 50) {
    refused(base::ByteView(sealed).first(size), size < 64 ? "no compiled code" : "damaged");
  }
  base::Bytes longer = sealed;
  longer.push_back(0);
  refused(longer, "damaged");
}

TEST_F(ModuleTest, CodeOfAnotherNodeOrModule) {
  const Module module = compile(wasm_);
  crypto::SecretBytes<32> other_key = key_;
  other_key.data()[0] ^= 1;
  refused(*module.seal(other_key, hash_), "not this node's");
  crypto::Hash256 other_hash = hash_;
  other_hash[31] ^= 1;
  refused(*module.seal(key_, other_hash), "of another module");
}

// Sealed, and yet not code: Wasmtime has the last word.
TEST_F(ModuleTest, SealedNonsense) {
  base::Bytes code = *compile(wasm_).seal(key_, hash_);
  code.erase(code.begin(), code.begin() + 64);
  refused(seal_code(key_, hash_, {}), "another version or machine");
  const std::string_view section = ".wasmtime.engine";
  const auto found = std::ranges::search(code, section);
  ASSERT_NE(found.begin(), code.end());
  found.front() = 'x';
  refused(seal_code(key_, hash_, code), "another version or machine");
}

}  // namespace
}  // namespace entresol::service::sandbox
