// Opening what was never sealed with the key: it must not succeed, and must not touch anything
// beyond the datagram. The first octet chooses the kind of record.
// fuzzes: security/record.h
#include <cstdlib>

#include "security/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entresol;
  using namespace entresol::security;
  if (size < 1) return 0;
  const std::array<std::uint8_t, 32> secret{1, 2, 3};
  const auto suite =
      (data[0] & 1) != 0 ? crypto::AeadSuite::kAes256Gcm : crypto::AeadSuite::kChaCha20Poly1305;
  ReceiveLane lane{derive_lane(secret, suite, data[0]), {}};
  base::Bytes datagram(data + 1, data + size);
  std::size_t n = 0;
  base::DropReason reason = base::DropReason::none;
  if ((data[0] & 6) == 0) {
    if (datagram.size() < 4) return 0;
    const std::uint32_t sequence = base::load_be32(datagram.data());
    reason = open_session(lane, sequence, base::ByteView(data, 1), datagram.data() + 4,
                          datagram.size() - 4);
  } else {
    const Protocol protocol = (data[0] & 2) != 0 ? Protocol::kNative : Protocol::kWireGuard;
    reason = record_header_ok(protocol, datagram.data(), datagram.size());
    if (reason != base::DropReason::none) return 0;
    reason = protocol == Protocol::kNative
                 ? open_native_record(lane, datagram.data(), datagram.size(), n)
                 : open_wireguard_record(lane, datagram.data(), datagram.size(), n);
  }
  if (reason == base::DropReason::none) std::abort();
  return 0;
}
