/* hello: lets packets through to the member that they name, but for one port, which it refuses and counts.
 *
 * service.yaml says what it sees and what an operator may set. The interface is entresol/service.h.
 */
#include "entresol/service.h"

enum { METRIC_REFUSED };            /* number in the manifest's list */
enum { REASON_PORT_IS_CLOSED = 7 }; /* for people, in logs */

/* Of one instance, zero at first; gone after a fault. */
struct state {
  uint32_t closed_port;
  uint64_t refused;
};

static uint32_t number_of(const char* text, int32_t size) {
  uint32_t out = 0;
  for (int32_t i = 0; i < size; ++i) out = out * 10 + (uint32_t)(text[i] - '0');
  return out;
}

static void configure(entresol_host* host, void* memory) {
  struct state* own = memory;
  char text[24];
  const int32_t size = entresol_config(host, "closed_port", 11, text, sizeof text);
  own->closed_port = size > 0 ? number_of(text, size) : 0;
}

static void packets(entresol_host* host, void* memory, const entresol_batch* batch) {
  struct state* own = memory;
  for (uint32_t i = 0; i < batch->count; ++i) {
    const entresol_packet* packet = &batch->packets[i];
    entresol_verdict* verdict = &batch->verdicts[i];
    verdict->keep = 1; /* for the rest of the flow */
    if (packet->port != own->closed_port) {
      verdict->action = ENTRESOL_DELIVER;
      verdict->to = packet->destination;
      continue;
    }
    verdict->action = ENTRESOL_REFUSE;
    verdict->reason = REASON_PORT_IS_CLOSED;
    entresol_metric(host, METRIC_REFUSED, 1);
    if (++own->refused == 1)
      entresol_log(host, ENTRESOL_LOG_INFO, "the first flow was refused", 26);
  }
}

ENTRESOL_SERVICE(hello, struct state, .configure = configure, .packets = packets)
