#include "io/tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error_codes.h"

namespace entresol::io {
namespace {

// Newer than the kernel headers of Debian 12 (Linux 6.2).
constexpr unsigned kUso4 = 0x20;
constexpr unsigned kUso6 = 0x40;

base::Result<UniqueFd> open_device() {
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (fd) return fd;
  const int error = errno;
  if (error == ENOENT || error == ENODEV || error == ENXIO) {
    return base::fail(base::code::kNoTun,
                      "cannot open /dev/net/tun: " + errno_text(error) +
                          "; load the module (\"modprobe tun\"), or pass the device into the "
                          "container (\"--device /dev/net/tun\")");
  }
  if (error == EACCES || error == EPERM) {
    return base::fail(base::code::kNoPermission,
                      "cannot open /dev/net/tun: " + errno_text(error) +
                          "; it needs CAP_NET_ADMIN and this device: start as root, or give the "
                          "service both");
  }
  return system_failure(base::code::kSystemCall, "cannot open /dev/net/tun", error);
}

tl::unexpected<base::Error> attach_failure(const std::string& name, int error) {
  const std::string what = "cannot make the TUN device " + (name.empty() ? "" : "\"" + name + "\"");
  if (error == EPERM) {
    return base::fail(base::code::kNoPermission,
                      what + ": " + errno_text(error) +
                          "; it needs CAP_NET_ADMIN: start as root, or give the service this "
                          "capability");
  }
  if (error == EBUSY) {
    return base::fail(base::code::kConfigBadValue,
                      what + ": an interface or another process has this name");
  }
  return system_failure(error == EINVAL ? base::code::kConfigBadValue : base::code::kSystemCall,
                        what, error);
}

}  // namespace

base::Result<Tun> Tun::open(const std::string& name, const TunOptions& options) {
  if (name.size() >= IFNAMSIZ) {
    return base::fail(base::code::kConfigBadValue,
                      "interface name \"" + name + "\" has more than 15 bytes");
  }
  auto device = open_device();
  if (!device) return tl::unexpected(device.error());
  Tun tun;
  tun.fd_ = std::move(*device);

  ifreq request{};
  std::copy(name.begin(), name.end(), request.ifr_name);
  int flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (options.multi_queue) flags |= IFF_MULTI_QUEUE;
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(tun.fd_.get(), TUNSETIFF, &request) != 0) return attach_failure(name, errno);
  tun.name_ = request.ifr_name;

  int header_size = sizeof(VirtioNetHeader);
  if (::ioctl(tun.fd_.get(), TUNSETVNETHDRSZ, &header_size) != 0) {
    return system_failure(base::code::kSystemCall, "cannot set the header size of " + tun.name_,
                          errno);
  }
  if (auto set = tun.set_offloads(options.offloads); !set) return tl::unexpected(set.error());
  return tun;
}

// The kernel takes a set of offloads whole or not at all, so ask for less until it agrees.
base::Result<void> Tun::set_offloads(const TunOffloads& wanted) {
  struct Step {
    unsigned flags;
    TunOffloads means;
  };
  constexpr unsigned kTso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  const bool tso = wanted.checksum && wanted.tso;
  std::vector<Step> steps;
  if (tso && wanted.uso) {
    steps.push_back({kTso | TUN_F_TSO_ECN | kUso4 | kUso6, {true, true, true}});
  }
  if (tso) {
    steps.push_back({kTso | TUN_F_TSO_ECN, {true, true, false}});
    steps.push_back({kTso, {true, true, false}});
  }
  if (wanted.checksum) steps.push_back({TUN_F_CSUM, {true, false, false}});
  steps.push_back({0, {false, false, false}});

  for (const Step& step : steps) {
    if (::ioctl(fd_.get(), TUNSETOFFLOAD, static_cast<unsigned long>(step.flags)) == 0) {
      offloads_ = step.means;
      return {};
    }
  }
  return system_failure(base::code::kSystemCall, "cannot set the offloads of " + name_, errno);
}

std::ptrdiff_t Tun::read(std::span<std::uint8_t> buffer, VirtioNetHeader& header) {
  const std::array<iovec, 2> pieces = {iovec{&header, sizeof header},
                                       iovec{buffer.data(), buffer.size()}};
  ssize_t got;
  do {
    got = ::readv(fd_.get(), pieces.data(), pieces.size());
  } while (got < 0 && errno == EINTR);
  if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  const std::ptrdiff_t length = got - static_cast<std::ptrdiff_t>(sizeof header);
  if (length <= 0) return -EIO;
  ++counters_.reads;
  counters_.read_bytes += static_cast<std::uint64_t>(length);
  return length;
}

int Tun::write(const VirtioNetHeader& header, std::span<const iovec> pieces) {
  if (pieces.size() > kMostPieces) {
    ++counters_.write_failures;
    return E2BIG;
  }
  std::array<iovec, kMostPieces + 1> all;  // NOLINT: filled as far as it is read
  all[0] = {const_cast<VirtioNetHeader*>(&header), sizeof header};
  std::copy(pieces.begin(), pieces.end(), all.begin() + 1);
  ssize_t put;
  do {
    put = ::writev(fd_.get(), all.data(), static_cast<int>(pieces.size() + 1));
  } while (put < 0 && errno == EINTR);
  if (put < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return EAGAIN;
    ++counters_.write_failures;
    return errno;
  }
  ++counters_.writes;
  counters_.write_bytes += static_cast<std::uint64_t>(put) - sizeof header;
  return 0;
}

int Tun::write(const VirtioNetHeader& header, std::span<const std::uint8_t> packet) {
  const iovec piece = {const_cast<std::uint8_t*>(packet.data()), packet.size()};
  return write(header, std::span<const iovec>(&piece, 1));
}

}  // namespace entresol::io
