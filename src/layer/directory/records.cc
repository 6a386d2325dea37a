#include "layer/directory/records.h"

#include <algorithm>

#include "base/error_codes.h"

namespace entresol::layer::directory {
namespace {

namespace code = base::code;

bool is_word(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 190) return false;  // a label and a dot stand before it
  for (std::size_t begin = 0;;) {
    const std::size_t dot = text.find('.', begin);
    if (!is_word(text.substr(begin, dot - begin), kMaxLabel)) return false;
    if (dot == std::string_view::npos) return true;
    begin = dot + 1;
  }
}

bool is_prefix(const Ipv4Pool& pool) {
  if (pool.length < 8 || pool.length > 32) return false;
  const std::uint32_t behind =
      static_cast<std::uint32_t>((std::uint64_t{1} << (32 - pool.length)) - 1);
  return (base::load_be32(pool.first.data()) & behind) == 0;
}

}  // namespace

base::Result<void> check_label(std::string_view label) {
  if (is_word(label, kMaxLabel)) return {};
  return base::fail(code::kLabelMalformed,
                    "a label is 1 to 63 of a-z, 0-9 and '-', with no '-' at either end");
}

base::Result<void> check_tags(const std::vector<std::string>& tags) {
  if (tags.size() > kMaxTags)
    return base::fail(code::kLabelMalformed, "a member has at most 8 tags");
  for (const std::string& tag : tags)
    if (!is_word(tag, kMaxTag))
      return base::fail(code::kLabelMalformed,
                        "a tag is 1 to 31 of a-z, 0-9 and '-', with no '-' at either end");
  return {};
}

base::Result<DelegateRecord> delegate_record(base::ByteView delegation) {
  const auto object = membership::parse_member_delegation(delegation);
  if (!object) return tl::unexpected(object.error());
  const membership::MemberDelegation& body = object->body;
  return DelegateRecord{body.member,
                        body.sequence,
                        body.weight,
                        body.validity.not_before,
                        body.validity.not_after,
                        {delegation.begin(), delegation.end()}};
}

const DelegateRecord* NameRecord::delegate(const wire::Name& member) const {
  const auto found = std::ranges::find(delegates, member, &DelegateRecord::member);
  return found == delegates.end() ? nullptr : &*found;
}

base::Result<void> check_settings(const Settings& settings) {
  const auto bad = [](const char* what) { return base::fail(code::kConfigBadValue, what); };
  if (!is_word(settings.label, kMaxLabel))
    return bad("the layer's label is 1 to 63 of a-z, 0-9 and '-'");
  if (!is_domain(settings.domain))
    return bad("the layer's domain is labels of a-z, 0-9 and '-' with dots between them");
  if (!is_prefix(settings.pool))
    return bad("the layer's IPv4 pool is a prefix of 8 to 32 bits, with no bit set behind them");
  if (settings.lifetime < 10 || settings.lifetime > 366L * 24 * 3600)
    return bad("a certificate's lifetime is 10 s to 366 days");
  if (settings.forget_after < 0 || settings.forget_after > 3660L * 24 * 3600)
    return bad("a silent member is forgotten after 0 s to ten years");
  return {};
}

}  // namespace entresol::layer::directory
