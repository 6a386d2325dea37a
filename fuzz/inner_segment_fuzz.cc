// Any virtio header before any packet: what is split are whole segments that lie in the buffer and
// add up to the packet.

// fuzzes: layer/inner/offload.h
#include "layer/inner/segment.h"

#include <cstdlib>
#include <vector>

#include "layer/inner/offload.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entresol;
  using namespace entresol::layer::inner;
  if (size <= kVnetHeader) return 0;
  const base::ByteView header(data, kVnetHeader);
  std::vector<std::uint8_t> buffer(Segmenter::kHeadroom);
  buffer.insert(buffer.end(), data + kVnetHeader, data + size);
  const base::MutableBytes packet = base::MutableBytes(buffer).subspan(Segmenter::kHeadroom);
  IpPacket ip;
  Offload offload;
  if (parse(packet, ip, HeaderChecksum::kTrust) != base::DropReason::none) return 0;
  if (parse(header, ip, offload) != base::DropReason::none) return 0;
  const std::size_t headers =
      ip.header_length + (offload.gso == Gso::kNone ? 0u : ip.l4_header_length);
  const std::size_t expected = packet.size() - headers;
  const auto checksums =
      (data[2] & 1) != 0 ? Segmenter::Checksums::kFinish : Segmenter::Checksums::kOctet;
  Segmenter segmenter;
  if (segmenter.start(packet, ip, offload, checksums) != base::DropReason::none) return 0;
  const std::size_t count = segmenter.count();
  const bool whole = ip.has_options;
  std::size_t segments = 0;
  std::size_t payload = 0;
  Segment segment;
  while (segmenter.next(segment)) {
    const std::uint8_t* begin = segment.plaintext.data();
    if (begin < buffer.data()) std::abort();
    if (begin + segment.plaintext.size() > buffer.data() + buffer.size()) std::abort();
    wire::SealedPrefix prefix;
    if (wire::SealedPrefix::parse(segment.plaintext, prefix) != base::DropReason::none)
      std::abort();
    const std::size_t repeated = prefix.size() + headers - (whole ? 0u : ip.header_length);
    if (segment.plaintext.size() < repeated) std::abort();
    payload += segment.plaintext.size() - repeated;
    ++segments;
  }
  if (segments != count || payload != expected) std::abort();
  return 0;
}
