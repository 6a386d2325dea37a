#include "host/applications.h"

#include <cstring>

#include "layer/inner/segment.h"

namespace entresol::host {
namespace {

using layer::inner::Span;
using layer::member::LayerIndex;

constexpr std::size_t kHeadroom = 64;  // at least Segmenter::kHeadroom, and aligned
constexpr int kReadsPerRound = 64;
constexpr std::size_t kBytesPerFlush = 192 * 1024;
static_assert(kHeadroom >= layer::inner::Segmenter::kHeadroom);
static_assert(sizeof(io::VirtioNetHeader) == layer::inner::kVnetHeader);

}  // namespace

TunApplications::Device::Device(io::Tun opened)
    : tun(std::move(opened)),
      coalescer(layer::inner::CoalesceRules{.tcp = tun.offloads().tso, .udp = tun.offloads().uso}) {
}

TunApplications::TunApplications(runtime::Runtime& runtime)
    : runtime_(runtime), buffer_(new std::uint8_t[kHeadroom + io::Tun::kLargestPacket]) {}

base::Result<void> TunApplications::add(io::Tun tun) {
  const auto index = static_cast<LayerIndex>(devices_.size());
  devices_.emplace_back(std::move(tun));
  auto watch = runtime_.loop().watch(devices_.back().tun.fd(), io::Events::kRead,
                                     [this, index](std::uint32_t) { read(index); });
  if (!watch) return tl::unexpected(watch.error());
  return {};
}

// Several packets before they are sealed and sent together: single ones become bursts where more than one waits.
void TunApplications::read(LayerIndex index) {
  Device& device = devices_[index];
  const base::TimePoint now = io::now();
  const std::int64_t unix_nanos = io::unix_nanos();
  std::size_t bytes = 0;
  for (int i = 0; i < kReadsPerRound && bytes < kBytesPerFlush; ++i) {
    io::VirtioNetHeader header;
    std::uint8_t* packet = buffer_.get() + kHeadroom;
    const std::ptrdiff_t n = device.tun.read({packet, io::Tun::kLargestPacket}, header);
    if (n <= 0) break;
    bytes += static_cast<std::size_t>(n);
    const base::ByteView header_bytes(reinterpret_cast<const std::uint8_t*>(&header),
                                      sizeof header);
    runtime_.member().from_application(index, {packet, static_cast<std::size_t>(n)}, header_bytes,
                                       now, unix_nanos);
  }
  runtime_.member().flush(now, unix_nanos);
  flush();
}

void TunApplications::deliver(LayerIndex index, const layer::inner::InsidePacket& packet) {
  Device& device = devices_[index];
  if (device.coalescer.add(packet)) return;
  flush(device);
  device.coalescer.add(packet);
}

void TunApplications::deliver_reply(LayerIndex index, base::ByteView packet) {
  Device& device = devices_[index];
  if (device.tun.write(io::VirtioNetHeader{}, packet) != 0)
    runtime_.member().count_drop(base::DropReason::tun_failed);
}

void TunApplications::flush() {
  for (Device& device : devices_) flush(device);
}

void TunApplications::flush(Device& device) {
  if (device.coalescer.empty()) return;
  device.coalescer.flush([&](const layer::inner::TunWrite& write) {
    io::VirtioNetHeader header;
    std::memcpy(&header, write.with_header[0].data, sizeof header);
    static_assert(sizeof(Span) == sizeof(iovec));
    const std::span<const iovec> pieces(reinterpret_cast<const iovec*>(write.pieces.data()),
                                        write.pieces.size());
    if (device.tun.write(header, pieces) != 0)
      runtime_.member().count_drop(base::DropReason::tun_failed, write.packets());
  });
}

}  // namespace entresol::host
