/* Holds every packet for as long as it may. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state;
  for (uint32_t i = 0; i < batch->count; ++i) {
    batch->verdicts[i].action = ENTRESOL_HOLD;
    batch->verdicts[i].lifetime_ms = 0xffffffffu;
  }
}

ENTRESOL_SERVICE(hold, struct state, .packets = packets)
