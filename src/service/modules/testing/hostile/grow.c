/* Takes all the memory that there is, and touches it; its packets are delivered. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state;
  for (__SIZE_TYPE__ step = 65536; step > 0; step /= 2)
    while (__builtin_wasm_memory_grow(0, step) != (__SIZE_TYPE__)-1) {
    }
  const __SIZE_TYPE__ size = __builtin_wasm_memory_size(0) << 16;
  for (__SIZE_TYPE__ at = size - 65536; at < size; at += 4096) *(volatile uint8_t*)at = 1;
  for (uint32_t i = 0; i < batch->count; ++i) {
    batch->verdicts[i].action = ENTRESOL_DELIVER;
    batch->verdicts[i].to = batch->packets[i].destination;
  }
}

ENTRESOL_SERVICE(grow, struct state, .packets = packets)
