#include "cli/place.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/error_codes.h"
#include "io/endpoint_text.h"
#include "io/fd.h"

namespace entresol::cli {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_there(const std::string& file) {
  std::error_code unknown;
  return std::filesystem::exists(file, unknown);
}

// The local address that the kernel chooses towards a documentation address; connect(2) of a datagram socket sends nothing.
std::optional<std::string> address_towards(const sockaddr* far, socklen_t size) {
  const io::UniqueFd socket(::socket(far->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), far, size) != 0) return std::nullopt;
  sockaddr_storage near{};
  socklen_t near_size = sizeof near;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&near), &near_size) != 0)
    return std::nullopt;
  io::Address address{};
  if (near.ss_family == AF_INET) {
    address[10] = address[11] = 0xff;
    const auto* v4 = reinterpret_cast<const std::uint8_t*>(
        &reinterpret_cast<const sockaddr_in*>(&near)->sin_addr);
    std::copy_n(v4, 4, address.begin() + 12);
  } else {
    std::copy_n(reinterpret_cast<const sockaddr_in6*>(&near)->sin6_addr.s6_addr, 16,
                address.begin());
  }
  if (io::is_unspecified(address) || io::is_link_local(address)) return std::nullopt;
  return io::to_text(address);
}

}  // namespace

std::string default_directory() {
  if (const std::string said = environment("ENTRESOL_DIR"); !said.empty()) return said;
  if (::geteuid() == 0) return "/etc/entresol";
  if (const std::string said = environment("XDG_CONFIG_HOME"); !said.empty())
    return said + "/entresol";
  return environment("HOME") + "/.config/entresol";
}

std::string directory_named(const std::string& option) {
  if (option.empty()) return default_directory();
  std::error_code unknown;
  std::string path = std::filesystem::absolute(option, unknown).lexically_normal().string();
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string own_path() {
  char path[PATH_MAX];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : "entresol";
}

base::Result<Found> find_config() {
  const std::string directory = default_directory();
  std::vector<Found> found;
  for (const std::string role : {"host", "node"})
    if (const std::string file = directory + "/" + role + ".yaml"; is_there(file))
      found.push_back({role, file});
  const std::string own_node = directory + "/node/node.yaml";
  if (found.empty() && is_there(own_node)) found.push_back({"node", own_node});
  if (found.size() == 1) return found.front();
  return base::fail(base::code::kUsage,
                    found.empty() ? "there is no host.yaml or node.yaml in " + directory +
                                        ": say which host or node with -c FILE or --control SOCKET"
                                  : "there are a host and a node in " + directory +
                                        ": say which one with -c FILE or --control SOCKET");
}

std::string label_of(std::string_view host_name) {
  std::string out;
  for (const char c : host_name.substr(0, host_name.find('.'))) {
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  out.resize(std::min<std::size_t>(out.size(), 63));
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

std::string own_host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string own_address() {
  sockaddr_in v4{};  // 192.0.2.1 (RFC 5737)
  v4.sin_family = AF_INET;
  v4.sin_port = htons(9);
  v4.sin_addr.s_addr = htonl(0xc0000201);
  if (auto own = address_towards(reinterpret_cast<const sockaddr*>(&v4), sizeof v4)) return *own;
  sockaddr_in6 v6{};  // 2001:db8::1 (RFC 3849)
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(9);
  constexpr std::array<std::uint8_t, 16> kFar = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
                                                 0,    0,    0,    0,    0, 0, 0, 1};
  std::copy(kFar.begin(), kFar.end(), v6.sin6_addr.s6_addr);
  return address_towards(reinterpret_cast<const sockaddr*>(&v6), sizeof v6).value_or("127.0.0.1");
}

base::Result<base::UnixSeconds> lifetime_of(std::string_view option, std::string_view text) {
  constexpr std::string_view kUnits = "smhd";
  constexpr std::array<base::UnixSeconds, 4> kSeconds = {1, 60, 3600, 86400};
  std::uint32_t count = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, count);
  const std::size_t unit =
      read.ec == std::errc() && read.ptr + 1 == end ? kUnits.find(*read.ptr) : kUnits.npos;
  if (unit == kUnits.npos || count == 0)
    return base::fail(base::code::kUsage, std::string(option) + ": '" + std::string(text) +
                                              "' is no time: write 90s, 15m, 24h or 30d");
  return base::UnixSeconds{count} * kSeconds[unit];
}

}  // namespace entresol::cli
