/* Counts in the stable store what it is asked about, says the count as a metric, and delivers; nothing of it is kept, so that
 * it is asked about each packet. Where it cannot store, it refuses. */
#define ENTRESOL_NEEDS ENTRESOL_FEATURE_STABLE
#include "entresol/service.h"

struct state {
  uint64_t count;
};

static void start(entresol_host* host, void* state) {
  struct state* own = state;
  entresol_get(host, ENTRESOL_STABLE, "count", 5, &own->count, sizeof own->count);
  entresol_metric(host, 0, (double)own->count);
}

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  struct state* own = state;
  own->count += batch->count;
  const int32_t stored =
      entresol_put(host, ENTRESOL_STABLE, "count", 5, &own->count, sizeof own->count, 0);
  for (uint32_t i = 0; i < batch->count; ++i) {
    batch->verdicts[i].action = stored == 0 ? ENTRESOL_DELIVER : ENTRESOL_REFUSE;
    batch->verdicts[i].to = batch->packets[i].destination;
  }
  entresol_metric(host, 0, (double)own->count);
}

ENTRESOL_SERVICE(keeper, struct state, .start = start, .packets = packets)
