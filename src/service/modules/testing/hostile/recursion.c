/* Calls itself until its stack is full. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

/* Keeps nothing in memory: what ends is not the module's own stack, but the machine's. */
__attribute__((noinline)) static uint32_t deeper(uint32_t n) {
  return n == 0 ? 0 : deeper(n - 1) * 3 + n;
}

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state;
  batch->verdicts[0].lifetime_ms = deeper(100000000);
}

ENTRESOL_SERVICE(recursion, struct state, .packets = packets)
