#include "service/sandbox/engine.h"

#include "base/error_codes.h"
#include "service/sandbox/wasmtime_handles.h"

// Of packaging/wasmtime/lib.rs.
extern "C" void entresol_wasmtime_backtrace_lines(wasm_config_t* config);
extern "C" wasmtime_error_t* entresol_wasmtime_engine_new(wasm_config_t* config,
                                                          wasm_engine_t** out);

namespace entresol::service::sandbox {
namespace {

// An instance's bookkeeping, which grows with its imports, globals and functions whose address is taken.
constexpr std::size_t kInstanceSize = std::size_t{256} << 10;

void set_features(wasm_config_t* config) {
  wasmtime_config_wasm_simd_set(config, true);
  wasmtime_config_wasm_bulk_memory_set(config, true);
  wasmtime_config_wasm_multi_value_set(config, true);
  wasmtime_config_wasm_relaxed_simd_set(config, false);  // results differ from CPU to CPU
  wasmtime_config_wasm_tail_call_set(config, false);
  wasmtime_config_wasm_multi_memory_set(config, false);
  wasmtime_config_wasm_memory64_set(config, false);
  wasmtime_config_wasm_wide_arithmetic_set(config, false);
  wasmtime_config_wasm_custom_page_sizes_set(config, false);
  wasmtime_config_wasm_stack_switching_set(config, false);
}

void set_pool(wasm_config_t* config, const EngineConfig& wanted) {
  auto* pool = wasmtime_pooling_allocation_config_new();
  wasmtime_pooling_allocation_config_total_core_instances_set(pool, wanted.instances);
  wasmtime_pooling_allocation_config_total_memories_set(pool, wanted.instances);
  wasmtime_pooling_allocation_config_total_tables_set(pool, wanted.instances);
  wasmtime_pooling_allocation_config_max_memories_per_module_set(pool, 1);
  wasmtime_pooling_allocation_config_max_tables_per_module_set(pool, 1);
  wasmtime_pooling_allocation_config_max_memory_size_set(pool, wanted.memory);
  wasmtime_pooling_allocation_config_table_elements_set(pool, wanted.table_elements);
  wasmtime_pooling_allocation_config_max_core_instance_size_set(pool, kInstanceSize);
  wasmtime_pooling_allocation_strategy_set(config, pool);
  wasmtime_pooling_allocation_config_delete(pool);
}

}  // namespace

base::Result<std::unique_ptr<Engine>> Engine::create(const EngineConfig& config) {
  wasm_config_t* wanted = wasm_config_new();
  wasmtime_config_strategy_set(wanted, WASMTIME_STRATEGY_CRANELIFT);
  wasmtime_config_cranelift_opt_level_set(wanted, WASMTIME_OPT_LEVEL_SPEED);
  wasmtime_config_epoch_interruption_set(wanted, true);
  wasmtime_config_max_wasm_stack_set(wanted, config.stack);
  wasmtime_config_native_unwind_info_set(wanted,
                                         false);  // for native debuggers; not for our backtraces
  entresol_wasmtime_backtrace_lines(wanted);
  set_features(wanted);
  set_pool(wanted, config);
  wasm_engine_t* engine = nullptr;
  if (const ErrorHandle error{entresol_wasmtime_engine_new(wanted, &engine)}) {
    return base::fail(base::code::kSystemCall,
                      "the sandbox has no room for " + std::to_string(config.instances) +
                          " instances in this process: " + message_of(*error));
  }
  return std::unique_ptr<Engine>(new Engine(config, engine));
}

Engine::~Engine() {
  wasm_engine_delete(engine_);
}

void Engine::tick() noexcept {
  wasmtime_engine_increment_epoch(engine_);
}

}  // namespace entresol::service::sandbox
