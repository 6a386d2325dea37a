// What people ask about names that members share.
#include <algorithm>

#include "base/error_codes.h"
#include "controller/call.h"

namespace entresol::controller {
namespace {

namespace code = base::code;
using layer::membership::NameKind;

auto unknown(const std::string& who) {
  return base::fail(code::kMemberUnknown, "there is no shared name '" + who + "'");
}

}  // namespace

Api::Answer Api::list_names(const Call&) {
  std::vector<Json> all;
  for (const auto& [text, name] : authority_.names()) all.push_back(name_json(name, authority_));
  std::sort(all.begin(), all.end(),
            [](const Json& a, const Json& b) { return a["label"] < b["label"]; });
  return Json{{"names", std::move(all)}};
}

Api::Answer Api::show_name(const Call& call) {
  const directory::NameRecord* name = authority_.find_name(call.who);
  if (name == nullptr) return unknown(call.who);
  return name_json(*name, authority_);
}

Api::Answer Api::create_name(const Call& call) {
  Fields fields(call.body);
  directory::NameRequest request;
  request.label = fields.text("label");
  request.tags = fields.texts("tags");
  const std::string kind = fields.text("kind");
  request.service = static_cast<std::uint32_t>(fields.whole("service", UINT32_MAX, 0));
  const bool owned = !fields.text("key").empty();
  const base::Bytes key = owned ? fields.octets("key", 32) : base::Bytes(32);
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  if (!kind.empty() && kind != "shared" && kind != "service")
    return base::fail(code::kConfigBadValue, "'kind' has to be \"shared\" or \"service\"");
  request.kind = kind == "service" ? NameKind::kService : NameKind::kShared;
  if (owned) std::copy(key.begin(), key.end(), request.key.emplace().begin());
  auto name = settle(authority_.create_name(request, call.now));
  if (!name) return tl::unexpected(name.error());
  observe("name_created", name->label, call);
  return name_json(*name, authority_);
}

// Members that may answer for it or, with weight 0, may no longer; or what its owner has signed.
Api::Answer Api::change_name(const Call& call) {
  Fields fields(call.body);
  const base::Bytes delegation = fields.octets("delegation");
  directory::DelegateRequest request;
  request.label = call.who;
  request.members = fields.texts("members");
  request.weight = static_cast<std::uint8_t>(fields.whole("weight", UINT8_MAX, 1));
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  if (delegation.empty() == request.members.empty())
    return base::fail(code::kConfigBadValue, "give either 'members' or a 'delegation'");
  auto name = delegation.empty()
                  ? settle(authority_.delegate_name(request, call.now))
                  : settle(authority_.put_delegation(call.who, delegation, call.now));
  if (!name) return tl::unexpected(name.error());
  observe("name_changed", name->label, call);
  return name_json(*name, authority_);
}

Api::Answer Api::revoke_name(const Call& call) {
  auto name = settle(authority_.revoke_name(call.who, call.now));
  if (!name) return tl::unexpected(name.error());
  observe("name_revoked", name->label, call);
  return name_json(*name, authority_);
}

}  // namespace entresol::controller
