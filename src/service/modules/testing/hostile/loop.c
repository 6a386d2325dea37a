/* Never answers. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static volatile uint32_t forever = 1;

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state, (void)batch;
  while (forever) {
  }
}

ENTRESOL_SERVICE(loop, struct state, .packets = packets)
