#include "io/rx_ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

namespace entresol::io {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Half of the smallest second-level cache in use (1 MiB), less what the work itself touches.
constexpr std::size_t kBytesPerCall = 256 * 1024;
constexpr unsigned kFewest = 4;
// Without the buffers behind the huge page; then their memory is given back.
constexpr unsigned kCallsUntilRelease = 256;

}  // namespace

RxRing::RxRing(unsigned buffers)
    : buffers_(std::clamp(buffers, 1u, kMost)),
      offer_(std::min(kFewest, buffers_)),
      messages_(buffers_),
      iovecs_(buffers_),
      names_(buffers_),
      controls_(buffers_),
      bursts_(buffers_) {
  const std::size_t size = std::max(buffers_ * kStride, kHugePage);
  mapped_ = size + kHugePage;
  memory_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  // Huge pages lie at multiples of their size, which the kernel's choice need not be.
  void* aligned = memory_;
  std::size_t room = mapped_;
  std::align(kHugePage, size, aligned, room);
  // Advice only: without it there are more TLB misses.
  ::madvise(aligned, kHugePage, MADV_HUGEPAGE);
  ::madvise(static_cast<std::uint8_t*>(aligned) + kHugePage, size - kHugePage, MADV_NOHUGEPAGE);
  storage_ = static_cast<std::uint8_t*>(aligned);
  for (unsigned i = 0; i < buffers_; ++i) {
    iovecs_[i] = {buffer(i), kRxBufferSize};
    messages_[i] = {};
    messages_[i].msg_hdr.msg_iov = &iovecs_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_name = &names_[i];
    messages_[i].msg_hdr.msg_control = controls_[i].bytes;
  }
}

RxRing::~RxRing() {
  ::munmap(memory_, mapped_);
}

void RxRing::prepare(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    messages_[i].msg_hdr.msg_namelen = sizeof names_[i];
    messages_[i].msg_hdr.msg_controllen = sizeof controls_[i].bytes;
    messages_[i].msg_hdr.msg_flags = 0;
  }
}

// Few buffers until a call has filled all that it was offered: a quiet socket on which long trains begin does not fill
// every buffer, and the memory behind it, at once.
void RxRing::adapt(std::size_t bytes, std::size_t messages) {
  const std::size_t each = std::max<std::size_t>(bytes / messages, 1);
  const auto fit = static_cast<unsigned>(std::min<std::size_t>(kBytesPerCall / each, kMost));
  const unsigned wanted = messages == offer_ ? std::min(fit, 2 * offer_) : std::min(fit, offer_);
  offer_ = std::min(std::max(wanted, kFewest), buffers_);
  quiet_calls_ = offer_ * kStride > kHugePage ? 0 : quiet_calls_ + 1;
  if (quiet_calls_ == kCallsUntilRelease && buffers_ * kStride > kHugePage)
    ::madvise(storage_ + kHugePage, buffers_ * kStride - kHugePage, MADV_DONTNEED);
}

}  // namespace entresol::io
