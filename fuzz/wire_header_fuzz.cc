// A packet that passes all checks is said completely by its value: emitting it gives the same
// octets. Its HTTP field and canonical form exist, and a refused packet leaves the view alone.
// fuzzes: wire/header.h
// fuzzes: wire/option.h
#include "wire/header.h"
#include "wire/option.h"

#include <array>
#include <cstdlib>

#include "wire/session.h"
#include "wire/structured_field.h"

namespace {

using namespace entresol;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_canonical(const wire::HeaderView& view) {
  std::array<std::uint8_t, wire::kCanonicalMaximum> form;
  const std::size_t size = wire::emit_canonical({}, view, {{1}, 2}, form.data());
  require((size > wire::kCanonicalSize) == wire::has_end_to_end_options(view));
  wire::CanonicalForm cached({}, wire::Header::from(view));
  cached.set({{1}, 2});
  require(std::equal(cached.octets().begin(), cached.octets().end(), form.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  wire::HeaderView view;
  if (wire::HeaderView::parse(input, view) != base::DropReason::none) {
    require(view.packet().empty());
    return 0;
  }
  wire::Header header;
  base::ByteView payload;
  require(wire::Header::parse(input, header, payload) == base::DropReason::none);
  const base::Bytes again = wire::emit_packet(header, payload);
  require(std::equal(again.begin(), again.end(), data, data + size));
  check_canonical(view);
  const wire::FieldMessage message = wire::to_field(view);
  base::Bytes back;
  require(wire::parse_field(message.field, message.body, back).ok() && back == again);
  return 0;
}
