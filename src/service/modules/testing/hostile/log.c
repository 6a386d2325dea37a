/* Writes a hundred lines to the log for each packet; its packets are delivered. */
#include "entresol/service.h"

struct state {
  uint32_t none;
};

static char line[10000];

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)state;
  __builtin_memset(line, '\n', sizeof line);
  for (uint32_t i = 0; i < batch->count; ++i) {
    for (int n = 0; n < 100; ++n) entresol_log(host, ENTRESOL_LOG_ERROR, line, sizeof line);
    batch->verdicts[i].action = ENTRESOL_DELIVER;
    batch->verdicts[i].to = batch->packets[i].destination;
  }
}

ENTRESOL_SERVICE(log, struct state, .packets = packets)
