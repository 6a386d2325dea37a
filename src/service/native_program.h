// A service that is linked into the node: its functions are trusted and cannot fault.
#pragma once

#include <cstddef>
#include <memory>

#include "service/program.h"

namespace entresol::service {

class NativeProgram final : public Program {
 public:
  // `service` outlives it: what entresol_service_NAME() returns.
  explicit NativeProgram(const entresol_service& service) : service_(service) {}
  ~NativeProgram() override { stop(); }
  NativeProgram(const NativeProgram&) = delete;
  NativeProgram& operator=(const NativeProgram&) = delete;

  std::optional<Fault> start(Environment& environment) override;
  std::optional<Fault> configure() override;
  std::optional<Fault> packets(const entresol_batch& batch) override;
  std::optional<Fault> timer(std::uint64_t name) override;
  std::size_t memory() const override { return service_.state_size; }

 private:
  struct Host : entresol_host {
    Environment* environment = nullptr;
  };
  void stop();
  static const entresol_host_calls kCalls;
  static Environment& of(entresol_host* host) { return *static_cast<Host*>(host)->environment; }

  const entresol_service& service_;
  Host host_{};
  std::unique_ptr<std::max_align_t[]> state_;
};

}  // namespace entresol::service
