/* Delivers every packet and keeps no verdict; how many there were is in the ephemeral store, and so outlives a version. With
   the value "fault" it ends at its start. */
#include "entresol/service.h"

#include <string.h>

struct state {
  uint64_t count;
};

static const char key[] = "count";

static void fall(void) {
  *(volatile uint32_t*)(uintptr_t)0xfffffff0u = 1;
}

static void start(entresol_host* host, void* memory) {
  struct state* own = memory;
  char value[8];
  if (entresol_get(host, ENTRESOL_EPHEMERAL, key, sizeof key - 1, &own->count, sizeof own->count) <
      0)
    own->count = 0;
  if (entresol_config(host, "mode", 4, value, sizeof value) == 5 && memcmp(value, "fault", 5) == 0)
    fall();
  entresol_metric(host, 0, (double)own->count);
}

static void packets(entresol_host* host, void* memory, const entresol_batch* batch) {
  struct state* own = memory;
  for (uint32_t i = 0; i < batch->count; ++i) {
    batch->verdicts[i].action = ENTRESOL_DELIVER;
    batch->verdicts[i].to = batch->packets[i].destination;
  }
  own->count += batch->count;
  entresol_put(host, ENTRESOL_EPHEMERAL, key, sizeof key - 1, &own->count, sizeof own->count, 0);
  entresol_metric(host, 0, (double)own->count);
}

ENTRESOL_SERVICE(counter, struct state, .start = start, .packets = packets)
