// A module as the program of an instance: packets are copied into its memory, verdicts out of it, and everything that it
// says is checked before it is believed.
#pragma once

#include <memory>

#include "service/modules/abi.h"
#include "service/program.h"
#include "service/sandbox/engine.h"

namespace entresol::service::modules {

// What modules run in. One a process; it outlives all that is made from it.
class Sandbox {
 public:
  // Whoever runs it calls tick() this often while calls run.
  static constexpr base::Duration kTick = std::chrono::microseconds(500);

  static base::Result<std::unique_ptr<Sandbox>> create(const sandbox::EngineConfig& config);

  sandbox::Engine& engine() { return *engine_; }
  // Compiles it, and checks it against ABI 1: E0701, E0703.
  base::Result<std::shared_ptr<const sandbox::Prepared>> prepare(base::ByteView wasm);
  base::Result<std::shared_ptr<const sandbox::Prepared>> prepare(const sandbox::Module& module);

 private:
  explicit Sandbox(std::unique_ptr<sandbox::Engine> engine);
  std::unique_ptr<sandbox::Engine> engine_;
  sandbox::Imports imports_;
};

class ModuleProgram final : public Program {
 public:
  ModuleProgram(std::shared_ptr<const sandbox::Prepared> module, const Limits& limits);

  std::optional<Fault> start(Environment& environment) override;
  std::optional<Fault> configure() override;
  std::optional<Fault> packets(const entresol_batch& batch) override;
  std::optional<Fault> timer(std::uint64_t name) override;
  void prefetch() const override;
  std::size_t memory() const override;
  // What the module has said of itself, once it has been started: which callbacks it has (entresol_module.callbacks), and
  // octets for the payloads of one batch.
  std::uint32_t callbacks() const { return places_.callbacks; }
  std::uint32_t payload_room() const { return places_.payload_room; }

 private:
  // Where the module keeps what is copied: checked once, as a memory never shrinks.
  struct Places {
    std::uint32_t packets = 0, verdicts = 0, payload = 0, payload_room = 0, out = 0;
    std::uint32_t callbacks = 0;
  };
  std::optional<Fault> describe(const Environment& environment);
  std::optional<Fault> call(Entry entry, std::span<sandbox::Value> values = {});

  // What packets() needs comes first: a line of this, then one of the instance's.
  std::uint64_t ticks_;
  Places places_;
  mutable std::optional<sandbox::Instance> instance_;  // looks anew at how large its memory is
  std::shared_ptr<const sandbox::Prepared> module_;
  std::size_t memory_;
};

}  // namespace entresol::service::modules
