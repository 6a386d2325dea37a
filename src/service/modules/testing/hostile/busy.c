/* Takes long for each batch, but not longer than a call may: its share of a core is what ends. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state;
  for (volatile uint32_t n = 0; n < 3000000; ++n) {
  }
  for (uint32_t i = 0; i < batch->count; ++i) {
    batch->verdicts[i].action = ENTRESOL_DELIVER;
    batch->verdicts[i].to = batch->packets[i].destination;
  }
}

ENTRESOL_SERVICE(busy, struct state, .packets = packets)
