/* Sizes for the host that go beyond the memory, or around its end. */
#include "entresol/service.h"

struct state {
  uint32_t turn;
};

static void packets(entresol_host* host, void* state, const entresol_batch* batch) {
  (void)state, (void)batch;
  static uint32_t turn;
  char* const text = (char*)&turn;
  const uint64_t now = entresol_now(host);
  switch ((now / 1000000) % 5) {
    case 0:
      entresol_log(host, 0, text, 0xffffffffu);
      return;
    case 1:
      entresol_get(host, ENTRESOL_EPHEMERAL, text, 0x80000000u, text, 4);
      return;
    case 2:
      entresol_put(host, ENTRESOL_EPHEMERAL, text, 4, text, 0xfffffff0u, 0);
      return;
    case 3:
      entresol_swap(host, ENTRESOL_EPHEMERAL, text, 4, text, 0x7fffffff, text, 4, 0);
      return;
    default:
      entresol_random(host, text, 0xffff0000u);
  }
}

ENTRESOL_SERVICE(lengths, struct state, .packets = packets)
