// Values and types at the border of a module, as its functions take and return them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace entresol::service::sandbox {

enum class Type : std::uint8_t { kI32, kI64, kF32, kF64, kV128, kReference };

// One argument or result. Which member is meant follows from the function's signature; integers are written through `of`,
// since the upper half of an i32 has to be zero.
union Value {
  std::uint64_t u64 = 0;
  std::uint32_t u32;
  std::int32_t i32;
  std::int64_t i64;
  float f32;
  double f64;
  std::uint8_t v128[16];

  static Value of(std::uint32_t v) { return of(std::uint64_t{v}); }
  static Value of(std::int32_t v) { return of(std::uint64_t{static_cast<std::uint32_t>(v)}); }
  static Value of(std::int64_t v) { return of(static_cast<std::uint64_t>(v)); }
  static Value of(std::uint64_t v) {
    Value value;
    value.u64 = v;
    return value;
  }
  static Value of(double v) {
    Value value;
    value.f64 = v;
    return value;
  }
};

struct Signature {
  std::vector<Type> parameters;
  std::vector<Type> results;

  bool operator==(const Signature&) const = default;
};

std::string to_text(const Signature& signature);  // "(i32, i64) -> (i32)"

// A module's memory. It moves and grows while the module runs: asked for anew after each call.
struct Memory {
  std::uint8_t* base = nullptr;
  std::size_t size = 0;

  // Whether `size` bytes from the module's pointer `at` on lie within it.
  bool holds(std::uint32_t at, std::size_t bytes) const { return at <= size && bytes <= size - at; }
};

}  // namespace entresol::service::sandbox
