#include "io/rx_ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace entresol::io {
namespace {

// Half of the smallest second-level cache in use (1 MiB), less what the work itself touches.
constexpr std::size_t kBytesPerCall = 256 * 1024;
constexpr unsigned kFewest = 4;

}  // namespace

RxRing::RxRing(unsigned buffers)
    : buffers_(std::clamp(buffers, 1u, kMost)),
      offer_(buffers_),
      messages_(buffers_),
      iovecs_(buffers_),
      names_(buffers_),
      controls_(buffers_),
      bursts_(buffers_) {
  const std::size_t size = buffers_ * kStride;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  ::madvise(memory, size, MADV_HUGEPAGE);  // advice only: without it there are more TLB misses
  storage_ = static_cast<std::uint8_t*>(memory);
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
  ::munmap(storage_, buffers_ * kStride);
}

void RxRing::prepare(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    messages_[i].msg_hdr.msg_namelen = sizeof names_[i];
    messages_[i].msg_hdr.msg_controllen = sizeof controls_[i].bytes;
    messages_[i].msg_hdr.msg_flags = 0;
  }
}

void RxRing::adapt(std::size_t bytes, std::size_t messages) {
  const std::size_t each = std::max<std::size_t>(bytes / messages, 1);
  const auto fit = static_cast<unsigned>(std::min<std::size_t>(kBytesPerCall / each, kMost));
  offer_ = std::min(std::max(fit, kFewest), buffers_);
}

}  // namespace entresol::io
