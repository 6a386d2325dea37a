// A verdict a port, from a table.
#include "module.h"

uint8_t OWN(verdict_of)[1024] = {[22] = 2, [53] = 3, [80] = 3, [443] = 3};

void EXPORT(decide)(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const struct header* h = &batch.headers[i];
    const uint8_t verdict = OWN(verdict_of)[(h->port ^ h->flow) & 1023];
    batch.verdicts[i] = verdict ? verdict : 1;
  }
}
