// An answer means the same however it is cut, is within its limit, and whatever its body is, check() makes one line of it.
// fuzzes: http/codec.h
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "http/client.h"
#include "http/codec.h"

namespace {

using namespace entresol::http;

constexpr std::size_t kBody = 1024;

std::optional<Response> answer_of(std::string_view octets, std::size_t piece) {
  ResponseParser parser(kBody);
  Progress progress = Progress::kNothing;
  while (!octets.empty() && progress != Progress::kComplete && progress != Progress::kRefused) {
    const std::size_t size = std::min(piece, octets.size());
    progress = parser.add(octets.substr(0, size));
    octets.remove_prefix(size);
  }
  if (progress == Progress::kNothing || progress == Progress::kSome) progress = parser.end();
  if (progress != Progress::kComplete) return std::nullopt;
  parser.keep_alive();
  return parser.take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 4096) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = answer_of(octets, octets.size());
  const auto pieces = answer_of(octets, std::size_t{data[0]} % 64 + 1);
  if (whole.has_value() != pieces.has_value()) std::abort();
  if (!whole) return 0;
  if (whole->status != pieces->status || whole->body != pieces->body ||
      whole->content_type != pieces->content_type || whole->status < 200 ||
      whole->body.size() > kBody)
    std::abort();
  const auto checked = check(*whole);
  if (!checked && std::ranges::any_of(checked.error().message,
                                      [](char c) { return static_cast<unsigned char>(c) < ' '; }))
    std::abort();
  return 0;
}
