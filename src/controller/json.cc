#include "controller/json.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error_codes.h"
#include "io/endpoint_text.h"
#include "layer/directory/base64url.h"
#include "wire/name.h"

namespace entresol::controller {
namespace {

namespace code = base::code;
using directory::Authority;

constexpr std::array<std::pair<directory::Scope, std::string_view>, 5> kScopes{
    {{directory::Scope::kRead, "read"},
     {directory::Scope::kAdmit, "admit"},
     {directory::Scope::kPolicy, "policy"},
     {directory::Scope::kServices, "services"},
     {directory::Scope::kAdmin, "admin"}}};

}  // namespace

base::Result<Json> parse_body(std::string_view text) {
  if (text.empty()) return Json::object();
  Json body = Json::parse(text, nullptr, false);
  if (!body.is_object())
    return base::fail(code::kHttpBadRequest, "the request's body is no JSON object");
  return body;
}

const Json* Fields::find(const char* key) const {
  const auto at = object_.find(key);
  return at == object_.end() || at->is_null() ? nullptr : &*at;
}

void Fields::refuse(const char* key, const char* wanted) {
  if (!error_)
    error_ = base::Error{std::string(code::kConfigBadValue),
                         "'" + std::string(key) + "' has to be " + wanted};
}

std::string Fields::text(const char* key) {
  const Json* field = find(key);
  if (field == nullptr) return {};
  if (field->is_string()) return field->get<std::string>();
  refuse(key, "text");
  return {};
}

std::vector<std::string> Fields::texts(const char* key) {
  std::vector<std::string> out;
  const Json* field = find(key);
  if (field == nullptr) return out;
  const bool fits =
      field->is_array() &&
      std::all_of(field->begin(), field->end(), [](const Json& one) { return one.is_string(); });
  if (!fits) {
    refuse(key, "a list of texts");
    return out;
  }
  for (const Json& one : *field) out.push_back(one.get<std::string>());
  return out;
}

base::Bytes Fields::octets(const char* key) {
  base::Bytes out;
  if (!directory::from_base64url(text(key), out)) {
    refuse(key, "base64url without padding");
    out.clear();
  }
  return out;
}

base::Bytes Fields::octets(const char* key, std::size_t size) {
  base::Bytes out = octets(key);
  if (out.size() == size) return out;
  refuse(key, (std::to_string(size) + " octets in base64url").c_str());
  return base::Bytes(size);
}

std::int64_t Fields::number(const char* key, std::int64_t otherwise) {
  const Json* field = find(key);
  if (field == nullptr) return otherwise;
  if (field->is_number_integer() && *field >= 0 && *field <= INT32_MAX)
    return field->get<std::int64_t>();
  refuse(key, "a number of seconds, below 2147483648");
  return otherwise;
}

std::int64_t Fields::whole(const char* key, std::int64_t most, std::int64_t otherwise) {
  const Json* field = find(key);
  if (field == nullptr) return otherwise;
  if (field->is_number_integer() && *field >= 0 && *field <= most)
    return field->get<std::int64_t>();
  refuse(key, ("a whole number, at most " + std::to_string(most)).c_str());
  return otherwise;
}

directory::Role Fields::role(const char* key, directory::Role otherwise) {
  const std::string word = text(key);
  if (word == "node") return directory::Role::kNode;
  if (word == "host") return directory::Role::kHost;
  if (!word.empty()) refuse(key, "\"host\" or \"node\"");
  return otherwise;
}

base::Result<void> Fields::error() const {
  if (error_) return tl::unexpected(*error_);
  return {};
}

std::string octets_text(base::ByteView octets) {
  return directory::to_base64url(octets);
}

std::string ipv4_text(const directory::Ipv4& address) {
  std::string out;
  for (const std::uint8_t octet : address) out += (out.empty() ? "" : ".") + std::to_string(octet);
  return out;
}

std::string id_text(const directory::TokenId& id) {
  return base::to_hex(id);
}

std::optional<directory::TokenId> parse_id(std::string_view text) {
  base::Bytes octets;
  directory::TokenId id{};
  if (!base::from_hex(text, octets) || octets.size() != id.size()) return std::nullopt;
  std::copy(octets.begin(), octets.end(), id.begin());
  return id;
}

std::string_view role_text(directory::Role role) {
  return role == directory::Role::kNode ? "node" : "host";
}

std::string_view kind_text(layer::membership::NameKind kind) {
  return kind == layer::membership::NameKind::kService ? "service" : "shared";
}

std::vector<std::string> scope_texts(directory::Scopes scopes) {
  std::vector<std::string> out;
  for (const auto& [scope, word] : kScopes)
    if ((scopes & static_cast<directory::Scopes>(scope)) != 0) out.emplace_back(word);
  return out;
}

base::Result<directory::Scopes> parse_scopes(const std::vector<std::string>& words) {
  directory::Scopes scopes = 0;
  for (const std::string& said : words) {
    const auto found = std::find_if(kScopes.begin(), kScopes.end(),
                                    [&](const auto& each) { return each.second == said; });
    if (found == kScopes.end())
      return base::fail(code::kConfigBadValue,
                        "'scopes' has to be of read, admit, policy, services and admin");
    scopes |= static_cast<directory::Scopes>(found->first);
  }
  if (scopes == 0)
    return base::fail(code::kConfigBadValue,
                      "'scopes' is empty: name one of read, admit, policy, services, admin");
  return scopes;
}

Json layer_json(const Authority& authority) {
  const directory::Settings& settings = authority.settings();
  return {
      {"id", octets_text(settings.layer)},
      {"root", octets_text(authority.trust().root())},
      {"label", settings.label},
      {"domain", settings.domain},
      {"ipv4_pool", ipv4_text(settings.pool.first) + "/" + std::to_string(settings.pool.length)}};
}

Json issued_json(const directory::Issued& issued, directory::Role role) {
  return {{"name", wire::to_string(issued.name)},
          {"label", issued.label},
          {"ipv4", ipv4_text(issued.ipv4)},
          {"role", role_text(role)},
          {"certificate", octets_text(issued.certificate)},
          {"not_before", issued.validity.not_before},
          {"not_after", issued.validity.not_after}};
}

Json nodes_json(const std::vector<directory::MemberItem>& nodes) {
  Json out = Json::array();
  for (const directory::MemberItem& node : nodes)
    out.push_back({{"certificate", octets_text(node.certificate)},
                   {"registration", octets_text(node.registration)}});
  return out;
}

namespace {

struct ItemJson {
  Json operator()(const directory::MemberItem& member) const {
    return {{"kind", "member"},
            {"certificate", octets_text(member.certificate)},
            {"registration", octets_text(member.registration)}};
  }
  Json operator()(const directory::GuestItem& guest) const {
    return {{"kind", "guest"}, {"grant", octets_text(guest.grant)}};
  }
  Json operator()(const directory::NameItem& name) const {
    Json delegations = Json::array();
    for (const base::Bytes& each : name.delegations) delegations.push_back(octets_text(each));
    return {{"kind", "name"},
            {"certificate", octets_text(name.certificate)},
            {"delegations", std::move(delegations)}};
  }
  Json operator()(const directory::RevokedItem& revoked) const {
    return {{"kind", "revoked"}, {"name", wire::to_string(revoked.name)}, {"until", revoked.until}};
  }
  Json operator()(const directory::PolicyItem& policy) const {
    return {{"kind", "policy"},
            {"revision", policy.revision},
            {"text", policy.text},
            {"statement", octets_text(policy.statement)}};
  }
  Json operator()(const directory::CatalogueItem& services) const {
    return {{"kind", "services"},
            {"revision", services.revision},
            {"catalogue", octets_text(services.catalogue)},
            {"statement", octets_text(services.statement)}};
  }
};

}  // namespace

Json changes_json(const directory::Changes& changes) {
  Json items = Json::array();
  for (const directory::Item& item : changes.items) items.push_back(std::visit(ItemJson{}, item));
  return {{"revision", directory::to_text(changes.revision)},
          {"whole", changes.whole},
          {"more", changes.more},
          {"items", std::move(items)}};
}

Json member_json(const directory::MemberRecord& member, const Authority& authority) {
  Json out{{"name", wire::to_string(member.name)},
           {"label", member.label},
           {"role", role_text(member.role)},
           {"ipv4", ipv4_text(member.ipv4)},
           {"tags", member.tags},
           {"admitted_at", member.admitted_at},
           {"not_after", member.not_after},
           {"revoked_at", member.revoked_at},
           {"registered", false},
           {"attachments", Json::array()},
           {"endpoints", Json::array()}};
  const auto at = authority.registrations().find(member.name);
  if (at == authority.registrations().end()) return out;
  const auto registration = layer::membership::parse_registration(at->second.registration);
  if (!registration) return out;
  out["registered"] = true;
  out["registered_until"] = registration->body.not_after;
  for (const base::Endpoint& endpoint : registration->body.endpoints)
    out["endpoints"].push_back(io::to_text(endpoint));
  for (const wire::Name& node : registration->body.attachments) {
    const auto found = authority.members().find(node);
    out["attachments"].push_back(found == authority.members().end() ? wire::to_string(node)
                                                                    : found->second.label);
  }
  return out;
}

Json token_json(const directory::TokenRecord& token, const Authority& authority) {
  Json out{{"id", id_text(token.id)},
           {"role", role_text(token.role)},
           {"tags", token.tags},
           {"label", token.label},
           {"created_at", token.created_at},
           {"expires_at", token.expires_at},
           {"used_at", token.used_at},
           {"used_by", nullptr}};
  if (token.used_by) {
    const auto found = authority.members().find(*token.used_by);
    out["used_by"] =
        found == authority.members().end() ? wire::to_string(*token.used_by) : found->second.label;
  }
  return out;
}

Json guest_json(const directory::GuestRecord& guest) {
  Json nodes = Json::array();
  for (const wire::Name& node : guest.nodes) nodes.push_back(wire::to_string(node));
  return {
      {"name", wire::to_string(guest.name)}, {"label", guest.label},
      {"ipv4", ipv4_text(guest.ipv4)},       {"tags", guest.tags},
      {"nodes", std::move(nodes)},           {"not_after", guest.not_after},
      {"revoked_at", guest.revoked_at},      {"wireguard_key", octets_text(guest.wireguard_key)}};
}

Json name_json(const directory::NameRecord& name, const Authority& authority) {
  Json delegates = Json::array();
  for (const directory::DelegateRecord& each : name.delegates) {
    const auto member = authority.members().find(each.member);
    delegates.push_back({{"label", member == authority.members().end() ? "" : member->second.label},
                         {"name", wire::to_string(each.member)},
                         {"weight", each.weight},  // 0: taken back
                         {"sequence", each.sequence},
                         {"not_after", each.not_after}});
  }
  Json out{{"name", wire::to_string(name.name)},
           {"label", name.label},
           {"kind", kind_text(name.kind)},
           {"ipv4", ipv4_text(name.ipv4)},
           {"tags", name.tags},
           {"key", octets_text(name.key)},
           {"key_here", name.secret.has_value()},
           {"created_at", name.created_at},
           {"not_after", name.not_after},
           {"revoked_at", name.revoked_at},
           {"delegates", std::move(delegates)}};
  if (name.service != 0) out["service"] = name.service;
  return out;
}

Json policy_json(const directory::PolicyRecord& policy) {
  return {{"revision", policy.revision}, {"text", policy.text}, {"set_at", policy.set_at}};
}

Json api_token_json(const directory::ApiTokenRecord& token) {
  return {{"id", id_text(token.id)},
          {"label", token.label},
          {"scopes", scope_texts(token.scopes)},
          {"created_at", token.created_at},
          {"expires_at", token.expires_at}};
}

}  // namespace entresol::controller
