/* Puts ever new keys into both stores; its packets are delivered. */
#include "entresol/service.h"

struct state {
  uint64_t key;
};

static uint8_t value[1000];

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  struct state* own = state;
  for (uint32_t i = 0; i < 300; ++i, ++own->key) {
    entresol_put(host, ENTRESOL_EPHEMERAL, &own->key, sizeof own->key, value, i * 3, 0);
    entresol_put(host, ENTRESOL_STABLE, &own->key, sizeof own->key, value, sizeof value, 1);
    entresol_timer_set(host, own->key, 1000000000000);
  }
  for (uint32_t i = 0; i < batch->count; ++i) {
    batch->verdicts[i].action = ENTRESOL_DELIVER;
    batch->verdicts[i].to = batch->packets[i].destination;
  }
}

ENTRESOL_SERVICE(store, struct state, .packets = packets)
