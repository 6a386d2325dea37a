// Looks at nothing and says nothing: what is left is the way there and back.
#include "entresol/service.h"

struct state {
  uint8_t unused;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host, (void)state, (void)batch;
}

ENTRESOL_SERVICE(empty, struct state, .packets = packets)
