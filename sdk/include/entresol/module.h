/* The module's side of ABI 1: where packets are copied in and verdicts out, and the exports that a node calls. Only for a
 * build for WebAssembly; ENTRESOL_SERVICE brings it in.
 *
 * A service that reads payload defines ENTRESOL_PAYLOAD_ROOM before it includes service.h: octets for the payloads of one
 * batch. What does not fit is not shown (payload_size 0), and comes again in the next batch.
 *
 * A service that can do nothing without a feature defines ENTRESOL_NEEDS (ENTRESOL_FEATURE_…): where it is lacking, the
 * instance does not start, and people are told why.
 */
#pragma once

#include "entresol/service.h"

#ifndef ENTRESOL_PAYLOAD_ROOM
#define ENTRESOL_PAYLOAD_ROOM 8
#endif
#ifndef ENTRESOL_NEEDS
#define ENTRESOL_NEEDS 0
#endif

/* What entresol_describe() points at. Addresses are the module's. */
typedef struct entresol_module {
  uint32_t abi;
  uint32_t callbacks; /* bit 0 start, 1 configure, 2 packets, 3 timer, 4 stop */
  uint32_t packets;   /* ENTRESOL_BATCH of entresol_packet */
  uint32_t verdicts;  /* ENTRESOL_BATCH of entresol_verdict */
  uint32_t payload;
  uint32_t payload_room; /* octets there */
  uint32_t out;          /* ENTRESOL_OUT_SIZE octets */
  uint32_t needs;        /* ENTRESOL_FEATURE_… */
} entresol_module;

#ifdef __cplusplus
#define ENTRESOL_EXPORT(NAME) extern "C" __attribute__((export_name(NAME), used))
#else
#define ENTRESOL_EXPORT(NAME) __attribute__((export_name(NAME), used))
#endif

/* One object, so that what a call touches lies together: with a state of up to 1.9 KiB, a call of few packets stays on one
 * page, as many instances take turns and each page costs a look into the page tables. */
#define ENTRESOL_SERVICE_ENTRY(NAME, STATE)                                                        \
  static struct {                                                                                  \
    uint8_t state[sizeof(STATE)] __attribute__((aligned(4096)));                                   \
    entresol_module module;                                                                        \
    entresol_verdict verdicts[ENTRESOL_BATCH] __attribute__((aligned(64)));                        \
    entresol_packet packets[ENTRESOL_BATCH] __attribute__((aligned(64)));                          \
    uint8_t out[ENTRESOL_OUT_SIZE];                                                                \
    uint8_t payload[ENTRESOL_PAYLOAD_ROOM];                                                        \
  } entresol_room_;                                                                                \
  ENTRESOL_EXPORT("entresol_describe") const entresol_module* entresol_describe_(void) {           \
    const entresol_module module = {                                                               \
        ENTRESOL_ABI,                                                                              \
        (entresol_table_##NAME.start ? 1u : 0u) | (entresol_table_##NAME.configure ? 2u : 0u) |    \
            (entresol_table_##NAME.packets ? 4u : 0u) | (entresol_table_##NAME.timer ? 8u : 0u) |  \
            (entresol_table_##NAME.stop ? 16u : 0u),                                               \
        (uint32_t)(uintptr_t)entresol_room_.packets,                                               \
        (uint32_t)(uintptr_t)entresol_room_.verdicts,                                              \
        (uint32_t)(uintptr_t)entresol_room_.payload,                                               \
        ENTRESOL_PAYLOAD_ROOM,                                                                     \
        (uint32_t)(uintptr_t)entresol_room_.out,                                                   \
        ENTRESOL_NEEDS};                                                                           \
    entresol_room_.module = module;                                                                \
    return &entresol_room_.module;                                                                 \
  }                                                                                                \
  ENTRESOL_EXPORT("entresol_start") void entresol_start_(void) {                                   \
    if (entresol_table_##NAME.start) entresol_table_##NAME.start(0, entresol_room_.state);         \
  }                                                                                                \
  ENTRESOL_EXPORT("entresol_configure") void entresol_configure_(void) {                           \
    if (entresol_table_##NAME.configure) entresol_table_##NAME.configure(0, entresol_room_.state); \
  }                                                                                                \
  ENTRESOL_EXPORT("entresol_packets")                                                              \
  void entresol_packets_(uint32_t count, uint32_t payload_size) {                                  \
    const entresol_batch batch = {count,                                                           \
                                  payload_size,                                                    \
                                  entresol_room_.packets,                                          \
                                  entresol_room_.verdicts,                                         \
                                  entresol_room_.payload,                                          \
                                  entresol_room_.out};                                             \
    if (entresol_table_##NAME.packets)                                                             \
      entresol_table_##NAME.packets(0, entresol_room_.state, &batch);                              \
  }                                                                                                \
  ENTRESOL_EXPORT("entresol_timer") void entresol_timer_(uint64_t name) {                          \
    if (entresol_table_##NAME.timer) entresol_table_##NAME.timer(0, entresol_room_.state, name);   \
  }                                                                                                \
  ENTRESOL_EXPORT("entresol_stop") void entresol_stop_(void) {                                     \
    if (entresol_table_##NAME.stop) entresol_table_##NAME.stop(0, entresol_room_.state);           \
  }
