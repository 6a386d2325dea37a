// A stream of requests means the same however it is cut; what comes out is within the limits and is emitted as a request that
// is read back as it was.
// fuzzes: http/codec.h
#include "http/codec.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

using namespace entresol::http;

constexpr RequestLimits kLimits{.header_bytes = 512, .body_bytes = 256, .anonymous_body_bytes = 64};

void require(bool holds) {
  if (!holds) std::abort();
}

void look_at(const Request& request) {
  require(request.target.starts_with('/'));
  require(request.body.size() <=
          (request.authorization.empty() ? kLimits.anonymous_body_bytes : kLimits.body_bytes));
  require(request.target.size() + request.authorization.size() < kLimits.header_bytes);
}

// The first octet says in how large pieces.
std::vector<Request> requests_of(std::string_view octets, std::size_t piece) {
  RequestParser parser(kLimits);
  std::vector<Request> requests;
  while (!octets.empty()) {
    const std::size_t size = std::min(piece, octets.size());
    parser.add(octets.substr(0, size));
    octets.remove_prefix(size);
    Progress progress = Progress::kNothing;
    while ((progress = parser.run()) == Progress::kComplete) {
      requests.push_back(parser.take());
      look_at(requests.back());
    }
    parser.take_expectation();
    require(parser.body_size() <= kLimits.body_bytes);
    if (progress != Progress::kRefused) continue;
    require(parser.refusal().status >= 400 && !parser.refusal().error.code.empty());
    break;
  }
  return requests;
}

bool same(const Request& a, const Request& b) {
  return a.method == b.method && a.target == b.target && a.authorization == b.authorization &&
         a.body == b.body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Above this, a line of a chunk is refused or not by how much of it came at once.
  if (size < 1 || size > 4096) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = requests_of(octets, octets.size());
  const auto pieces = requests_of(octets, std::size_t{data[0]} % 64 + 1);
  require(std::ranges::equal(whole, pieces, same));
  for (const Request& request : whole) {
    const auto text = emit(request, "h");
    if (!text) continue;  // an Authorization may hold a tab
    RequestParser parser({.header_bytes = 2048, .body_bytes = 256, .anonymous_body_bytes = 64});
    parser.add(*text);
    require(parser.run() == Progress::kComplete);
    require(same(parser.take(), request) && parser.waiting() == 0);
  }
  return 0;
}
