// Any octets as an IP packet: what parses travels, and is rebuilt, byte for byte (but for the
// identification of an atomic IPv4 packet, which is written anew). And any octets as the plaintext
// of a session record.

// fuzzes: layer/inner/ip.h
#include "layer/inner/ip.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "layer/inner/checksum.h"
#include "layer/inner/rebuild.h"

namespace {

using namespace entresol;
using namespace entresol::layer::inner;
using base::DropReason;

void require(bool holds) {
  if (!holds) std::abort();
}

// A plaintext with exactly the headroom that rebuild() asks for.
struct Plaintext {
  explicit Plaintext(base::ByteView bytes) : storage(kRebuildHeadroom + bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), storage.begin() + kRebuildHeadroom);
  }
  base::MutableBytes bytes() { return base::MutableBytes(storage).subspan(kRebuildHeadroom); }
  std::vector<std::uint8_t> storage;
};

MemberAddresses member_of(const IpPacket& ip, const Address& address) {
  MemberAddresses member;
  if (ip.version == 6) {
    member.ipv6 = address;
  } else {
    std::memcpy(member.ipv4.data(), address.data() + 12, 4);
  }
  return member;
}

void travel(base::ByteView packet, const IpPacket& ip) {
  const MemberAddresses from = member_of(ip, ip.source);
  const MemberAddresses to = member_of(ip, ip.destination);
  const bool addressless = ip.version == 4 && (from.ipv4 == std::array<std::uint8_t, 4>{} ||
                                               to.ipv4 == std::array<std::uint8_t, 4>{});
  Outside outside;
  outside.source = &from;
  outside.destination = &to;
  outside.flow_id = ip.flow_label;
  outside.responder_port = responder_port(ip, true);
  outside.protocol = ip.protocol;
  outside.ttl = ip.ttl;
  outside.traffic_class = ip.traffic_class;
  outside.opener = true;
  outside.fragment = ip.is_fragment;
  const InnerTravel form = choose_form(ip);
  std::vector<std::uint8_t> sealed(form.prefix.size());
  form.prefix.emit(sealed.data());
  sealed.insert(sealed.end(), packet.begin() + form.stays, packet.end());
  Plaintext plaintext(sealed);
  InsidePacket back;
  const auto id = static_cast<std::uint16_t>(ip.identification);
  const DropReason reason = rebuild(plaintext.bytes(), outside, id, back);
  if (addressless) return;
  require(reason == DropReason::none);
  require(back.bytes.size() == packet.size());
  std::vector<std::uint8_t> expected(packet.begin(), packet.end());
  if (ip.version == 4) write_ipv4_checksum(expected.data(), (expected[0] & 0x0fu) * 4u);
  require(std::memcmp(back.bytes.data(), expected.data(), expected.size()) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> exact(data, data + size);  // a sanitizer sees what is read beyond
  IpPacket ip;
  if (parse(exact, ip) == DropReason::none) {
    require(ip.header_length + ip.l4_header_length <= size);
    (void)checksum_valid(ip);
    travel(exact, ip);
  } else if (size != 0 && parse(exact, ip, HeaderChecksum::kTrust) == DropReason::none) {
    (void)checksum_valid(ip);
  }
  (void)parse_start(exact, ip);

  if (size < 8) return 0;
  MemberAddresses member;
  member.ipv4 = {100, 64, 0, 1};
  Outside outside;
  outside.source = outside.destination = &member;
  outside.responder_port = base::load_be16(data);
  outside.protocol = data[2];
  outside.ttl = data[3];
  outside.traffic_class = data[4];
  outside.opener = (data[5] & 1) != 0;
  outside.fragment = (data[5] & 2) != 0;
  Plaintext plaintext(base::ByteView(exact).subspan(6));
  InsidePacket inside;
  if (rebuild(plaintext.bytes(), outside, 1, inside) == DropReason::none) {
    require(parse(inside.bytes, ip) == DropReason::none);
  }
  return 0;
}
