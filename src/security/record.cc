#include "security/record.h"

#include "crypto/hash.h"
#include "crypto/secret.h"

namespace entresol::security {

static_assert(kNativeRecordHeader == wire::kRecordHeaderSize && kRecordTag == wire::kTagSize &&
              kNativeMaxRecords == wire::kRecordsPerKey && kReplayWindow == wire::kReplayWindow);

LaneKey derive_lane(std::span<const std::uint8_t, 32> secret, crypto::AeadSuite suite,
                    std::uint8_t lane) {
  static constexpr char kLabel[] = "entresol lane";
  std::array<std::uint8_t, sizeof kLabel> input;  // the label without its final zero, and the lane
  std::memcpy(input.data(), kLabel, sizeof kLabel - 1);
  input.back() = lane;
  const auto outputs = crypto::hkdf_blake2s<2>(secret, input);
  LaneKey key{crypto::Aead(suite, outputs[0]), {}};
  std::copy_n(outputs[1].begin(), key.iv.size(), key.iv.begin());
  return key;
}

}  // namespace entresol::security
