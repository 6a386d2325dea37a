/* Delivers, and keeps that; but port 13 is a trap, and port 14 an endless loop. */
#include "entresol/service.h"

struct state {
  uint64_t seen;
};

static volatile uint32_t forever = 1;

static void fall(void) {
  *(volatile uint32_t*)(uintptr_t)0xfffffff0u = 1;
}

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  struct state* own = state;
  for (uint32_t i = 0; i < batch->count; ++i) {
    entresol_verdict* verdict = &batch->verdicts[i];
    ++own->seen;
    if (batch->packets[i].port == 13) fall();
    while (batch->packets[i].port == 14 && forever) {
    }
    verdict->action = ENTRESOL_DELIVER;
    verdict->keep = 1;
    verdict->to = batch->packets[i].destination;
  }
  entresol_metric(host, 0, (double)own->seen);
}

ENTRESOL_SERVICE(crash, struct state, .packets = packets)
