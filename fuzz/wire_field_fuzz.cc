// An HTTP field that is accepted gives a packet; the packet's own field is another text perhaps,
// but the same packet, and the same text from then on. The input is field, line feed, body.
// fuzzes: wire/structured_field.h
#include "wire/structured_field.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace entresol;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_field(std::string_view text, base::ByteView body) {
  base::Bytes packet;
  if (!wire::parse_field(text, body, packet).ok()) return;
  wire::HeaderView view;
  require(wire::HeaderView::parse(packet, view) == base::DropReason::none);
  const wire::FieldMessage message = wire::to_field(view);
  require(std::equal(message.body.begin(), message.body.end(), body.begin(), body.end()));
  base::Bytes again;
  require(wire::parse_field(message.field, message.body, again).ok() && again == packet);
  require(wire::HeaderView::parse(again, view) == base::DropReason::none);
  require(wire::to_field(view).field == message.field);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint8_t* end = std::find(data, data + size, std::uint8_t{'\n'});
  const std::string_view text(reinterpret_cast<const char*>(data),
                              static_cast<std::size_t>(end - data));
  check_field(text, end == data + size ? base::ByteView() : base::ByteView(end + 1, data + size));
  if (const auto name = wire::name_from_text(text)) {
    require(wire::name_from_text(wire::to_string(*name)) == name);
  }
  return 0;
}
