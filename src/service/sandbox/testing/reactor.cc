// A module in C++ with a constructor to run, and signatures that no host function has, for instance_test.cc.
#include <cstdint>

namespace {

struct Table {
  Table() {
    for (std::uint32_t i = 0; i < 16; ++i) square[i] = i * i;
  }
  volatile std::uint32_t square[16];
};

Table table;

}  // namespace

using Vector = std::uint32_t __attribute__((vector_size(16)));

extern "C" {
__attribute__((export_name("square"))) std::uint32_t square(std::uint32_t of) {
  return table.square[of & 15];
}

__attribute__((export_name("shift"))) Vector shift(Vector by) {
  return by << 1;
}
}
