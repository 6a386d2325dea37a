#include "wire/session.h"

#include <gtest/gtest.h>

#include "wire/sample_packets.h"

namespace entresol::wire {
namespace {

using base::DropReason;

LayerId layer_id() {
  LayerId id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(0xe0 + i);
  id[0] = 0xab;
  id[1] = 0xcd;
  id[2] = 0xef;
  id[3] = 0x01;
  return id;
}

HeaderView view_of(const base::Bytes& packet) {
  HeaderView view;
  EXPECT_EQ(HeaderView::parse(packet, view), DropReason::none);
  return view;
}

// Row by row as the table of section 5 has it, for sample::sealed_packet().
base::Bytes canonical_form() {
  return sample::hex(
      "01 03 06 01 01bb 0000"
      "abcdef01e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
      "00000001 12345678 01020325 00000007"
      "fd35abcd000102030405060708090a0b"
      "fd35abcdf0f1f2f3f4f5f6f7f8f9fafb");
}

TEST(Session, FieldsAreWhereTheDiagramHasThem) {
  const base::Bytes packet = sample::sealed_packet();
  SessionView view;
  ASSERT_EQ(SessionView::parse(view_of(packet).payload(), view), DropReason::none);
  EXPECT_EQ(view.id().index(), 0x010203u);
  EXPECT_EQ(view.id().lane(), 0x25);
  EXPECT_EQ(view.sequence(), 7u);
  EXPECT_EQ(base::to_hex(view.sealed()), "a1a2000102030405060708090a0b0c0d0e0f");
  std::array<std::uint8_t, kSessionHeaderSize> octets;
  view.header().emit(octets.data());
  EXPECT_EQ(base::to_hex(octets), "0102032500000007");
}

TEST(Session, TooShort) {
  SessionView view;
  EXPECT_EQ(SessionView::parse(base::Bytes(25), view), DropReason::header_truncated);
  EXPECT_EQ(SessionView::parse(base::Bytes(26), view), DropReason::none);
}

TEST(Canonical, IsAsTheTableHasIt) {
  const base::Bytes packet = sample::sealed_packet();
  const HeaderView view = view_of(packet);
  EXPECT_EQ(wire_layer(layer_id()), view.layer());
  CanonicalForm form(layer_id(), view);
  form.set({{0x01020325}, 7});
  EXPECT_EQ(base::to_hex(form.octets()), base::to_hex(canonical_form()));
  CanonicalForm from_value(layer_id(), Header::from(view));
  from_value.set_id({0x01020325});
  from_value.set_sequence(7);
  EXPECT_EQ(base::to_hex(from_value.octets()), base::to_hex(canonical_form()));
}

TEST(Canonical, HoldsEndToEndOptionsAndNoOthers) {
  const base::Bytes packet = sample::with_options(
      sample::hex("01 01 20 05 a1a2a3a4a5000000  02 02 80 00  03 03 40 04 01020304  07 07 a0 00"),
      0x84);
  const HeaderView view = view_of(packet);
  EXPECT_TRUE(has_end_to_end_options(view));
  std::array<std::uint8_t, kCanonicalMaximum> octets;
  const std::size_t size = emit_canonical(layer_id(), view, {{0x01020325}, 7}, octets.data());
  EXPECT_EQ(base::to_hex({octets.data(), size}),
            base::to_hex(canonical_form()) + "01012005a1a2a3a4a5000000" + "0707a000");
}

TEST(Canonical, LeavesOutWhatMayChangeOnTheWay) {
  base::Bytes packet = sample::with_options(sample::hex("03 03 40 04 01020304  05 01 80 00"), 0x20);
  std::array<std::uint8_t, kCanonicalMaximum> octets;
  EXPECT_FALSE(has_end_to_end_options(view_of(packet)));
  std::size_t size = emit_canonical(layer_id(), view_of(packet), {{0x01020325}, 7}, octets.data());
  EXPECT_EQ(base::to_hex({octets.data(), size}), base::to_hex(canonical_form()));
  set_ttl(packet.data(), 3);
  set_traffic_class(packet.data(), 0xff);
  packet[60] = 0x77;  // the mutable option's value
  size = emit_canonical(layer_id(), view_of(packet), {{0x01020325}, 7}, octets.data());
  EXPECT_EQ(base::to_hex({octets.data(), size}), base::to_hex(canonical_form()));
}

TEST(Canonical, DependsOnEveryOtherField) {
  const base::Bytes packet = sample::sealed_packet();
  std::array<std::uint8_t, kCanonicalMaximum> octets;
  for (std::size_t at = 0; at < kHeaderSize; ++at) {
    base::Bytes other = packet;
    other[at] ^= at == offset::kInnerFlags ? 2 : 0x04;
    HeaderView view;
    if (HeaderView::parse(other, view) != DropReason::none) continue;
    const std::size_t size = emit_canonical(layer_id(), view, {{0x01020325}, 7}, octets.data());
    const bool same =
        base::Bytes(octets.begin(), octets.begin() + static_cast<long>(size)) == canonical_form();
    // The layer's full id stands in the form, not the packet's 32 bits of it.
    const bool left_out = at == offset::kTtl || at == offset::kTrafficClass ||
                          (at >= offset::kLayer && at < offset::kService);
    EXPECT_EQ(same, left_out) << at;
  }
}

TEST(Canonical, BuildersAgree) {
  EXPECT_TRUE(rc::check([](std::uint32_t id, std::uint32_t sequence) {
    Header header = sample::any_header(next_protocol::kSealed);
    for (Option& option : header.options) option.end_to_end = false;
    const base::Bytes packet = emit_packet(header, base::Bytes(kSealedMinimum));
    HeaderView view;
    RC_ASSERT(HeaderView::parse(packet, view) == DropReason::none);
    CanonicalForm from_view(layer_id(), view), from_value(layer_id(), header);
    from_view.set({{id}, sequence});
    from_value.set({{id}, sequence});
    std::array<std::uint8_t, kCanonicalMaximum> octets;
    const std::size_t size = emit_canonical(layer_id(), view, {{id}, sequence}, octets.data());
    RC_ASSERT(base::to_hex(from_view.octets()) == base::to_hex({octets.data(), size}));
    RC_ASSERT(base::to_hex(from_value.octets()) == base::to_hex({octets.data(), size}));
  }));
}

DropReason prefix_reason(std::string_view hex) {
  SealedPrefix prefix;
  return SealedPrefix::parse(sample::hex(hex), prefix);
}

// Every pair of octets, against the rules of section 5 as they read.
TEST(SealedPrefix, EveryPairOfOctets) {
  for (unsigned offload = 0; offload < 256; ++offload) {
    for (unsigned inner = 0; inner < 256; ++inner) {
      const bool id = inner & 0x10, whole = inner & 0x20, dont_fragment = inner & 0x40;
      const unsigned version = inner & 0x0f;
      const bool good = offload <= 1 && !(inner & 0x80) && (version == 4 || version == 6) &&
                        (version == 4 || (!id && !dont_fragment)) &&
                        id + whole + dont_fragment <= 1;
      base::Bytes octets{
          static_cast<std::uint8_t>(offload), static_cast<std::uint8_t>(inner), 1, 2, 3, 4};
      SealedPrefix prefix;
      ASSERT_EQ(SealedPrefix::parse(octets, prefix),
                good ? DropReason::none : DropReason::inside_malformed)
          << offload << " " << inner;
      if (!good) continue;
      EXPECT_EQ(prefix.checksum_unfinished, offload == 1);
      EXPECT_EQ(prefix.ip_version, version);
      EXPECT_EQ(prefix.size(), id ? 6u : 2u);
      EXPECT_EQ(prefix.identification, id ? 0x01020304u : 0u);
      base::Bytes again(prefix.size());
      prefix.emit(again.data());
      octets.resize(again.size());
      EXPECT_EQ(again, octets);
    }
  }
}

TEST(SealedPrefix, EndsTooEarly) {
  EXPECT_EQ(prefix_reason(""), DropReason::inside_malformed);
  EXPECT_EQ(prefix_reason("00"), DropReason::inside_malformed);
  EXPECT_EQ(prefix_reason("00 06"), DropReason::none);
  EXPECT_EQ(prefix_reason("00 14 000000"), DropReason::inside_malformed);
  EXPECT_EQ(prefix_reason("00 14 00004000"), DropReason::none);
}

}  // namespace
}  // namespace entresol::wire
