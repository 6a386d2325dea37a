/* What the author of a service writes against, in C or (with service.hpp) C++. A service is code behind a 32-bit id: packets
 * name the id in their extension header, a node runs the service for them, and may keep its verdict for the rest of a flow.
 *
 * The same source is built twice: native, linked into a node, and as a WebAssembly module that runs in a sandbox on every
 * node. It includes this header and its language's standard library, and calls nothing of the machine: what it needs is in
 * entresol_host. One instance runs for each tenant and service thread; it is called by one thread at a time, and no call
 * may wait. Numbers are in the machine's order (little-endian in a module), names are octets.
 *
 * docs/services.md tells the same from the outside: the module's exports and imports, ABI version 1.
 */
#pragma once

#include <stdint.h>

/* Names as C has them. NOLINTBEGIN(readability-identifier-naming) */
#ifdef __cplusplus
extern "C" {
#endif

/* In C++ what an initializer leaves out is zero without a warning. */
#ifdef __cplusplus
#define ENTRESOL_ZERO = {}
#else
#define ENTRESOL_ZERO
#endif

#define ENTRESOL_ABI 1
#define ENTRESOL_BATCH 64      /* packets of one call, at most */
#define ENTRESOL_OUT_SIZE 4096 /* octets of a batch's `out` */

typedef struct entresol_name {
  uint8_t octets[16]; /* prints as an IPv6 address */
} entresol_name;

/* A packet, as far as the manifest lists its fields: the others are zero, so they cannot have mattered to a verdict that is
 * kept. 64 octets. */
typedef struct entresol_packet {
  entresol_name source;
  entresol_name destination;
  uint32_t flow;
  uint32_t handle;  /* of this packet, for entresol_release(); not 0 */
  uint32_t payload; /* offset in the batch's payload */
  /* Octets there. 0: the manifest does not ask, or the payload is not for the service. */
  uint32_t payload_size;
  uint16_t length; /* octets of the payload as it travels */
  uint16_t port;   /* of the side that did not open the flow */
  uint8_t inner_protocol;
  uint8_t inner_flags;
  uint8_t next_protocol;
  uint8_t traffic_class;
  uint8_t reserved[8];
} entresol_packet;

/* entresol_verdict.action */
enum {
  ENTRESOL_DROP = 0,  /* silently */
  ENTRESOL_REFUSE,    /* and the sender is told */
  ENTRESOL_DELIVER,   /* to the member `to` */
  ENTRESOL_REPLICATE, /* to each of `count` names at `data` in the batch's out */
  ENTRESOL_HOLD       /* the node keeps the packet until entresol_release() */
};

/* All zero at first: dropped, not kept. 32 octets. */
typedef struct entresol_verdict {
  uint8_t action ENTRESOL_ZERO;
  /* 1: for all packets of the flow too, until what it rests on changes; not of REPLICATE and HOLD. A kept verdict may vanish
   * at any time: the service must be able to give it again. */
  uint8_t keep ENTRESOL_ZERO;
  /* Of DROP and REFUSE: the service's own number, for people. */
  uint16_t reason ENTRESOL_ZERO;
  /* Of a kept one; 0: without end. Of HOLD: then the packet is dropped; 0: a second. */
  uint32_t lifetime_ms ENTRESOL_ZERO;
  uint32_t data ENTRESOL_ZERO;
  uint32_t count ENTRESOL_ZERO;
  entresol_name to ENTRESOL_ZERO;
} entresol_verdict;

typedef struct entresol_batch {
  uint32_t count;
  uint32_t payload_size;
  const entresol_packet* packets;
  entresol_verdict* verdicts; /* as many */
  const uint8_t* payload;
  uint8_t* out; /* ENTRESOL_OUT_SIZE octets: what verdicts point at by `data` */
} entresol_batch;

/* The node, as this instance may use it. */
typedef struct entresol_host entresol_host;

/* A service's functions; those it lacks are null. `state` is `state_size` octets, zero before start(). After a trap, and
 * after an upgrade, an instance starts anew: what has to outlive it lies in the stable store. */
typedef struct entresol_service {
  uint32_t abi; /* ENTRESOL_ABI */
  uint32_t state_size;
  void (*start)(entresol_host* host, void* state) ENTRESOL_ZERO;
  /* Before the first packet, and when values of the configuration have changed. */
  void (*configure)(entresol_host* host, void* state) ENTRESOL_ZERO;
  void (*packets)(entresol_host* host, void* state, const entresol_batch* batch) ENTRESOL_ZERO;
  void (*timer)(entresol_host* host, void* state, uint64_t name) ENTRESOL_ZERO;
  /* Before the instance goes; not after a trap. */
  void (*stop)(entresol_host* host, void* state) ENTRESOL_ZERO;
} entresol_service;

/* What calls below return where they can fail. */
enum {
  ENTRESOL_NOT_FOUND = -1,
  ENTRESOL_TOO_SMALL = -2, /* the room that was given */
  ENTRESOL_QUOTA = -3,     /* the instance has used what it may */
  ENTRESOL_CHANGED = -4,   /* entresol_swap(): another value is there */
  ENTRESOL_INVALID = -5,   /* an argument */
  ENTRESOL_DENIED = -6,    /* the manifest does not ask for it, or the operator did not grant it */
  ENTRESOL_FAILED = -7,    /* the node's disk takes nothing now: nothing has changed */
  ENTRESOL_FORGED = -8     /* a signature, or what was to be opened, is not what its key has made */
};

enum { ENTRESOL_EPHEMERAL = 0, ENTRESOL_STABLE = 1 }; /* which store */
/* What a node may have or lack, and an instance be granted: entresol_features(), and ENTRESOL_NEEDS of module.h. */
#define ENTRESOL_FEATURE_STABLE 1u                  /* the stable store; manifest: limits.stable */
#define ENTRESOL_FEATURE_CRYPTO 2u                  /* hash to open; manifest: uses: [crypto] */
enum { ENTRESOL_SHA256 = 0, ENTRESOL_BLAKE2S = 1 }; /* which hash */
enum { ENTRESOL_AES256_GCM = 1, ENTRESOL_CHACHA20_POLY1305 = 2 }; /* which AEAD */
#define ENTRESOL_HASH_SIZE 32
#define ENTRESOL_KEY_SIZE 32
#define ENTRESOL_SIGNATURE_SIZE 64
#define ENTRESOL_NONCE_SIZE 12
#define ENTRESOL_TAG_SIZE 16
enum { ENTRESOL_LOG_ERROR = 0, ENTRESOL_LOG_WARNING, ENTRESOL_LOG_INFO, ENTRESOL_LOG_DEBUG };

/* X(result, name, parameters, arguments): every call; for a module an import "entresol" "name", whose host is not looked at. */
#define ENTRESOL_HOST_CALLS(X)                                                                    \
  X(uint64_t, now, (entresol_host * host), (host))                                                \
  X(uint64_t, unix_time, (entresol_host * host), (host))                                          \
  X(void, random, (entresol_host * host, void* out, uint32_t size), (host, out, size))            \
  X(void, log, (entresol_host * host, uint32_t level, const char* text, uint32_t size),           \
    (host, level, text, size))                                                                    \
  X(int32_t, timer_set, (entresol_host * host, uint64_t name, uint64_t delay),                    \
    (host, name, delay))                                                                          \
  X(int32_t, timer_cancel, (entresol_host * host, uint64_t name), (host, name))                   \
  X(int32_t, get,                                                                                 \
    (entresol_host * host, uint32_t store, const void* key, uint32_t key_size, void* value,       \
     uint32_t room),                                                                              \
    (host, store, key, key_size, value, room))                                                    \
  X(int32_t, put,                                                                                 \
    (entresol_host * host, uint32_t store, const void* key, uint32_t key_size, const void* value, \
     uint32_t size, uint32_t lifetime_ms),                                                        \
    (host, store, key, key_size, value, size, lifetime_ms))                                       \
  X(int32_t, swap,                                                                                \
    (entresol_host * host, uint32_t store, const void* key, uint32_t key_size,                    \
     const void* expected, int32_t expected_size, const void* value, uint32_t size,               \
     uint32_t lifetime_ms),                                                                       \
    (host, store, key, key_size, expected, expected_size, value, size, lifetime_ms))              \
  X(int32_t, remove, (entresol_host * host, uint32_t store, const void* key, uint32_t key_size),  \
    (host, store, key, key_size))                                                                 \
  X(int32_t, next,                                                                                \
    (entresol_host * host, uint32_t store, const void* prefix, uint32_t prefix_size,              \
     const void* after, uint32_t after_size, void* key, uint32_t room),                           \
    (host, store, prefix, prefix_size, after, after_size, key, room))                             \
  X(int32_t, config,                                                                              \
    (entresol_host * host, const char* name, uint32_t size, char* value, uint32_t room),          \
    (host, name, size, value, room))                                                              \
  X(void, metric, (entresol_host * host, uint32_t metric, double value), (host, metric, value))   \
  X(int32_t, release, (entresol_host * host, uint32_t handle, const entresol_verdict* verdict),   \
    (host, handle, verdict))                                                                      \
  X(int32_t, withdraw, (entresol_host * host), (host))                                            \
  X(uint32_t, features, (entresol_host * host), (host))                                           \
  X(int32_t, hash,                                                                                \
    (entresol_host * host, uint32_t algorithm, const void* data, uint32_t size, uint8_t* out),    \
    (host, algorithm, data, size, out))                                                           \
  X(int32_t, hmac,                                                                                \
    (entresol_host * host, uint32_t algorithm, const void* key, uint32_t key_size,                \
     const void* data, uint32_t size, uint8_t* out),                                              \
    (host, algorithm, key, key_size, data, size, out))                                            \
  X(int32_t, hkdf,                                                                                \
    (entresol_host * host, const void* secret, uint32_t secret_size, const void* salt,            \
     uint32_t salt_size, const void* info, uint32_t info_size, void* out, uint32_t size),         \
    (host, secret, secret_size, salt, salt_size, info, info_size, out, size))                     \
  X(int32_t, public_key, (entresol_host * host, const uint8_t* seed, uint8_t* out),               \
    (host, seed, out))                                                                            \
  X(int32_t, sign,                                                                                \
    (entresol_host * host, const uint8_t* seed, const void* message, uint32_t size,               \
     uint8_t* signature),                                                                         \
    (host, seed, message, size, signature))                                                       \
  X(int32_t, verify,                                                                              \
    (entresol_host * host, const uint8_t* public_key, const void* message, uint32_t size,         \
     const uint8_t* signature),                                                                   \
    (host, public_key, message, size, signature))                                                 \
  X(int32_t, seal,                                                                                \
    (entresol_host * host, uint32_t suite, const uint8_t* key, const uint8_t* nonce,              \
     const void* authenticated, uint32_t authenticated_size, const void* in, uint32_t size,       \
     void* out, uint32_t room),                                                                   \
    (host, suite, key, nonce, authenticated, authenticated_size, in, size, out, room))            \
  X(int32_t, open,                                                                                \
    (entresol_host * host, uint32_t suite, const uint8_t* key, const uint8_t* nonce,              \
     const void* authenticated, uint32_t authenticated_size, const void* in, uint32_t size,       \
     void* out, uint32_t room),                                                                   \
    (host, suite, key, nonce, authenticated, authenticated_size, in, size, out, room))

/* now            nanoseconds of a clock that never goes back
 * unix_time      nanoseconds since 1970, as the node believes
 * random         fills `out`, at most 65536 octets; fit for keys
 * log            one line of at most 256 octets; what exceeds the instance's rate is counted and left out
 * timer_set      timer(name) will be called `delay` nanoseconds from now; one that is set already is moved
 * timer_cancel   0, or NOT_FOUND
 * get            octets of the value, copied to `value`; NOT_FOUND, TOO_SMALL
 * put            0; `lifetime_ms` 0: for ever. Keys of 1 to 256 octets, values of up to 64 KiB; INVALID, QUOTA. In the stable
 *                store, what one callback writes is there as a whole or not at all, and not if it traps; verdicts, releases and
 *                withdrawals leave once it is on the disk. FAILED: the disk takes nothing now. If it fails afterwards, the
 *                instance starts anew, as though the callback had never been
 * swap           put, if `expected` is what is there; `expected_size` -1: nothing is. CHANGED
 * remove         0, or NOT_FOUND
 * next           the first key behind `after` that begins with `prefix`: octets of it, copied to `key`; NOT_FOUND at the end
 * config         the text of a value of the configuration (manifest: `config`), its octets; NOT_FOUND, TOO_SMALL
 * metric         number in the manifest's list: adds to a counter, sets a gauge, is observed by a histogram
 * release        a held packet goes the way of the verdict; NOT_FOUND if its time is over
 * withdraw       all kept verdicts of this service are void; QUOTA: too often
 * features       ENTRESOL_FEATURE_… that this instance has here
 *
 * The following want `uses: [crypto]` in the manifest (DENIED), and take up to 64 KiB each of text, key or authenticated
 * data (INVALID). Keys are the service's own; one that shall last lies in the stable store.
 *
 * hash           0; ENTRESOL_HASH_SIZE octets to `out`
 * hmac           the same, RFC 2104 with that hash
 * hkdf           0; RFC 5869 with SHA-256: up to 8160 octets, `info` of up to 4096
 * public_key     0; the Ed25519 public key of a seed, which is ENTRESOL_KEY_SIZE random octets
 * sign           0; Ed25519 (RFC 8032): ENTRESOL_SIGNATURE_SIZE octets
 * verify         0, or FORGED
 * seal           octets written: `size` and ENTRESOL_TAG_SIZE; TOO_SMALL. A nonce is used once with a key. `out` may be `in`
 * open           octets written: `size` less ENTRESOL_TAG_SIZE; FORGED, and `out` is zero; TOO_SMALL
 */

#ifdef __wasm__
#define ENTRESOL_HOST_CALL(result, name, parameters, arguments) \
  __attribute__((import_module("entresol"),                     \
                 import_name(#name))) extern result entresol_##name parameters;
ENTRESOL_HOST_CALLS(ENTRESOL_HOST_CALL)
#undef ENTRESOL_HOST_CALL
#else
struct entresol_host_calls {
#define ENTRESOL_HOST_CALL(result, name, parameters, arguments) result(*name) parameters;
  ENTRESOL_HOST_CALLS(ENTRESOL_HOST_CALL)
#undef ENTRESOL_HOST_CALL
};
struct entresol_host {
  const struct entresol_host_calls* calls;
};
#define ENTRESOL_HOST_CALL(result, name, parameters, arguments) \
  static inline result entresol_##name parameters {             \
    return host->calls->name arguments;                         \
  }
ENTRESOL_HOST_CALLS(ENTRESOL_HOST_CALL)
#undef ENTRESOL_HOST_CALL
#endif

#ifdef __cplusplus
}
#endif

/* Once in a service, behind its functions: the type of its state, then those that it has, in the order of entresol_service.
 *
 *   ENTRESOL_SERVICE(hello, struct hello, .start = start, .packets = packets)
 */
#define ENTRESOL_SERVICE(NAME, STATE, ...)                                      \
  static const entresol_service entresol_table_##NAME = {                       \
      .abi = ENTRESOL_ABI, .state_size = (uint32_t)sizeof(STATE), __VA_ARGS__}; \
  ENTRESOL_SERVICE_ENTRY(NAME, STATE)

#ifdef __wasm__
#include "entresol/module.h"
#else
#ifdef __cplusplus
#define ENTRESOL_SERVICE_ENTRY(NAME, STATE)                      \
  extern "C" const entresol_service* entresol_service_##NAME() { \
    return &entresol_table_##NAME;                               \
  }
#else
#define ENTRESOL_SERVICE_ENTRY(NAME, STATE)               \
  const entresol_service* entresol_service_##NAME(void) { \
    return &entresol_table_##NAME;                        \
  }
#endif
#endif

/* NOLINTEND(readability-identifier-naming) */
