// Every accessor of a control message that passes stays inside it; and an error about any packet
// that passes parses.
// fuzzes: wire/control.h
// fuzzes: wire/utf8.h
#include "wire/control.h"

#include <cstdlib>

#include "wire/utf8.h"

namespace {

using namespace entresol;

void require(bool holds) {
  if (!holds) std::abort();
}

base::ByteView octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void read_message(base::ByteView payload) {
  wire::ControlView view;
  if (wire::ControlView::parse(payload, view) != base::DropReason::none) return;
  require(view.body().size() + wire::kControlHeaderSize == payload.size());
  if (!view.error()) {
    const base::Bytes reply = wire::emit_echo_reply(view);
    require(std::equal(reply.begin() + 4, reply.end(), payload.begin() + 4, payload.end()));
    return;
  }
  const wire::Quote quote = view.quote();
  require(1 + view.text().size() + quote.octets().size() == view.body().size());
  require(wire::is_utf8(octets_of(view.text())));
  std::uint64_t sum = quote.layer() + quote.service() + quote.flow_id() + quote.inner_protocol() +
                      quote.inner_flags() + quote.responder_port() + quote.source().octets[15] +
                      quote.destination().octets[15];
  if (quote.session()) sum += quote.session()->sequence;
  asm volatile("" : : "r"(sum));  // keeps the reads
}

// The input as a packet that is reported, with some of its own octets as text.
void report(base::ByteView packet) {
  wire::HeaderView offending;
  if (wire::HeaderView::parse(packet, offending) != base::DropReason::none) return;
  const base::ByteView words = packet.first(std::min<std::size_t>(packet.size(), 300));
  const std::string_view text =
      wire::is_utf8(words)
          ? std::string_view(reinterpret_cast<const char*>(words.data()), words.size())
          : std::string_view("text");
  const base::Bytes payload = wire::emit_error(wire::ControlType::no_route, 0, text, offending);
  wire::ControlView view;
  require(wire::ControlView::parse(payload, view) == base::DropReason::none);
  require(text.starts_with(view.text()));
  require(view.quote().source() == offending.source());
  require(view.quote().session().has_value() ==
          (offending.next_protocol() == wire::next_protocol::kSealed));
  (void)wire::may_report(offending);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_message({data, size});
  report({data, size});
  const base::ByteView input(data, size);
  if (wire::is_utf8(input)) require(wire::is_utf8(wire::utf8_prefix(input, size / 2)));
  return 0;
}
