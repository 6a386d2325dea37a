// The first of sixteen rules that matches.
#include "module.h"

struct rule {
  uint16_t first, last;
  uint8_t protocol, flags, verdict;
};

struct state {
  struct rule rules[16];
};

static const struct rule kRules[16] = {
    {0, 21, 6, 2, 2},       {22, 22, 6, 2, 3},     {23, 52, 6, 0, 2},      {53, 53, 17, 0, 1},
    {54, 79, 6, 0, 2},      {80, 80, 6, 0, 1},     {81, 442, 6, 0, 2},     {443, 443, 6, 0, 1},
    {443, 443, 17, 0, 1},   {1000, 1999, 6, 2, 4}, {2000, 2999, 17, 0, 4}, {3000, 3999, 6, 0, 1},
    {4000, 4999, 17, 0, 3}, {5000, 5999, 6, 0, 1}, {6000, 6999, 6, 1, 2},  {0, 65535, 0, 0, 5},
};

static void begin(struct state* own) {
  for (int i = 0; i < 16; i++) own->rules[i] = kRules[i];
}

static uint8_t judge(struct state* own, const packet* p) {
  for (uint32_t r = 0; r < 16; r++) {
    const struct rule* rule = &own->rules[r];
    if (p->port < rule->first || p->port > rule->last) continue;
    if (rule->protocol && rule->protocol != p->inner_protocol) continue;
    if (rule->flags && (rule->flags & p->inner_flags) == 0) continue;
    return rule->verdict;
  }
  return 0;
}

SERVICE(filter, filtered)
