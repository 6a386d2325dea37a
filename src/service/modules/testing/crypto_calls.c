/* Makes the call that a packet's payload describes: eight numbers, then the octets of up to four inputs, one behind the other.
 * The result is the verdict's lifetime; what was written lies in `out`. Built twice. */
#include <string.h>

#define ENTRESOL_PAYLOAD_ROOM 140000
#include "entresol/service.h"

struct request {
  uint32_t call, algorithm, sizes[4], room, reserved;
};

struct state {
  uint8_t written[70000];
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  uint8_t* const out = ((struct state*)state)->written;
  struct request r;
  const uint8_t* in[4];
  int32_t result = ENTRESOL_INVALID;
  memcpy(&r, batch->payload, sizeof r);
  in[0] = batch->payload + sizeof r;
  for (int i = 1; i < 4; ++i) in[i] = in[i - 1] + r.sizes[i - 1];
  memset(out, 0, ENTRESOL_OUT_SIZE);
  switch (r.call) {
    case 0:
      result = entresol_hash(host, r.algorithm, in[0], r.sizes[0], out);
      break;
    case 1:
      result = entresol_hmac(host, r.algorithm, in[0], r.sizes[0], in[1], r.sizes[1], out);
      break;
    case 2:
      result =
          entresol_hkdf(host, in[0], r.sizes[0], in[1], r.sizes[1], in[2], r.sizes[2], out, r.room);
      break;
    case 3:
      result = entresol_public_key(host, in[0], out);
      break;
    case 4:
      result = entresol_sign(host, in[0], in[1], r.sizes[1], out);
      break;
    case 5:
      result = entresol_verify(host, in[0], in[1], r.sizes[1], in[2]);
      break;
    case 6:
      result = entresol_seal(host, r.algorithm, in[0], in[1], in[2], r.sizes[2], in[3], r.sizes[3],
                             out, r.room);
      break;
    case 7:
      result = entresol_open(host, r.algorithm, in[0], in[1], in[2], r.sizes[2], in[3], r.sizes[3],
                             out, r.room);
      break;
    case 8:
      result = (int32_t)entresol_features(host);
      break;
  }
  memcpy(batch->out, out, ENTRESOL_OUT_SIZE);
  batch->verdicts[0].action = ENTRESOL_REPLICATE;
  batch->verdicts[0].count = ENTRESOL_OUT_SIZE / sizeof(entresol_name);
  batch->verdicts[0].lifetime_ms = (uint32_t)result;
}

ENTRESOL_SERVICE(crypto_calls, struct state, .packets = packets)
