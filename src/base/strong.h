// An integer that cannot be mistaken for another: StrongInt<struct LinkIdTag, std::uint32_t>.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace entresol::base {

template <typename Tag, typename Int>
class StrongInt {
 public:
  using Underlying = Int;
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Int value) : value_(value) {}
  constexpr Int value() const { return value_; }
  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;

 private:
  Int value_{};
};

}  // namespace entresol::base

template <typename Tag, typename Int>
struct std::hash<entresol::base::StrongInt<Tag, Int>> {
  std::size_t operator()(entresol::base::StrongInt<Tag, Int> id) const noexcept {
    return std::hash<Int>{}(id.value());
  }
};
