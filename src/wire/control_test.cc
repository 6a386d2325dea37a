#include "wire/control.h"

#include <gtest/gtest.h>

#include "wire/sample_packets.h"

namespace entresol::wire {
namespace {

using base::DropReason;

HeaderView view_of(const base::Bytes& packet) {
  HeaderView view;
  EXPECT_EQ(HeaderView::parse(packet, view), DropReason::none);
  return view;
}

DropReason reason_of(const base::Bytes& payload) {
  ControlView view;
  return ControlView::parse(payload, view);
}

// An error of this type with the text "no" and a quote of this many octets.
base::Bytes error(std::uint8_t type, std::size_t quoted) {
  base::Bytes quote = sample::sealed_packet();
  quote.resize(quoted);
  return sample::join({{type, 0, 0, static_cast<std::uint8_t>(3 + quoted)},
                       sample::hex("00000000 02 6e6f"),
                       quote});
}

TEST(Control, ErrorAsTheDiagramHasIt) {
  const base::Bytes packet = sample::sealed_packet();
  const base::Bytes payload = emit_error(ControlType::too_big, 1372, "small link", view_of(packet));
  EXPECT_EQ(payload, sample::join({sample::hex("04 00 004b 0000055c 0a 736d616c6c206c696e6b"),
                                   base::Bytes(packet.begin(), packet.begin() + 64)}));
  ControlView view;
  ASSERT_EQ(ControlView::parse(payload, view), DropReason::none);
  EXPECT_TRUE(view.known());
  EXPECT_TRUE(view.error());
  EXPECT_EQ(view.type(), ControlType::too_big);
  EXPECT_EQ(view.info(), 1372u);
  EXPECT_EQ(view.text(), "small link");
  const Quote quote = view.quote();
  EXPECT_EQ(quote.octets().size(), 64u);
  EXPECT_EQ(quote.next_protocol(), 3);
  EXPECT_EQ(quote.layer(), 0xabcdef01u);
  EXPECT_EQ(quote.service(), 1u);
  EXPECT_EQ(quote.flow_id(), 0x12345678u);
  EXPECT_EQ(quote.inner_protocol(), 6);
  EXPECT_EQ(quote.inner_flags(), kInnerOpener);
  EXPECT_EQ(quote.responder_port(), 443);
  EXPECT_EQ(quote.source(), view_of(packet).source());
  EXPECT_EQ(quote.destination(), view_of(packet).destination());
  ASSERT_TRUE(quote.session());
  EXPECT_EQ(*quote.session(), (SessionHeader{{0x01020325}, 7}));
}

TEST(Control, EchoAsTheTableHasIt) {
  const base::Bytes request = emit_echo(ControlType::echo_request, 0x1234, 2, sample::hex("cafe"));
  EXPECT_EQ(request, sample::hex("10 00 0002 12340002 cafe"));
  ControlView view;
  ASSERT_EQ(ControlView::parse(request, view), DropReason::none);
  EXPECT_FALSE(view.error());
  EXPECT_EQ(view.echo_identifier(), 0x1234);
  EXPECT_EQ(view.echo_sequence(), 2);
  EXPECT_EQ(emit_echo_reply(view), sample::hex("11 00 0002 12340002 cafe"));
  EXPECT_EQ(emit_echo(ControlType::echo_request, 0, 0, base::Bytes(70000)).size(), kPayloadMaximum);
}

TEST(Control, TheMessageEndsWithItsBody) {
  base::Bytes payload = sample::hex("10 00 0002 00000000 cafe");
  EXPECT_EQ(reason_of(payload), DropReason::none);
  payload.push_back(0);
  EXPECT_EQ(reason_of(payload), DropReason::control_malformed);
  payload.resize(9);
  EXPECT_EQ(reason_of(payload), DropReason::control_malformed);
  EXPECT_EQ(reason_of(sample::hex("10 00 0000 000000")), DropReason::control_malformed);
  EXPECT_EQ(reason_of({}), DropReason::control_malformed);
}

TEST(Control, TypesOfTheTable) {
  for (unsigned type = 0; type < 256; ++type) {
    const bool error_type = (type >= 1 && type <= 9 && type != 7);
    const bool assigned = error_type || type == 16 || type == 17 || type == 32 || type == 33;
    base::Bytes payload = error(static_cast<std::uint8_t>(type), 56);
    if (type == 32) payload = emit_lookup(1, LookupKind::label, sample::hex("61"));
    if (type == 33) payload = emit_answer(1, AnswerKind::unknown, {}, {});
    ControlView view;
    EXPECT_EQ(ControlView::parse(payload, view),
              assigned || type >= 128 ? DropReason::none : DropReason::control_malformed)
        << type;
    if (assigned || type >= 128) {
      EXPECT_EQ(view.known(), type < 128);
      EXPECT_EQ(view.error(), error_type);
    }
  }
}

TEST(Control, LookupAsTheTableHasIt) {
  const base::Bytes label = emit_lookup(0x01020304, LookupKind::label, sample::hex("626f62"));
  EXPECT_EQ(label, sample::hex("20 00 0004 01020304 03 626f62"));
  ControlView view;
  ASSERT_EQ(ControlView::parse(label, view), DropReason::none);
  EXPECT_EQ(view.info(), 0x01020304u);
  EXPECT_EQ(view.lookup_kind(), LookupKind::label);
  EXPECT_EQ(view.lookup_key().size(), 3u);
  for (const char* body : {"", "00", "0464", "03", "0264400001ff", "02644000", "01fd35", "03ff"}) {
    const base::Bytes octets = sample::hex(body);
    EXPECT_EQ(reason_of(sample::join({{32, 0, 0, static_cast<std::uint8_t>(octets.size())},
                                      sample::hex("00000000"),
                                      octets})),
              DropReason::control_malformed)
        << body;
  }
  EXPECT_EQ(reason_of(emit_lookup(1, LookupKind::label, base::Bytes(64, 'a'))),
            DropReason::control_malformed);
  EXPECT_EQ(reason_of(emit_lookup(1, LookupKind::label, base::Bytes(63, 'a'))), DropReason::none);
}

TEST(Control, AnswerAsTheTableHasIt) {
  const base::Bytes member =
      emit_answer(5, AnswerKind::member, sample::hex("aabb"), sample::hex("cc"));
  EXPECT_EQ(member, sample::hex("21 00 0006 00000005 01 0002 aabb cc"));
  ControlView view;
  ASSERT_EQ(ControlView::parse(member, view), DropReason::none);
  EXPECT_EQ(view.answer_kind(), AnswerKind::member);
  EXPECT_EQ(view.answer_first().size(), 2u);
  EXPECT_EQ(view.answer_second().size(), 1u);
  const base::Bytes name = emit_answer(5, AnswerKind::name, sample::hex("aabb"), sample::hex("cc"));
  EXPECT_EQ(name, sample::hex("21 00 0006 00000005 03 0002 aabb cc"));
  ASSERT_EQ(ControlView::parse(name, view), DropReason::none);
  EXPECT_EQ(view.answer_kind(), AnswerKind::name);
  EXPECT_EQ(view.answer_first().size(), 2u);
  EXPECT_EQ(view.answer_second().size(), 1u);
  const base::Bytes placed =
      emit_answer(5, AnswerKind::placed_guest, sample::hex("aabb"), sample::hex("cc"));
  EXPECT_EQ(placed, sample::hex("21 00 0006 00000005 04 0002 aabb cc"));
  ASSERT_EQ(ControlView::parse(placed, view), DropReason::none);
  EXPECT_EQ(view.answer_first().size(), 2u);
  EXPECT_EQ(view.answer_second().size(), 1u);
  const base::Bytes guest = emit_answer(5, AnswerKind::guest, sample::hex("aabb"), {});
  ASSERT_EQ(ControlView::parse(guest, view), DropReason::none);
  EXPECT_EQ(view.answer_first().size(), 2u);
  EXPECT_TRUE(view.answer_second().empty());
  for (const char* body : {"", "0000", "01", "0100", "010001", "02", "03", "0300", "030001", "04",
                           "0400", "040001", "05aa"}) {
    const base::Bytes octets = sample::hex(body);
    EXPECT_EQ(reason_of(sample::join({{33, 0, 0, static_cast<std::uint8_t>(octets.size())},
                                      sample::hex("00000000"),
                                      octets})),
              DropReason::control_malformed)
        << body;
  }
}

TEST(Control, CodeIsZero) {
  for (std::uint8_t type : base::Bytes{1, 16, 128}) {
    base::Bytes payload = error(type, 56);
    payload[1] = 1;
    EXPECT_EQ(reason_of(payload), DropReason::control_malformed) << int{type};
  }
}

TEST(Control, TextAndQuoteAreThere) {
  EXPECT_EQ(reason_of(error(1, 56)), DropReason::none);
  EXPECT_EQ(reason_of(error(1, 55)), DropReason::control_malformed);
  EXPECT_EQ(reason_of(sample::hex("01 00 0000 00000000")), DropReason::control_malformed);
  EXPECT_EQ(reason_of(sample::hex("01 00 0001 00000000 00")), DropReason::control_malformed);
  EXPECT_EQ(reason_of(sample::hex("01 00 0002 00000000 02 41")), DropReason::control_malformed);
  base::Bytes payload = error(1, 56);
  payload[8] = 3;  // takes one octet from the quote
  EXPECT_EQ(reason_of(payload), DropReason::control_malformed);
  payload = error(1, 57);
  payload[8] = 3;
  EXPECT_EQ(reason_of(payload), DropReason::none);
}

TEST(Control, TextIsUtf8) {
  base::Bytes payload = error(1, 56);
  payload[9] = 0xff;
  EXPECT_EQ(reason_of(payload), DropReason::control_malformed);
  payload[9] = 0xc3;
  payload[10] = 0xa9;
  EXPECT_EQ(reason_of(payload), DropReason::none);
}

TEST(Control, LongTextIsCutBetweenCharacters) {
  const base::Bytes packet = sample::sealed_packet();
  std::string text(254, 'x');
  text += "\u00e9";  // octets 254 and 255
  const base::Bytes payload = emit_error(ControlType::no_route, 0, text, view_of(packet));
  ControlView view;
  ASSERT_EQ(ControlView::parse(payload, view), DropReason::none);
  EXPECT_EQ(view.text(), std::string(254, 'x'));
}

TEST(Control, QuoteHoldsTheOptionsAndEightOctetsMore) {
  const base::Bytes packet = sample::with_options(sample::hex("04 01 80 04 01020304"), 0x10);
  const base::Bytes payload =
      emit_error(ControlType::critical_option_unknown, 0x401, "", view_of(packet));
  ControlView view;
  ASSERT_EQ(ControlView::parse(payload, view), DropReason::none);
  EXPECT_EQ(view.quote().octets().size(), 72u);
  EXPECT_EQ(*view.quote().session(), (SessionHeader{{0x01020325}, 7}));
}

TEST(Control, AShortQuoteHasNoSession) {
  for (std::size_t quoted : {56, 63}) {
    const base::Bytes payload = error(8, quoted);
    ControlView view;
    ASSERT_EQ(ControlView::parse(payload, view), DropReason::none);
    EXPECT_FALSE(view.quote().session());
  }
  // A quote that lies about its header's length.
  for (std::uint8_t length : base::Bytes{0, 13, 15, 255}) {
    base::Bytes payload = error(8, 64);
    payload[8 + 3 + offset::kHeaderLength] = length;
    ControlView view;
    ASSERT_EQ(ControlView::parse(payload, view), DropReason::none);
    EXPECT_FALSE(view.quote().session()) << int{length};
  }
}

TEST(Control, ErrorsAreNotReported) {
  EXPECT_TRUE(may_report(view_of(sample::sealed_packet())));
  Header header;
  header.next_protocol = next_protocol::kControl;
  const std::pair<base::Bytes, bool> cases[] = {{{}, false},   {{0}, false}, {{1}, false},
                                                {{15}, false}, {{16}, true}, {{200}, true}};
  for (const auto& [payload, expected] : cases) {
    const base::Bytes packet = emit_packet(header, payload);
    EXPECT_EQ(may_report(view_of(packet)), expected);
  }
}

TEST(Control, EmitAndParse) {
  EXPECT_TRUE(rc::check([](std::uint32_t info) {
    const sample::Packet offending = sample::any_packet();
    const base::Bytes packet = emit_packet(offending.header, offending.payload);
    HeaderView header;
    RC_ASSERT(HeaderView::parse(packet, header) == DropReason::none);
    const auto type = *rc::gen::element(ControlType::no_route, ControlType::unknown_service,
                                        ControlType::refused_by_rule, ControlType::session_unknown);
    const auto text = *rc::gen::container<std::string>(rc::gen::inRange('\x01', '\x7f'));
    const base::Bytes payload = emit_error(type, info, text, header);
    ControlView view;
    RC_ASSERT(ControlView::parse(payload, view) == DropReason::none);
    RC_ASSERT(view.type() == type);
    RC_ASSERT(view.info() == info);
    RC_ASSERT(view.text() == text.substr(0, 255));
    const std::size_t quoted =
        header.header_size() + std::min<std::size_t>(8, header.payload_size());
    RC_ASSERT(sample::copy(view.quote().octets()) == sample::copy(header.packet().first(quoted)));
    RC_ASSERT(view.quote().source() == offending.header.source);
    RC_ASSERT(view.quote().destination() == offending.header.destination);
    RC_ASSERT(view.quote().flow_id() == offending.header.flow_id);
    RC_ASSERT(view.quote().service() == offending.header.service);
    RC_ASSERT(view.quote().session().has_value() ==
              (offending.header.next_protocol == next_protocol::kSealed));
  }));
}

}  // namespace
}  // namespace entresol::wire
