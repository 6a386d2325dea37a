/* Verdicts that nobody can carry out: names outside of `out`, more than fit, actions that do not exist. */
#include "entresol/service.h"

struct state {
  uint32_t turn;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)host;
  static const struct {
    uint8_t action;
    uint32_t data, count;
  } kinds[] = {{ENTRESOL_REPLICATE, 0xfffffff0u, 1},
               {ENTRESOL_REPLICATE, 0, 257},
               {ENTRESOL_REPLICATE, 4096, 0xffffffffu},
               {ENTRESOL_REPLICATE, 4088, 1},
               {ENTRESOL_REPLICATE, 0x80000000u, 0x10000000u},
               {5, 0, 0},
               {255, 0, 0}};
  struct state* own = state;
  for (uint32_t i = 0; i < batch->count; ++i, ++own->turn) {
    batch->verdicts[i].action = kinds[own->turn % 7].action;
    batch->verdicts[i].data = kinds[own->turn % 7].data;
    batch->verdicts[i].count = kinds[own->turn % 7].count;
    batch->verdicts[i].keep = 255;
  }
}

ENTRESOL_SERVICE(verdicts, struct state, .packets = packets)
