/* Calls the host, and nothing else, for ever. */
#include "entresol/service.h"

struct state {
  uint8_t room[65536];
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  struct state* own = state;
  (void)batch;
  for (uint64_t i = 0;; ++i) {
    entresol_random(host, own->room, sizeof own->room);
    entresol_timer_set(host, i, i);
    entresol_timer_cancel(host, i - 1);
    entresol_put(host, ENTRESOL_EPHEMERAL, &i, 1, own->room, 60000, 0);
    entresol_swap(host, ENTRESOL_EPHEMERAL, &i, 1, own->room, 60000, own->room, 1, 0);
    entresol_next(host, ENTRESOL_EPHEMERAL, "", 0, "", 0, own->room, 256);
    entresol_remove(host, ENTRESOL_EPHEMERAL, &i, 1);
    entresol_metric(host, (uint32_t)i, (double)i);
    entresol_log(host, (uint32_t)i, (const char*)own->room, sizeof own->room);
    entresol_withdraw(host);
  }
}

ENTRESOL_SERVICE(calls, struct state, .packets = packets)
