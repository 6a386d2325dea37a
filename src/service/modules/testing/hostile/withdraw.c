/* Withdraws its verdicts a thousand times for each packet; its packets are delivered. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)state;
  for (uint32_t i = 0; i < batch->count; ++i) {
    for (int n = 0; n < 1000; ++n) entresol_withdraw(host);
    batch->verdicts[i].action = ENTRESOL_DELIVER;
    batch->verdicts[i].keep = 1;
    batch->verdicts[i].to = batch->packets[i].destination;
  }
}

ENTRESOL_SERVICE(withdraw, struct state, .packets = packets)
