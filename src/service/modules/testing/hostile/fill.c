/* Fills and copies all of its memory, again and again: few instructions, much time in each. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static volatile uintptr_t nought = 0; /* so that the compiler does not see where it writes */

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state, (void)batch;
  while (__builtin_wasm_memory_grow(0, 1) != (__SIZE_TYPE__)-1) {
  }
  const __SIZE_TYPE__ size = __builtin_wasm_memory_size(0) << 16;
  const uintptr_t begin = nought;
  for (;;) {
    __builtin_memset((void*)begin, 0x5a, size);
    __builtin_memmove((void*)begin, (void*)(begin + 1), size - 1);
  }
}

ENTRESOL_SERVICE(fill, struct state, .packets = packets)
