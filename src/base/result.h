// What a person, a file or a configuration got wrong: a code that `entresol explain CODE` expands, and one sentence that
// says where, what and how to mend it. Packets never use this: they are dropped with a DropReason (drop.h).
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace entresol::base {

// Codes are stable: scripts match on them. The text behind each is in cli/explain.cc.
struct Error {
  std::string code;     // "E0101"-like, see base/error_codes.h
  std::string message;  // one line, no trailing full stop
};

template <typename T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string_view code, std::string message) {
  return tl::unexpected<Error>(Error{std::string(code), std::move(message)});
}

}  // namespace entresol::base
