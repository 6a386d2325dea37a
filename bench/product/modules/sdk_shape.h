// The modules as services: each fills in what its verdict's number means. Built for the sandbox and native, written against
// sdk/ alone.
#pragma once

#include "entresol/service.h"

typedef entresol_packet packet;
#define SOURCE(p) ((p)->source.octets)

// 0: dropped; 1: delivered; another one: refused.
static inline void filtered(entresol_verdict* verdict, const packet* p, uint8_t number) {
  verdict->action =
      number == 0 ? ENTRESOL_DROP : (number == 1 ? ENTRESOL_DELIVER : ENTRESOL_REFUSE);
  verdict->keep = 1;
  verdict->reason = number;
  verdict->to = p->destination;
}
// The number is a backend's.
static inline void balanced(entresol_verdict* verdict, const packet* p, uint8_t number) {
  verdict->action = ENTRESOL_DELIVER;
  verdict->keep = 1;
  verdict->to = p->destination;
  verdict->to.octets[15] = number;
}

#define SERVICE(NAME, ANSWER)                                                          \
  static void start(entresol_host* host, void* state) {                                \
    (void)host;                                                                        \
    begin(state);                                                                      \
  }                                                                                    \
  static void packets(entresol_host* host, void* state, const entresol_batch* batch) { \
    (void)host;                                                                        \
    for (uint32_t i = 0; i < batch->count; i++) {                                      \
      const packet* p = &batch->packets[i];                                            \
      ANSWER(&batch->verdicts[i], p, judge(state, p));                                 \
    }                                                                                  \
  }                                                                                    \
  ENTRESOL_SERVICE(NAME, struct state, .start = start, .packets = packets)
