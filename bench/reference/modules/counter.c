// Packets a protocol and a histogram over ports, always the same verdict.
#include "module.h"

struct state {
  uint64_t packets[256];
  uint32_t histogram[17];
};

static void begin(struct state* own) {
  (void)own;
}

static uint8_t judge(struct state* own, const packet* p) {
  own->packets[p->inner_protocol]++;
  own->histogram[p->port ? 32 - __builtin_clz(p->port) : 0]++;
  return 1;
}

SERVICE(counter, filtered)
