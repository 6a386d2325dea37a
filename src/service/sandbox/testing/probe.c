// A module that does what modules should and should not do, for instance_test.cc.
#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name), noinline))
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))

IMPORT(tell) uint32_t tell(const char* text, size_t size);
IMPORT(twice) uint64_t twice(uint64_t value);
IMPORT(halve) double halve(double value);
IMPORT(stop) void stop(void);

EXPORT(add) uint32_t add(uint32_t a, uint32_t b) {
  return a + b;
}

static uint32_t counter = 5;
EXPORT(count) uint32_t count(void) {
  return ++counter;
}

EXPORT(greet) uint32_t greet(void) {
  return tell("hello", 5);
}
EXPORT(tell_wild) uint32_t tell_wild(void) {
  return tell((const char*)0xfffffff0u, 0x7fffffff);
}
EXPORT(sum) uint64_t sum(uint64_t a, double b) {
  return twice(a) + (uint64_t)halve(b);
}
EXPORT(give_up) void give_up(void) {
  stop();
  counter = 0;
}

EXPORT(spin) void spin(void) {
  for (volatile uint32_t i = 0;; i++) {
  }
}

// Memory operations without end, each as large as the memory.
EXPORT(churn) void churn(void) {
  char* base = (char*)(16 * 65536);
  for (;;) {
    const size_t size = __builtin_wasm_memory_size(0) * 65536 - (size_t)base;
    __builtin_memset(base, 7, size);
    __builtin_memmove(base, base + 1, size - 1);
  }
}

EXPORT(peek) uint32_t peek(uint32_t at) {
  return *(volatile uint32_t*)at;
}
EXPORT(poke) void poke(uint32_t at, uint32_t value) {
  *(volatile uint32_t*)at = value;
}

EXPORT(dig) uint32_t dig(uint32_t depth) {
  volatile uint32_t here[4] = {depth};
  return depth == 0 ? 0 : dig(depth - 1) + here[0];
}

EXPORT(grow) uint32_t grow(uint32_t pages) {
  return (uint32_t)__builtin_wasm_memory_grow(0, pages);
}
EXPORT(bomb) uint32_t bomb(void) {
  while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) {
  }
  return (uint32_t)__builtin_wasm_memory_size(0);
}

EXPORT(divide) int32_t divide(int32_t a, int32_t b) {
  return a / b;
}
EXPORT(crash) void crash(void) {
  __builtin_trap();
}

typedef uint32_t (*Plain)(void);
typedef uint64_t (*Other)(uint64_t);
static Plain volatile null_function;
static Plain volatile some_function = count;
EXPORT(call_null) uint32_t call_null(void) {
  return null_function();
}
EXPORT(call_other) uint64_t call_other(void) {
  return ((Other)(void*)some_function)(1);
}
