// What the modules share, each of which is built in two shapes from one core: a struct state, begin(), and judge(), which
// gives a packet a verdict's number. Bare, as here: headers of 64 octets in, an octet a header out, no interface around it;
// for the sandbox, and native with names that begin with MODULE. With SDK_SHAPE: a service of the product.
#pragma once

#ifdef SDK_SHAPE
#include "product/modules/sdk_shape.h"
#else

#include <stddef.h>
#include <stdint.h>

#define BATCH 32

#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name))) name
#else
#define JOIN(a, b) a##_##b
#define NAMED(a, b) JOIN(a, b)
#define EXPORT(name) NAMED(MODULE, name)
#endif

typedef struct packet {
  uint8_t source[16];
  uint8_t destination[16];
  uint32_t flow;
  uint8_t rest[14];
  uint16_t port;
  uint8_t inner_protocol;
  uint8_t inner_flags;
  uint8_t more[10];
} packet;
#define SOURCE(p) ((p)->source)

// The host writes packets, calls decide(count), and reads verdicts.
struct batch {
  packet packets[BATCH];
  uint8_t verdicts[BATCH];
};

struct batch* EXPORT(where)(void);
void EXPORT(decide)(uint32_t count);

#define SERVICE(NAME, ANSWER)                                                                     \
  static struct batch batch_;                                                                     \
  static struct state state_;                                                                     \
  struct batch* EXPORT(where)(void) {                                                             \
    begin(&state_);                                                                               \
    return &batch_;                                                                               \
  }                                                                                               \
  void EXPORT(decide)(uint32_t count) {                                                           \
    for (uint32_t i = 0; i < count; i++) batch_.verdicts[i] = judge(&state_, &batch_.packets[i]); \
  }
#endif
