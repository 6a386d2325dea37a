// What the modules of wasmtime_loop share. Each is a service's core without any interface around it: headers of 64 bytes
// in, a byte a header out. Compiled for the sandbox, and native with names that begin with MODULE.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BATCH 32

// OWN: a table that its owner may set, so the compiler must not rest on what is in it.
#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name))) name
#define OWN(name) name
#else
#define JOIN(a, b) a##_##b
#define NAMED(a, b) JOIN(a, b)
#define EXPORT(name) NAMED(MODULE, name)
#define OWN(name) NAMED(MODULE, name)
#endif

struct header {
  uint8_t source[16];
  uint8_t destination[16];
  uint32_t flow;
  uint16_t port;
  uint8_t protocol;
  uint8_t flags;
  uint8_t rest[24];
};

// The host writes headers, calls decide(count), and reads verdicts.
struct batch {
  struct header headers[BATCH];
  uint8_t verdicts[BATCH];
};

static struct batch batch;

struct batch* EXPORT(where)(void);
struct batch* EXPORT(where)(void) {
  return &batch;
}

void EXPORT(decide)(uint32_t count);
