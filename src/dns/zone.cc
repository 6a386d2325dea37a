#include "dns/zone.h"

#include <algorithm>

namespace entresol::dns {
namespace {

constexpr std::size_t kNibbles = 32;
constexpr std::string_view kDigits = "0123456789abcdef";
const base::Bytes kIp6Arpa = *name_from_text("ip6.arpa");
const base::Bytes kInAddrArpa = *name_from_text("in-addr.arpa");
const base::Bytes kNobody = *name_from_text("nobody.invalid");

constexpr std::uint16_t pointer_to(std::size_t offset) {
  return static_cast<std::uint16_t>(0xc000 | (kHeaderSize + offset));
}

std::vector<std::string> labels_before(base::ByteView name, std::size_t end) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < end; at += 1u + name[at])
    out.push_back(first_label(name.subspan(at)));
  return out;
}

// RFC 6303, section 3: nobody transfers this zone, and nobody is written to about it.
Record soa(std::size_t apex) {
  Record out{apex, type::kSoa, kNegativeTtl, {}};
  base::ByteWriter data(out.data);
  data.u16(pointer_to(apex));
  data.bytes(kNobody);
  data.u32(1);       // serial
  data.u32(3600);    // refresh
  data.u32(1200);    // retry
  data.u32(604800);  // expire
  data.u32(kNegativeTtl);
  return out;
}

Record ns(std::size_t apex) {
  Record out{apex, type::kNs, kLongestTtl, {}};
  base::ByteWriter(out.data).u16(pointer_to(apex));
  return out;
}

// Octets that the labels name, least significant first; nothing if they are no decimal octets.
std::optional<std::vector<std::uint8_t>> octets_of(const std::vector<std::string>& labels) {
  std::vector<std::uint8_t> out;
  for (const std::string& label : labels) {
    const bool digits = !label.empty() && label.size() <= 3 &&
                        std::ranges::all_of(label, [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || (label.size() > 1 && label[0] == '0') || std::stoi(label) > 255)
      return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(std::stoi(label)));
  }
  std::ranges::reverse(out);
  return out;
}

std::uint32_t mask_of(std::uint8_t length) {
  return length == 0 ? 0 : ~std::uint32_t{0} << (32 - std::min<unsigned>(length, 32));
}

std::size_t whole_octets(const Ipv4Prefix& prefix) {
  return (std::size_t{prefix.length} + 7) / 8;
}

bool contains(const Ipv4Prefix& prefix, const Ipv4& address) {
  return (base::load_be32(address.data()) & mask_of(prefix.length)) ==
         base::load_be32(prefix.first.data());
}

std::uint32_t ttl_of(const Found& found) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(found.seconds, 0, kLongestTtl));
}

}  // namespace

base::Bytes Zone::reverse_of_names() const {
  base::Bytes out;
  for (std::size_t i = 2 * config_.names.size(); i-- > 0;) {
    const std::uint8_t octet = config_.names[i / 2];
    out.push_back(1);
    out.push_back(static_cast<std::uint8_t>(kDigits[i % 2 == 0 ? octet >> 4 : octet & 15]));
  }
  out.insert(out.end(), kIp6Arpa.begin(), kIp6Arpa.end());
  return out;
}

// Zones below in-addr.arpa end at whole octets: a prefix of another length is several of them.
std::optional<Zone::Apex> Zone::ipv4_apex(base::ByteView name) const {
  if (!config_.ipv4) return std::nullopt;
  const auto end = within(name, kInAddrArpa);
  if (!end) return std::nullopt;
  const std::size_t whole = whole_octets(*config_.ipv4);
  auto labels = labels_before(name, *end);
  if (labels.size() < whole) return std::nullopt;
  const std::size_t below = labels.size() - whole;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < below; ++i) offset += 1 + labels[i].size();
  labels.erase(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(below));
  const auto octets = octets_of(labels);
  if (!octets) return std::nullopt;
  Ipv4 address{};
  std::ranges::copy(*octets, address.begin());
  if (!contains(*config_.ipv4, address)) return std::nullopt;
  return Apex{Tree::kIpv4, offset};
}

std::optional<Zone::Apex> Zone::apex_of(base::ByteView name) const {
  if (const auto at = within(name, config_.domain)) return Apex{Tree::kLabels, *at};
  if (const auto at = within(name, reverse_of_names())) return Apex{Tree::kIpv6, *at};
  return ipv4_apex(name);
}

// Unknown also of names that can be nobody's. Those between a zone's own name and an address's exist and have no data
// (RFC 8020): kFound, of nobody.
Known Zone::look_up(base::ByteView name, const Apex& apex, Found& found) const {
  const auto labels = labels_before(name, apex.offset);
  if (labels.empty()) return Known::kFound;
  if (apex.tree == Tree::kLabels)
    return labels.size() == 1 ? lookup_.by_label(labels[0], found) : Known::kUnknown;
  if (apex.tree == Tree::kIpv6) {
    const std::size_t known = 2 * config_.names.size();
    Ipv6 address{};
    std::ranges::copy(config_.names, address.begin());
    if (labels.size() > kNibbles - known) return Known::kUnknown;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::size_t digit = labels[i].size() == 1 ? kDigits.find(labels[i]) : std::string::npos;
      if (digit == std::string::npos) return Known::kUnknown;
      const std::size_t nibble = known + labels.size() - 1 - i;
      address[nibble / 2] |= static_cast<std::uint8_t>(nibble % 2 == 0 ? digit << 4 : digit);
    }
    return labels.size() == kNibbles - known ? lookup_.by_name(address, found) : Known::kFound;
  }
  const auto octets = octets_of(labels_before(name, *within(name, kInAddrArpa)));
  if (!octets || octets->size() > 4) return Known::kUnknown;
  if (octets->size() < 4) return Known::kFound;
  Ipv4 address{};
  std::ranges::copy(*octets, address.begin());
  return lookup_.by_ipv4(address, found);
}

// One set of records, whatever was asked: of ANY the first will do (RFC 8482, section 4.1).
std::vector<Record> Zone::records(const Query& query, const Apex& apex, const Found& found) const {
  std::vector<Record> out;
  const auto wants = [&](std::uint16_t kind) {
    return query.type == kind || (query.type == type::kAny && out.empty());
  };
  if (apex.offset == 0) {
    if (wants(type::kSoa)) out.push_back(soa(0));
    if (wants(type::kNs)) out.push_back(ns(0));
  }
  if (found.label.empty()) return out;
  if (apex.tree != Tree::kLabels) {
    const auto label = name_from_text(found.label);
    if (!label || label->size() != found.label.size() + 2 || (*label)[0] != found.label.size())
      return out;  // none that could be asked for
    base::Bytes target(label->begin(), label->end() - 1);
    target.insert(target.end(), config_.domain.begin(), config_.domain.end());
    if (wants(type::kPtr) && target.size() <= kNameMaximum)
      out.push_back({0, type::kPtr, ttl_of(found), std::move(target)});
    return out;
  }
  if (wants(type::kAaaa))
    out.push_back({0, type::kAaaa, ttl_of(found), {found.name.begin(), found.name.end()}});
  if (wants(type::kA) && config_.ipv4 && found.ipv4 != Ipv4{})
    out.push_back({0, type::kA, ttl_of(found), {found.ipv4.begin(), found.ipv4.end()}});
  return out;
}

std::optional<base::Bytes> Zone::answer(base::ByteView message, const Query& query) const {
  const auto apex = apex_of(query.name);
  if (!apex) return emit_answer(message, query, {Rcode::kRefused});
  Found found;
  const Known known = look_up(query.name, *apex, found);
  if (known == Known::kLater) return std::nullopt;
  AnswerHead head{Rcode::kNoError, true};
  if (known == Known::kUnknown) head.rcode = Rcode::kNameError;
  const auto answers =
      known == Known::kFound ? records(query, *apex, found) : std::vector<Record>{};
  std::vector<Record> authority;
  if (answers.empty()) authority.push_back(soa(apex->offset));
  return emit_answer(message, query, head, answers, authority);
}

std::vector<std::string> Zone::domains() const {
  std::vector<std::string> out{text_of(config_.domain), text_of(reverse_of_names())};
  if (!config_.ipv4) return out;
  const std::size_t whole = whole_octets(*config_.ipv4);
  const std::uint32_t first = base::load_be32(config_.ipv4->first.data());
  const std::size_t zones = std::size_t{1} << (8 * whole - config_.ipv4->length);
  for (std::size_t i = 0; i < zones; ++i) {
    const std::uint32_t address = first + static_cast<std::uint32_t>(i << (32 - 8 * whole));
    std::string text;
    for (std::size_t octet = whole; octet-- > 0;)
      text += std::to_string(address >> (24 - 8 * octet) & 255) + ".";
    out.push_back(text + "in-addr.arpa");
  }
  return out;
}

}  // namespace entresol::dns
