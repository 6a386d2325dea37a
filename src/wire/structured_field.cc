#include "wire/structured_field.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace entresol::wire {
namespace {

using base::DropReason;

enum class Kind : std::uint8_t { integer, boolean, octets, options };

struct Rule {
  std::string_view key;
  Kind kind;
  std::uint64_t limit = 0;  // integer: largest value; octets: exact size
  bool sealed_only = false;
};

enum Key : std::size_t {
  kV,
  kTtl,
  kTc,
  kNp,
  kLayer,
  kSvc,
  kFlow,
  kProto,
  kOpener,
  kFrag,
  kPort,
  kSrc,
  kDst,
  kOpt,
  kSid,
  kSeq,
  kKeys
};
constexpr std::uint64_t kU32 = 0xffffffff;
constexpr std::array<Rule, kKeys> kRules = {{
    {"v", Kind::integer, 15},
    {"ttl", Kind::integer, 255},
    {"tc", Kind::integer, 255},
    {"np", Kind::integer, 255},
    {"layer", Kind::octets, 4},
    {"svc", Kind::integer, kU32},
    {"flow", Kind::integer, kU32},
    {"proto", Kind::integer, 255},
    {"opener", Kind::boolean},
    {"frag", Kind::boolean},
    {"port", Kind::integer, 0xffff},
    {"src", Kind::octets, kNameSize},
    {"dst", Kind::octets, kNameSize},
    {"opt", Kind::options},
    {"sid", Kind::integer, kU32, true},
    {"seq", Kind::integer, kU32, true},
}};

struct Values {
  std::array<bool, kKeys> seen{};
  std::array<std::uint64_t, kKeys> number{};  // booleans too
  std::array<base::Bytes, kKeys> octets;
  std::vector<Option> options;
};

// RFC 9651 section 4.2, as far as section 10 has use for it. Each take_ leaves the text behind what
// it took; after the first failure nothing else is looked at.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  // Empty if all went well.
  std::string run(Values& values) {
    skip(" ");
    while (!rest_.empty()) {
      if (!take_member(values)) return problem_;
      skip(" \t");
      if (rest_.empty()) return {};
      if (!take(',')) return "a comma is missing before \"" + here() + "\"";
      skip(" \t");
      if (rest_.empty()) return "the last comma has nothing behind it";
    }
    return {};  // an empty dictionary; the keys will be missed
  }

 private:
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  // What a message can show of the rest.
  std::string here() const {
    std::string shown(rest_.substr(0, 16));
    std::replace_if(shown.begin(), shown.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
    return shown;
  }
  void skip(std::string_view what) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(what), rest_.size()));
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view take_key() {
    constexpr std::string_view kKeyCharacters = "abcdefghijklmnopqrstuvwxyz0123456789_-.*";
    std::string_view key = rest_.substr(0, rest_.find_first_not_of(kKeyCharacters));
    rest_.remove_prefix(key.size());
    return key;
  }

  bool take_member(Values& values) {
    const std::string where = here();
    const std::string_view key = take_key();
    const auto rule =
        std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) { return r.key == key; });
    if (rule == kRules.end()) return fail("no known key at \"" + where + "\"");
    const auto index = static_cast<std::size_t>(rule - kRules.begin());
    if (values.seen[index]) return fail("key \"" + std::string(key) + "\" comes twice");
    values.seen[index] = true;
    const bool has_value = take('=');
    bool ok = false;
    switch (rule->kind) {
      case Kind::integer:
        ok = has_value && take_integer(rule->limit, values.number[index]);
        break;
      case Kind::boolean:
        ok = take_boolean(has_value, values.number[index]);
        break;
      case Kind::octets:
        ok = has_value && take_octets(values.octets[index]) &&
             values.octets[index].size() == rule->limit;
        break;
      case Kind::options:
        ok = has_value && take_options(values.options);
        break;
    }
    if (!ok && problem_.empty()) {
      return fail("value of \"" + std::string(key) + "\" has the wrong type, or is out of range");
    }
    if (ok && rest_.starts_with(';')) {
      return fail("key \"" + std::string(key) + "\" takes no parameters");
    }
    return ok;
  }

  bool take_integer(std::uint64_t limit, std::uint64_t& out) {
    const bool negative = take('-');
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; rest_.remove_prefix(1)) {
      if (++digits > 15) return false;
      value = value * 10 + static_cast<std::uint64_t>(rest_[0] - '0');
    }
    if (digits == 0 || rest_.starts_with('.')) return false;
    if (value > limit || (negative && value != 0)) return false;
    out = value;
    return true;
  }

  // Without a value a key stands for true.
  bool take_boolean(bool has_value, std::uint64_t& out) {
    out = 1;
    if (!has_value) return true;
    if (!take('?')) return false;
    if (take('1')) return true;
    out = 0;
    return take('0');
  }

  bool take_octets(base::Bytes& out) {
    if (!take(':')) return false;
    const std::size_t end = rest_.find(':');
    if (end == std::string_view::npos || !base::from_base64(rest_.substr(0, end), out))
      return false;
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool take_options(std::vector<Option>& options) {
    if (!take('(')) return false;
    for (;;) {
      skip(" ");
      if (take(')'))
        return !options.empty() || fail("\"opt\" is left out where there are no options");
      Option option;
      if (!take_octets(option.value) || option.value.size() > kOptionValueMaximum) {
        return fail("an option is no byte sequence of at most 255 octets");
      }
      if (!take_parameters(option)) return false;
      options.push_back(std::move(option));
      if (!rest_.starts_with(' ') && !rest_.starts_with(')')) {
        return fail("the list of options does not go on at \"" + here() + "\"");
      }
    }
  }

  bool take_parameters(Option& option) {
    constexpr std::array<std::string_view, 5> kParameters = {"c", "t", "crit", "mut", "e2e"};
    std::array<bool, 5> seen{};
    std::array<std::uint64_t, 5> value{};
    while (take(';')) {
      skip(" ");
      const std::string_view key = take_key();
      const auto found = std::find(kParameters.begin(), kParameters.end(), key);
      if (found == kParameters.end()) return fail("an option has an unknown parameter");
      const auto index = static_cast<std::size_t>(found - kParameters.begin());
      if (seen[index]) return fail("parameter \"" + std::string(key) + "\" comes twice");
      seen[index] = true;
      const bool has_value = take('=');
      const bool ok = index < 2 ? has_value && take_integer(255, value[index])
                                : take_boolean(has_value, value[index]);
      if (!ok) return fail("parameter \"" + std::string(key) + "\" has the wrong type or range");
    }
    if (!seen[0] || !seen[1]) return fail("an option lacks its class or type");
    option.option_class = static_cast<std::uint8_t>(value[0]);
    option.type = static_cast<std::uint8_t>(value[1]);
    option.critical = value[2] != 0;
    option.is_mutable = value[3] != 0;
    option.end_to_end = value[4] != 0;
    return true;
  }

  std::string_view rest_;
  std::string problem_;
};

// Keys that are missing, or there although the packet is not sealed. Empty if none.
std::string check_presence(const Values& values) {
  const bool sealed = values.number[kNp] == next_protocol::kSealed;
  for (std::size_t i = 0; i < kKeys; ++i) {
    const bool wanted = !kRules[i].sealed_only || sealed;
    const std::string key(kRules[i].key);
    if (values.seen[i] && !wanted) return "key \"" + key + "\" belongs to sealed packets only";
    if (!values.seen[i] && wanted && i != kOpt) return "key \"" + key + "\" is missing";
  }
  return {};
}

Header to_header(Values& values) {
  const auto& number = values.number;
  Header header;
  header.ttl = static_cast<std::uint8_t>(number[kTtl]);
  header.traffic_class = static_cast<std::uint8_t>(number[kTc]);
  header.next_protocol = static_cast<std::uint8_t>(number[kNp]);
  header.layer = base::load_be32(values.octets[kLayer].data());
  header.service = static_cast<std::uint32_t>(number[kSvc]);
  header.flow_id = static_cast<std::uint32_t>(number[kFlow]);
  header.inner_protocol = static_cast<std::uint8_t>(number[kProto]);
  header.opener = number[kOpener] != 0;
  header.fragment = number[kFrag] != 0;
  header.responder_port = static_cast<std::uint16_t>(number[kPort]);
  header.source = load_name(values.octets[kSrc].data());
  header.destination = load_name(values.octets[kDst].data());
  header.options = std::move(values.options);
  return header;
}

std::string byte_sequence(base::ByteView octets) {
  return ":" + base::to_base64(octets) + ":";
}

std::string option_list(const std::vector<Option>& options) {
  std::string out = "(";
  for (const Option& option : options) {
    if (out.size() > 1) out += ' ';
    out += byte_sequence(option.value) + ";c=" + std::to_string(option.option_class) +
           ";t=" + std::to_string(option.type);
    if (option.critical) out += ";crit";
    if (option.is_mutable) out += ";mut";
    if (option.end_to_end) out += ";e2e";
  }
  return out + ")";
}

}  // namespace

std::string emit_field(const Header& header, const std::optional<SessionHeader>& session) {
  std::string out;
  auto add = [&](Key key, const std::string& value) {
    if (!out.empty()) out += ", ";
    out += std::string(kRules[key].key) + "=" + value;
  };
  auto boolean = [](bool value) { return std::string(value ? "?1" : "?0"); };
  std::array<std::uint8_t, 4> layer;
  base::store_be32(layer.data(), header.layer);
  add(kV, std::to_string(kVersion));
  add(kTtl, std::to_string(header.ttl));
  add(kTc, std::to_string(header.traffic_class));
  add(kNp, std::to_string(header.next_protocol));
  add(kLayer, byte_sequence(layer));
  add(kSvc, std::to_string(header.service));
  add(kFlow, std::to_string(header.flow_id));
  add(kProto, std::to_string(header.inner_protocol));
  add(kOpener, boolean(header.opener));
  add(kFrag, boolean(header.fragment));
  add(kPort, std::to_string(header.responder_port));
  add(kSrc, byte_sequence(header.source.octets));
  add(kDst, byte_sequence(header.destination.octets));
  if (!header.options.empty()) add(kOpt, option_list(header.options));
  if (session) {
    add(kSid, std::to_string(session->id.value));
    add(kSeq, std::to_string(session->sequence));
  }
  return out;
}

FieldMessage to_field(const HeaderView& packet) {
  std::optional<SessionHeader> session;
  base::ByteView body = packet.payload();
  if (packet.next_protocol() == next_protocol::kSealed) {
    SessionView view;
    if (SessionView::parse(body, view) == DropReason::none) {  // always: the packet was checked
      session = view.header();
      body = view.sealed();
    }
  }
  return {emit_field(Header::from(packet), session), body};
}

FieldOutcome parse_field(std::string_view text, base::ByteView body, base::Bytes& packet) {
  Values values;
  if (std::string problem = Parser(text).run(values); !problem.empty()) return {std::move(problem)};
  if (std::string problem = check_presence(values); !problem.empty()) return {std::move(problem)};
  base::Bytes payload;
  if (values.seen[kSid]) {
    payload.resize(kSessionHeaderSize);
    SessionHeader{{static_cast<std::uint32_t>(values.number[kSid])},
                  static_cast<std::uint32_t>(values.number[kSeq])}
        .emit(payload.data());
  }
  payload.insert(payload.end(), body.begin(), body.end());
  const Header header = to_header(values);
  packet = emit_packet(header, payload);
  if (packet.empty()) return {"options or body are larger than a packet can hold"};
  packet[offset::kVersion] =
      static_cast<std::uint8_t>(values.number[kV] << 4 | (kVersionOctet & 0x0f));
  HeaderView view;
  return {{}, HeaderView::parse(packet, view)};
}

}  // namespace entresol::wire
