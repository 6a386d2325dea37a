/* 256 copies of each packet. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state;
  for (uint32_t i = 0; i < ENTRESOL_OUT_SIZE / sizeof(entresol_name); ++i)
    __builtin_memcpy(batch->out + i * sizeof(entresol_name), &batch->packets[0].destination,
                     sizeof(entresol_name));
  for (uint32_t i = 0; i < batch->count; ++i) {
    batch->verdicts[i].action = ENTRESOL_REPLICATE;
    batch->verdicts[i].count = ENTRESOL_OUT_SIZE / sizeof(entresol_name);
  }
}

ENTRESOL_SERVICE(replicate, struct state, .packets = packets)
