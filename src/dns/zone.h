// The names of a layer as DNS has them: LABEL.DOMAIN has an AAAA record (the member's name) and, where the layer is reached
// over IPv4, an A record; the addresses have PTR records. All come from what was signed and verified: `Lookup` answers with
// members whose certificates or grants hold, and how long they do.
//
// Unknown labels do not exist (NXDOMAIN), other types of known ones have no data; both say for how long (RFC 2308).
//
// Pure. Lookup outlives the zone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "dns/message.h"

namespace entresol::dns {

using Ipv4 = std::array<std::uint8_t, 4>;
using Ipv6 = std::array<std::uint8_t, 16>;

struct Ipv4Prefix {
  Ipv4 first{};  // no bit set behind the length
  std::uint8_t length = 32;
};

struct Found {
  std::string label;
  Ipv6 name{};
  Ipv4 ipv4{};               // zero: none
  std::int64_t seconds = 0;  // for which what is known of it holds
};
enum class Known : std::uint8_t { kFound, kUnknown, kLater /* somebody was asked: try again */ };

class Lookup {
 public:
  virtual ~Lookup() = default;
  virtual Known by_label(std::string_view label, Found& out) = 0;
  virtual Known by_name(const Ipv6& name, Found& out) = 0;
  virtual Known by_ipv4(const Ipv4& address, Found& out) = 0;
};

struct ZoneConfig {
  base::Bytes domain;                   // name_from_text
  std::array<std::uint8_t, 4> names{};  // first octets of all names: fd35:LLLL::/32
  std::optional<Ipv4Prefix> ipv4;       // none: no A records
};

inline constexpr std::uint32_t kLongestTtl = 60;  // s: a member may be revoked
inline constexpr std::uint32_t kNegativeTtl = 5;  // s: it may join

class Zone {
 public:
  Zone(ZoneConfig config, Lookup& lookup) : config_(std::move(config)), lookup_(lookup) {}

  const base::Bytes& domain() const { return config_.domain; }
  // Whether the layer's lookups decide about this name: its domain's and its addresses'.
  bool has(base::ByteView name) const { return apex_of(name).has_value(); }
  // The answer to a query of class IN whose name the zone has. Nothing: later.
  std::optional<base::Bytes> answer(base::ByteView message, const Query& query) const;
  // The domains of all its names as text: of the labels, and those of the addresses.
  std::vector<std::string> domains() const;

 private:
  enum class Tree : std::uint8_t { kLabels, kIpv6, kIpv4 };
  struct Apex {
    Tree tree;
    std::size_t offset;  // of the zone's own name in the name that was asked for
  };
  std::optional<Apex> apex_of(base::ByteView name) const;
  std::optional<Apex> ipv4_apex(base::ByteView name) const;
  base::Bytes reverse_of_names() const;
  Known look_up(base::ByteView name, const Apex& apex, Found& found) const;
  std::vector<Record> records(const Query& query, const Apex& apex, const Found& found) const;

  ZoneConfig config_;
  Lookup& lookup_;
};

}  // namespace entresol::dns
