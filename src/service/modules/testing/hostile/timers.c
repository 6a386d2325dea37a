/* Its timers have always come, and set themselves again. Its packets are delivered. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)state;
  for (uint64_t name = 0; name < 5000; ++name) entresol_timer_set(host, name, 0);
  for (uint32_t i = 0; i < batch->count; ++i) {
    batch->verdicts[i].action = ENTRESOL_DELIVER;
    batch->verdicts[i].to = batch->packets[i].destination;
  }
}

static void timer(entresol_host* host, void* state, uint64_t name) {
  (void)state;
  entresol_timer_set(host, name, 0);
}

ENTRESOL_SERVICE(timers, struct state, .packets = packets, .timer = timer)
