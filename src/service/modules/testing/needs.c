/* Does nothing, and not without a stable store. */
#define ENTRESOL_NEEDS (ENTRESOL_FEATURE_STABLE | 1u << 30)
#include "entresol/service.h"

struct state {
  uint8_t unused;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state, (void)batch;
}

ENTRESOL_SERVICE(needs, struct state, .packets = packets)
