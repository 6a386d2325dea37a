// Any text as a join token, as an Authorization header and as a revision: what parses has this text only, and is proof of
// nothing.
// fuzzes: layer/directory/token.h
// fuzzes: layer/directory/request.h
// fuzzes: layer/directory/revision.h
#include "layer/directory/token.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "layer/directory/base64url.h"
#include "layer/directory/request.h"
#include "layer/directory/revision.h"

namespace {

using namespace entresol;
using namespace entresol::layer::directory;

void require(bool holds) {
  if (!holds) std::abort();
}

void token(std::string_view text) {
  const auto parsed = parse_token(text);
  if (!parsed) return;
  const auto again = emit_token(*parsed);
  require(again.has_value() && text.find(*again) != std::string_view::npos);
  require(*parse_token(*again) == *parsed);
}

void header(std::string_view text) {
  const auto proof = parse_authorization(text);
  if (!proof) return;
  require(emit_authorization(*proof) == text);
  static const auto key = crypto::ed25519_keypair(std::array<std::uint8_t, 32>{1, 2, 3});
  require(!check(*proof, {"GET", "/", {}}, {}, key.public_key, 1'700'000'000));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  token(text);
  header(text);
  if (const auto revision = parse_revision(text)) require(to_text(*revision) == text);
  // Most mutations of a text end at its base64: the same octets from behind it.
  const base::ByteView octets(data, size);
  token(std::string(kTokenPrefix) + to_base64url(octets));
  header("Entresol " + base::to_base64(octets));
  return 0;
}
