// Why a module stopped, for its author and its operator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace entresol::service::sandbox {

enum class TrapKind : std::uint8_t {
  kStackOverflow,
  kMemory,       // an address outside its memory
  kTable,        // a function table's element that is not there
  kIndirect,     // a call of null, or of a function of another type
  kArithmetic,   // division by zero, integer overflow, a float that no integer holds
  kUnreachable,  // abort(), a failed assertion, what the compiler held impossible
  kInterrupted,  // its time was over
  kHost,         // a host function refused: the message says why
  kNoRoom,       // not started: no free instance, or memory beyond its limit
  kNotRunning,   // called before it was started, or after a trap
  kOther,
};

struct Frame {
  std::string function;  // of the module's name section, else "function 12"
  std::uint32_t function_index = 0;
  std::size_t module_offset = 0;  // in the module's bytes; npos if unknown
  std::string file;               // empty without debug information
  std::uint32_t line = 0;

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

struct Trap {
  TrapKind kind = TrapKind::kOther;
  std::string message;        // one line, no trailing full stop
  std::vector<Frame> frames;  // innermost first, at most 20
};

std::string_view to_text(TrapKind kind);
// The message, and a line a frame: "  at fill (filter.cc:12)".
std::string to_text(const Trap& trap);

}  // namespace entresol::service::sandbox
