#include "service/sandbox/trap.h"

#include <algorithm>
#include <charconv>

#include "service/sandbox/wasmtime_handles.h"

namespace entresol::service::sandbox {
namespace {

struct Meaning {
  TrapKind kind;
  std::string_view message;
};

Meaning meaning_of(wasmtime_trap_code_t code) {
  switch (code) {
    case WASMTIME_TRAP_CODE_STACK_OVERFLOW:
      return {TrapKind::kStackOverflow, "its stack is used up: recursion too deep, or without end"};
    case WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS:
    case WASMTIME_TRAP_CODE_HEAP_MISALIGNED:
      return {TrapKind::kMemory, "an address outside its memory"};
    case WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS:
      return {TrapKind::kTable, "an element outside its table of functions"};
    case WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL:
      return {TrapKind::kIndirect, "a call through a null pointer to a function"};
    case WASMTIME_TRAP_CODE_BAD_SIGNATURE:
      return {TrapKind::kIndirect, "a call through a pointer to a function of another type"};
    case WASMTIME_TRAP_CODE_INTEGER_OVERFLOW:
      return {TrapKind::kArithmetic, "a division whose result no integer holds"};
    case WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO:
      return {TrapKind::kArithmetic, "a division by zero"};
    case WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER:
      return {TrapKind::kArithmetic, "a floating-point number that no integer holds"};
    case WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED:
      return {TrapKind::kUnreachable,
              "abort(), a failed assertion, or code that cannot be reached"};
    case WASMTIME_TRAP_CODE_INTERRUPT:
      return {TrapKind::kInterrupted, "its time was over"};
    default:
      return {TrapKind::kOther, ""};
  }
}

std::string text_of(const wasm_trap_t* trap, const wasmtime_error_t* error) {
  wasm_byte_vec_t text{};
  if (trap != nullptr) {
    wasm_trap_message(trap, &text);
  } else {
    wasmtime_error_message(error, &text);
  }
  std::string copy(text.data, text.size);
  wasm_byte_vec_delete(&text);
  if (!copy.empty() && copy.back() == '\0') copy.pop_back();
  return copy;
}

std::string_view next_line(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line.substr(std::min(line.find_first_not_of(' '), line.size()));
}

// "at FILE:LINE:COLUMN" or "at FILE:LINE".
void read_place(std::string_view place, Frame& frame) {
  const auto digits = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  auto colon = place.rfind(':');
  if (colon == std::string_view::npos || !digits(place.substr(colon + 1))) return;
  if (const auto before = place.rfind(':', colon - 1);
      colon > 0 && before != std::string_view::npos &&
      digits(place.substr(before + 1, colon - before - 1))) {
    place = place.substr(0, colon);
    colon = before;
  }
  const std::string_view line = place.substr(colon + 1);
  std::from_chars(line.data(), line.data() + line.size(), frame.line);
  frame.file = one_line(place.substr(0, colon));
}

// The C interface hands out a frame's function and offset, and its places in the source, with what was inlined there, only
// as text: "  0:   0x5e - MODULE!FUNCTION", "at FILE:LINE:COLUMN", "- INLINED", "at ...". All of it is of the module's
// making, so nothing but a person's eyes may rest on it.
void read_places(std::string_view text, std::vector<Frame>& frames) {
  std::size_t current = frames.size();
  bool inlined = false;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    if (error == std::errc() && end != line.data() + line.size() && *end == ':') {
      current = number;
      inlined = false;
    } else if (line.starts_with("- ")) {
      inlined = true;
    } else if (line.starts_with("at ") && current < frames.size()) {
      // The innermost place is the first one; an inlined caller's follows and is not shown.
      if (!inlined) read_place(line.substr(3), frames[current]);
    }
  }
}

std::vector<Frame> frames_of(const wasm_frame_vec_t& vector) {
  std::vector<Frame> frames;
  for (std::size_t i = 0; i < vector.size; ++i) {
    Frame& frame = frames.emplace_back();
    frame.function_index = wasm_frame_func_index(vector.data[i]);
    frame.module_offset = wasm_frame_module_offset(vector.data[i]);
    const wasm_name_t* name = wasmtime_frame_func_name(vector.data[i]);
    frame.function = name != nullptr ? one_line(view(*name))
                                     : "function " + std::to_string(frame.function_index);
  }
  return frames;
}

}  // namespace

std::string one_line(std::string_view text) {
  constexpr std::size_t kMost = 200;
  std::string line(text.substr(0, kMost));
  for (char& c : line) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > kMost) line += "...";
  return line;
}

std::string message_of(const wasmtime_error_t& error) {
  const std::string text = text_of(nullptr, &error);
  return one_line(std::string_view(text).substr(0, text.find('\n')));
}

Trap trap_of(TrapHandle trap, ErrorHandle error, std::string refusal) {
  Trap result;
  const std::string text = text_of(trap.get(), error.get());
  wasm_frame_vec_t vector{};
  wasmtime_trap_code_t code = 0;
  if (trap != nullptr) {
    wasm_trap_trace(trap.get(), &vector);
    if (wasmtime_trap_code(trap.get(), &code)) {
      const Meaning meaning = meaning_of(code);
      result.kind = meaning.kind;
      result.message = meaning.message;
    }
  } else {
    wasmtime_error_wasm_trace(error.get(), &vector);
    if (!refusal.empty()) {
      result.kind = TrapKind::kHost;
      result.message = one_line(refusal);
    }
  }
  result.frames = frames_of(vector);
  wasm_frame_vec_delete(&vector);
  read_places(text, result.frames);
  if (result.message.empty()) result.message = one_line(text.substr(0, text.find('\n')));
  return result;
}

std::string_view to_text(TrapKind kind) {
  switch (kind) {
    case TrapKind::kStackOverflow:
      return "stack overflow";
    case TrapKind::kMemory:
      return "memory out of bounds";
    case TrapKind::kTable:
      return "table out of bounds";
    case TrapKind::kIndirect:
      return "bad indirect call";
    case TrapKind::kArithmetic:
      return "arithmetic";
    case TrapKind::kUnreachable:
      return "unreachable";
    case TrapKind::kInterrupted:
      return "interrupted";
    case TrapKind::kHost:
      return "refused by the host";
    case TrapKind::kNoRoom:
      return "no room";
    case TrapKind::kNotRunning:
      return "not running";
    case TrapKind::kOther:
      break;
  }
  return "other";
}

std::string to_text(const Trap& trap) {
  std::string text(to_text(trap.kind));
  text += ": " + trap.message;
  for (const Frame& frame : trap.frames) {
    text += "\n  at " + frame.function;
    if (!frame.file.empty()) {
      text += " (" + frame.file + ":" + std::to_string(frame.line) + ")";
    } else if (frame.module_offset != Frame::npos) {
      text += " (offset " + std::to_string(frame.module_offset) + ")";
    }
  }
  return text;
}

}  // namespace entresol::service::sandbox
