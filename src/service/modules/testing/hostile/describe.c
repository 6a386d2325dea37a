/* Says of itself that its packets lie where it has no memory. */
#include <stdint.h>

#define EXPORT(NAME) __attribute__((export_name(NAME), used))

static const uint32_t said[7] = {1, 31, 0xfffff000u, 0x7fffffffu, 0, 0xffffffffu, 0xfffffff0u};

EXPORT("entresol_describe") const uint32_t* describe(void) {
  return said;
}
EXPORT("entresol_start") void start(void) {}
EXPORT("entresol_configure") void configure(void) {}
EXPORT("entresol_packets") void packets(uint32_t count, uint32_t size) {
  (void)count, (void)size;
}
EXPORT("entresol_timer") void timer(uint64_t name) {
  (void)name;
}
EXPORT("entresol_stop") void stop(void) {}
