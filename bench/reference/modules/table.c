// A verdict a port, from a table.
#include "module.h"

struct state {
  uint8_t verdict_of[1024];
};

static void begin(struct state* own) {
  own->verdict_of[22] = 2;
  own->verdict_of[53] = own->verdict_of[80] = own->verdict_of[443] = 3;
}

static uint8_t judge(struct state* own, const packet* p) {
  const uint8_t verdict = own->verdict_of[(p->port ^ p->flow) & 1023];
  return verdict ? verdict : 1;
}

SERVICE(table, filtered)
