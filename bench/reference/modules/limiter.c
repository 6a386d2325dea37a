// A bucket of tokens a flow, refilled with every packet of anybody.
#include "module.h"

#define BUCKETS 256

struct state {
  uint32_t now;
  struct {
    uint32_t seen;
    uint32_t tokens;
  } bucket_of[BUCKETS];
};

static void begin(struct state* own) {
  (void)own;
}

static uint8_t judge(struct state* own, const packet* p) {
  const uint32_t flow = (p->flow * 0x9e3779b1u) >> 24;
  const uint32_t now = ++own->now;
  uint32_t tokens = own->bucket_of[flow].tokens + (now - own->bucket_of[flow].seen);
  if (tokens > 512) tokens = 512;
  own->bucket_of[flow].seen = now;
  own->bucket_of[flow].tokens = tokens >= 64 ? tokens - 64 : tokens;
  return tokens >= 64 ? 1 : 2;
}

SERVICE(limiter, filtered)
