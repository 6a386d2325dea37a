#include "layer/inner/rebuild.h"

#include <gtest/gtest.h>

#include "layer/inner/checksum.h"
#include "layer/inner/test_packets.h"

namespace entresol::layer::inner {
namespace {

using base::DropReason;
using test::Buffer;
using test::Bytes;
using test::Recipe;
using wire::InnerForm;

constexpr auto kNone = DropReason::none;
constexpr auto kMalformed = DropReason::inside_malformed;
constexpr auto kDiffers = DropReason::inside_differs;

class Rebuild : public ::testing::Test {
 protected:
  // What the sending end puts into the extension header.
  Outside outside_of(const IpPacket& ip) const {
    Outside o;
    o.source = &from_;
    o.destination = &to_;
    o.flow_id = 0xfff00000u | ip.flow_label;
    o.protocol = ip.protocol;
    o.ttl = ip.ttl;
    o.traffic_class = ip.traffic_class;
    o.opener = true;
    o.fragment = ip.is_fragment;
    o.responder_port = responder_port(ip, true);
    return o;
  }

  // The sealed plaintext of `packet`, in a buffer with room.
  static Bytes plaintext_of(const Bytes& packet, std::uint8_t offload = 0) {
    IpPacket ip;
    EXPECT_EQ(parse(packet, ip), kNone);
    InnerTravel travel = choose_form(ip);
    travel.prefix.checksum_unfinished = offload != 0;
    Bytes out(travel.prefix.size());
    travel.prefix.emit(out.data());
    out.insert(out.end(), packet.begin() + travel.stays, packet.end());
    return out;
  }

  DropReason rebuild(const Bytes& plaintext, const Outside& outside, Bytes* packet = nullptr) {
    Buffer buffer(plaintext);
    InsidePacket out;
    const DropReason reason = inner::rebuild(buffer.bytes(), outside, 0x7777, out);
    if (reason == kNone && packet != nullptr) packet->assign(out.bytes.begin(), out.bytes.end());
    if (reason == kNone) {
      IpPacket again;
      EXPECT_EQ(parse(out.bytes, again), kNone) << "what is rebuilt is a right packet";
      EXPECT_EQ(again.ttl, out.ip.ttl);
      EXPECT_EQ(again.traffic_class, out.ip.traffic_class);
    }
    return reason;
  }

  DropReason rebuild_packet(const Bytes& packet, void (*change)(Outside&), Bytes* out = nullptr) {
    IpPacket ip;
    EXPECT_EQ(parse(packet, ip), kNone);
    Outside outside = outside_of(ip);
    change(outside);
    return rebuild(plaintext_of(packet), outside, out);
  }

  MemberAddresses from_ = test::member(1);
  MemberAddresses to_ = test::member(2);
};

void unchanged(Outside&) {}

TEST_F(Rebuild, FormsFollowSection6) {
  Recipe r;
  IpPacket ip;
  const auto form = [&](const Recipe& recipe) {
    const Bytes packet = test::build(recipe);
    EXPECT_EQ(parse(packet, ip), kNone);
    return choose_form(ip);
  };
  EXPECT_EQ(form(r).prefix.form, InnerForm::payload_dont_fragment);
  EXPECT_EQ(form(r).stays, 20);
  r.fragment = 0;
  r.identification = 0xabcd;
  EXPECT_EQ(form(r).prefix.form, InnerForm::payload_behind_id);
  EXPECT_EQ(form(r).prefix.identification, 0xabcd0000u);
  EXPECT_EQ(form(r).stays, 20);
  r.fragment = 0xc000;
  EXPECT_EQ(form(r).prefix.form, InnerForm::payload_behind_id) << "a reserved flag can only travel";
  r.fragment = 0x4000;
  r.ip_options = {1, 1, 1, 1};
  EXPECT_EQ(form(r).prefix.form, InnerForm::whole_packet);
  EXPECT_EQ(form(r).stays, 0);
  Recipe six;
  six.version = 6;
  EXPECT_EQ(form(six).prefix.form, InnerForm::payload);
  EXPECT_EQ(form(six).prefix.ip_version, 6);
  EXPECT_EQ(form(six).stays, 40);
  six.extension = {6, 0, 1, 4, 0, 0, 0, 0};
  six.extension_first = 60;
  EXPECT_EQ(form(six).prefix.form, InnerForm::whole_packet);
}

TEST_F(Rebuild, GivesBackEveryPacket) {
  test::Random random(5);
  for (int i = 0; i < 3000; ++i) {
    Recipe r;
    r.version = i % 2 ? 6 : 4;
    const std::uint8_t protocols[] = {6, 17, 1, 58, 47, 136};
    r.protocol = protocols[test::below(random, 6)];
    r.ttl = static_cast<std::uint8_t>(1 + test::below(random, 255));
    r.traffic_class = static_cast<std::uint8_t>(random());
    r.flow_label = static_cast<std::uint32_t>(random() & 0xfffff);
    const std::uint16_t fragments[] = {0x4000, 0, 0x8000, 0x2000, 0x0004, 0x2005};
    r.fragment = fragments[test::below(random, 6)];
    r.identification = r.fragment == 0x4000 ? 0x7777 : static_cast<std::uint16_t>(random());
    if (i % 7 == 0) r.ip_options = {1, 1, 1, 0};
    if (i % 5 == 0) {
      r.extension = {r.protocol, 0, 1, 4, 0, 0, 0, 0};
      r.extension_first = 60;
    }
    const std::size_t fill = r.protocol == kProtocolTcp ? 4 : 0;  // fragments are multiples of 8
    r.payload = test::random_bytes(random, fill + 8 * (2 + test::below(random, 100)));
    const Bytes packet = test::build(r);
    Bytes back;
    ASSERT_EQ(rebuild_packet(packet, unchanged, &back), kNone) << i;
    ASSERT_EQ(back, packet) << i;
  }
}

TEST_F(Rebuild, TtlAndTrafficClassComeFromOutside) {
  for (const int version : {4, 6}) {
    for (const bool whole : {false, true}) {
      Recipe r;
      r.version = version;
      r.flow_label = 0x54321;
      if (whole) r.ip_options = {1, 1, 1, 1};
      if (whole) r.extension = {6, 0, 1, 4, 0, 0, 0, 0};
      r.extension_first = 60;
      Bytes back;
      const auto change = [](Outside& o) {
        o.ttl = 9;
        o.traffic_class = 0xa7;
      };
      ASSERT_EQ(rebuild_packet(test::build(r), change, &back), kNone);
      r.ttl = 9;
      r.traffic_class = 0xa7;
      r.identification = version == 4 && !whole ? 0x7777 : r.identification;
      EXPECT_EQ(back, test::build(r));
    }
  }
}

TEST_F(Rebuild, IllegalFormsAndOffloads) {
  IpPacket ip;
  const Bytes packet = test::build({});
  ASSERT_EQ(parse(packet, ip), kNone);
  const Outside outside = outside_of(ip);
  Bytes plain = plaintext_of(packet);
  for (int form = 0; form < 256; ++form) {
    plain[1] = static_cast<std::uint8_t>(form);
    const bool legal = form == 0x44 || form == 0x14 || form == 0x24 || form == 0x06 || form == 0x26;
    if (legal) continue;
    EXPECT_EQ(rebuild(plain, outside), kMalformed) << form;
  }
  plain[1] = 0x44;
  EXPECT_EQ(rebuild(plain, outside), kNone);
  for (int offload = 2; offload < 256; ++offload) {
    plain[0] = static_cast<std::uint8_t>(offload);
    EXPECT_EQ(rebuild(plain, outside), kMalformed) << offload;
  }
  for (std::size_t n = 0; n < 2; ++n) EXPECT_EQ(rebuild(Bytes(n, 0x44), outside), kMalformed);
  EXPECT_EQ(rebuild({0, 0x14, 1, 2, 3}, outside), kMalformed);
}

TEST_F(Rebuild, InsideMustMatchOutside) {
  for (const int version : {4, 6}) {
    for (const bool whole : {false, true}) {
      Recipe r;
      r.version = version;
      if (whole) r.ip_options = {1, 1, 1, 1};
      if (whole) r.extension = {6, 0, 1, 4, 0, 0, 0, 0};
      r.extension_first = 60;
      const Bytes packet = test::build(r);
      EXPECT_EQ(rebuild_packet(packet, unchanged), kNone);
      EXPECT_EQ(rebuild_packet(packet, [](Outside& o) { o.responder_port = 444; }), kDiffers);
      EXPECT_EQ(rebuild_packet(packet, [](Outside& o) { o.opener = false; }), kDiffers);
      EXPECT_EQ(rebuild_packet(packet,
                               [](Outside& o) {
                                 o.opener = false;
                                 o.responder_port = 1000;
                               }),
                kNone);
      EXPECT_EQ(rebuild_packet(packet, [](Outside& o) { o.fragment = true; }), kDiffers);
    }
  }
}

TEST_F(Rebuild, WholePacketMustHaveTheNamesAddressesAndProtocol) {
  for (const int version : {4, 6}) {
    Recipe r;
    r.version = version;
    r.ip_options = {1, 1, 1, 1};
    r.extension = {6, 0, 1, 4, 0, 0, 0, 0};
    r.extension_first = 60;
    EXPECT_EQ(rebuild_packet(test::build(r), [](Outside& o) { o.protocol = 17; }), kDiffers);
    r.source = 9;
    EXPECT_EQ(rebuild_packet(test::build(r), unchanged), kDiffers);
    r.source = 1;
    r.destination = 9;
    EXPECT_EQ(rebuild_packet(test::build(r), unchanged), kDiffers);
    r.destination = 2;
    Bytes plain = plaintext_of(test::build(r));
    IpPacket ip;
    const Bytes packet = test::build(r);
    ASSERT_EQ(parse(packet, ip), kNone);
    plain[1] ^= 2;  // 4 for 6 and 6 for 4
    EXPECT_EQ(rebuild(plain, outside_of(ip)), kDiffers);
  }
}

TEST_F(Rebuild, PortlessProtocolsHavePortZero) {
  Recipe r;
  r.protocol = 47;
  r.payload = Bytes(20, 1);
  EXPECT_EQ(rebuild_packet(test::build(r), unchanged), kNone);
  EXPECT_EQ(rebuild_packet(test::build(r), [](Outside& o) { o.responder_port = 1; }), kDiffers);
}

TEST_F(Rebuild, LaterFragmentsCarryTheFirstsPort) {
  Recipe r;
  r.fragment = 0x0003;
  const Bytes packet = test::build(r);
  EXPECT_EQ(rebuild_packet(packet, [](Outside& o) { o.responder_port = 443; }), kNone);
  EXPECT_EQ(rebuild_packet(packet, [](Outside& o) { o.fragment = false; }), kDiffers);
}

TEST_F(Rebuild, MemberWithoutIpv4AddressHasNoIpv4Packets) {
  const Bytes packet = test::build({});
  from_.ipv4 = {};
  EXPECT_EQ(rebuild_packet(packet, unchanged), kDiffers);
}

TEST_F(Rebuild, UnfinishedIsForTcpAndUdpOnly) {
  IpPacket ip;
  Recipe r;
  r.payload = Bytes(16, 1);
  for (const int protocol : {6, 17, 136, 47}) {
    r.protocol = static_cast<std::uint8_t>(protocol);
    const Bytes packet = test::build(r);
    ASSERT_EQ(parse(packet, ip), kNone);
    const auto expected = protocol == 6 || protocol == 17 ? kNone : kMalformed;
    EXPECT_EQ(rebuild(plaintext_of(packet, 1), outside_of(ip)), expected);
  }
  r.protocol = 17;
  r.fragment = 0x2000;
  const Bytes fragment = test::build(r);
  ASSERT_EQ(parse(fragment, ip), kNone);
  EXPECT_EQ(rebuild(plaintext_of(fragment, 1), outside_of(ip)), kMalformed);
  r.fragment = 0x4000;
  Bytes with_options = test::build(r);
  base::store_be16(with_options.data() + 24, 12);
  ASSERT_EQ(parse(with_options, ip), kNone);
  EXPECT_EQ(rebuild(plaintext_of(with_options, 1), outside_of(ip)), kMalformed);
}

TEST_F(Rebuild, ExtensionHeaderAsProtocolNeedsFormH) {
  Outside outside;
  outside.source = &from_;
  outside.destination = &to_;
  outside.protocol = 60;
  EXPECT_EQ(rebuild({0, 0x06, 6, 0, 1, 4, 0, 0, 0, 0}, outside), kMalformed);
}

}  // namespace
}  // namespace entresol::layer::inner
