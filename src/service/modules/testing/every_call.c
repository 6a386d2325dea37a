/* Answers each packet by what its flow says, so that a test can ask for everything that a service may do. Built twice. */
#include <string.h>

#define ENTRESOL_PAYLOAD_ROOM 100
#include "entresol/service.h"

struct state {
  uint64_t seen;
  uint64_t timers;
};

static volatile uint32_t forever = 1;

static uint32_t deep(uint32_t n) {
  volatile uint8_t room[256];
  room[n % 256] = (uint8_t)n;
  return n == 0 ? 0 : deep(n - 1) + room[(n + 1) % 256];
}

static void answer(entresol_host* host, struct state* own, const entresol_batch* batch,
                   const entresol_packet* packet, entresol_verdict* verdict) {
  char text[64];
  int32_t n;
  verdict->action = ENTRESOL_DELIVER;
  verdict->to = packet->destination;
  switch (packet->flow) {
    case 0:
      verdict->keep = 1;
      return;
    case 1: /* counts in the store */
      entresol_put(host, ENTRESOL_EPHEMERAL, "seen", 4, &own->seen, sizeof own->seen, 0);
      return;
    case 2: /* a value of the configuration decides */
      n = entresol_config(host, "mode", 4, text, sizeof text);
      verdict->action = n == 4 && memcmp(text, "shut", 4) == 0 ? ENTRESOL_REFUSE : ENTRESOL_DELIVER;
      return;
    case 3:
      entresol_log(host, ENTRESOL_LOG_INFO, "hello", 5);
      entresol_metric(host, 0, 2);
      return;
    case 4:
      entresol_timer_set(host, packet->handle, 1000000000);
      verdict->action = ENTRESOL_HOLD;
      return;
    case 5: {
      entresol_name names[2] = {packet->source, packet->destination};
      memcpy(batch->out + 8, names, sizeof names);
      verdict->action = ENTRESOL_REPLICATE;
      verdict->data = 8;
      verdict->count = 2;
      return;
    }
    case 6:
      entresol_withdraw(host);
      return;
    case 7:
      verdict->to.octets[0] = (uint8_t)(entresol_now(host) / 1000000000);
      verdict->to.octets[1] = (uint8_t)(entresol_unix_time(host) / 1000000000);
      entresol_random(host, verdict->to.octets + 2, 4);
      return;
    case 8: { /* lists what begins with "a" */
      const char* keys[] = {"a1", "b", "a2"};
      for (int i = 0; i < 3; ++i)
        entresol_put(host, ENTRESOL_EPHEMERAL, keys[i], (uint32_t)strlen(keys[i]), "", 0, 0);
      n = 0;
      for (int32_t size = 0;; n = size, ++verdict->to.octets[0]) {
        size = entresol_next(host, ENTRESOL_EPHEMERAL, "a", 1, text, (uint32_t)n, text, 64);
        if (size < 0) return;
      }
    }
    case 9: {
      const uint32_t one = 1, two = 2;
      verdict->to.octets[0] =
          entresol_swap(host, ENTRESOL_EPHEMERAL, "s", 1, 0, -1, &one, 4, 0) == 0;
      verdict->to.octets[1] =
          entresol_swap(host, ENTRESOL_EPHEMERAL, "s", 1, &two, 4, &two, 4, 0) == ENTRESOL_CHANGED;
      verdict->to.octets[2] =
          entresol_swap(host, ENTRESOL_EPHEMERAL, "s", 1, &one, 4, &two, 4, 0) == 0;
      verdict->to.octets[3] = entresol_remove(host, ENTRESOL_EPHEMERAL, "s", 1) == 0;
      verdict->to.octets[4] =
          entresol_get(host, ENTRESOL_EPHEMERAL, "s", 1, text, 4) == ENTRESOL_NOT_FOUND;
      return;
    }
    case 10: /* an address that nobody has */
      verdict->action =
          (uint8_t)(packet->port == 0 ? *(volatile uint8_t*)(uintptr_t)0xfffffff0u : 99);
      return;
    case 11:
      while (forever) {
      }
      return;
    case 12:
      __builtin_trap();
    case 13: /* pointers for the host that lie nowhere */
      entresol_log(host, 0, (const char*)(uintptr_t)0xfffffff0u, 100);
      return;
    case 14:
      entresol_get(host, 0, text, 0xffffffffu, text, 4);
      return;
    case 15:
      verdict->lifetime_ms = deep(10000000);
      return;
    case 16: /* what it sees of payload */
      verdict->lifetime_ms = packet->payload_size;
      verdict->data = batch->payload_size;
      if (packet->payload_size > 0) verdict->reason = batch->payload[packet->payload];
      return;
    case 17:
      entresol_random(host, text, 65537);
      return;
    default:
      verdict->action = ENTRESOL_DROP;
  }
}

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  struct state* own = state;
  own->seen += batch->count;
  for (uint32_t i = 0; i < batch->count; ++i)
    answer(host, own, batch, &batch->packets[i], &batch->verdicts[i]);
}

static void timer(entresol_host* host, void* state, uint64_t name) {
  struct state* own = state;
  entresol_verdict verdict = {.action = ENTRESOL_DELIVER};
  ++own->timers;
  entresol_release(host, (uint32_t)name, &verdict);
}

ENTRESOL_SERVICE(every_call, struct state, .packets = packets, .timer = timer)
