// What people ask, with an API token: tokens, members, guests, policy.
#include <algorithm>

#include "base/error_codes.h"
#include "controller/call.h"

namespace entresol::controller {
namespace {

namespace code = base::code;

constexpr base::UnixSeconds kTokenLifetime = 24 * 3600;
constexpr base::UnixSeconds kGrantLifetime = 365L * 24 * 3600;

auto unknown(std::string_view kind, const std::string& who) {
  return base::fail(code::kMemberUnknown, "there is no " + std::string(kind) + " '" + who + "'");
}

auto no_token(const std::string& id) {
  return base::fail(code::kTokenUnknown, "there is no token '" + id + "'");
}

Json sorted(const char* key, std::vector<Json> all) {
  std::sort(all.begin(), all.end(),
            [](const Json& a, const Json& b) { return a["label"] < b["label"]; });
  return {{key, std::move(all)}};
}

}  // namespace

Api::Answer Api::version(const Call&) {
  return Json{{"api", {{"major", kApiMajor}, {"minor", kApiMinor}}},
              {"layer", authority_.settings().label}};
}

Json Api::status(base::UnixSeconds now) const {
  std::size_t hosts = 0, nodes = 0, open_tokens = 0;
  for (const auto& [name, member] : authority_.members())
    if (member.revoked_at == 0) ++(member.role == directory::Role::kNode ? nodes : hosts);
  for (const auto& [id, token] : authority_.tokens())
    open_tokens += !token.used_by && now < token.expires_at ? 1 : 0;
  return {{"layer", layer_json(authority_)},
          {"api", {{"major", kApiMajor}, {"minor", kApiMinor}}},
          {"hosts", hosts},
          {"nodes", nodes},
          {"guests", authority_.guests().size()},
          {"names", authority_.names().size()},
          {"services",
           std::ranges::count_if(authority_.services(),
                                 [](const auto& each) { return each.second.removed_at == 0; })},
          {"registrations", authority_.registrations().size()},
          {"open_tokens", open_tokens},
          {"free_addresses", authority_.free_addresses()},
          {"policy_revision", authority_.policy().revision},
          {"certificate_lifetime", authority_.settings().lifetime},
          {"delegation_ends", authority_.issues_until()},  // 0: never
          {"revision", directory::to_text(authority_.revision())},
          {"watchers", watchers_.size()},
          {"requests", counters_.requests},
          {"commits", counters_.commits},
          {"refused", counters_.refused}};
}

Api::Answer Api::get_status(const Call& call) {
  return status(call.now);
}

// --- members ---

// A node acknowledges the policy that it names when it asks for what came after.
Json Api::standing(const wire::Name& node) const {
  const Heard* heard = watchers_.heard(node);
  Json out{{"watching", watchers_.watching(node)}, {"heard_at", heard == nullptr ? 0 : heard->at}};
  if (heard != nullptr && heard->policy_revision) out["policy_revision"] = *heard->policy_revision;
  return out;
}

Json Api::described(const directory::MemberRecord& member) const {
  Json out = member_json(member, authority_);
  if (member.role == directory::Role::kNode) out.update(standing(member.name));
  return out;
}

Api::Answer Api::list_members(const Call& call) {
  const auto role = call.query.find("role");
  std::vector<Json> out;
  for (const auto& [name, member] : authority_.members())
    if (role == call.query.end() || role->second == role_text(member.role))
      out.push_back(described(member));
  return sorted("members", std::move(out));
}

Api::Answer Api::show_member(const Call& call) {
  const directory::MemberRecord* member = authority_.find_member(call.who);
  if (member == nullptr) return unknown("member", call.who);
  return described(*member);
}

Api::Answer Api::revoke_member(const Call& call) {
  auto revoked = settle(authority_.revoke_member(call.who, call.now));
  if (!revoked) return tl::unexpected(revoked.error());
  observe("member_revoked", revoked->label, call);
  return member_json(*revoked, authority_);
}

// --- join tokens ---

Api::Answer Api::list_tokens(const Call&) {
  std::vector<Json> out;
  for (const auto& [id, token] : authority_.tokens()) out.push_back(token_json(token, authority_));
  return sorted("tokens", std::move(out));
}

Api::Answer Api::create_token(const Call& call) {
  Fields fields(call.body);
  directory::TokenRequest request;
  request.role = fields.role("role", directory::Role::kHost);
  request.tags = fields.texts("tags");
  request.label = fields.text("label");
  request.lifetime = fields.number("lifetime", kTokenLifetime);
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  auto token = settle(authority_.create_token(request, call.now));
  if (!token) return tl::unexpected(token.error());
  auto text = directory::emit_token({config_.advertise, config_.pin, token->secret});
  if (!text) return tl::unexpected(text.error());
  observe("token_created", id_text(token->record.id), call);
  Json out = token_json(token->record, authority_);
  out["token"] = *text;
  return out;
}

Api::Answer Api::revoke_token(const Call& call) {
  const auto id = parse_id(call.who);
  if (!id) return no_token(call.who);
  auto revoked = settle(authority_.revoke_token(*id));
  if (!revoked) return tl::unexpected(revoked.error());
  observe("token_revoked", call.who, call);
  return token_json(*revoked, authority_);
}

// --- guests ---

Api::Answer Api::list_guests(const Call&) {
  std::vector<Json> out;
  for (const auto& [name, guest] : authority_.guests()) out.push_back(guest_json(guest));
  return sorted("guests", std::move(out));
}

Api::Answer Api::show_guest(const Call& call) {
  const directory::GuestRecord* guest = authority_.find_guest(call.who);
  if (guest == nullptr) return unknown("guest", call.who);
  return guest_json(*guest);
}

Api::Answer Api::add_guest(const Call& call) {
  Fields fields(call.body);
  directory::GuestRequest request;
  const base::Bytes key = fields.octets("wireguard_key", 32);
  request.label = fields.text("label");
  request.tags = fields.texts("tags");
  request.lifetime = fields.number("lifetime", kGrantLifetime);
  const std::vector<std::string> nodes = fields.texts("nodes");
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  std::copy(key.begin(), key.end(), request.wireguard_key.begin());
  for (const std::string& who : nodes) {
    const directory::MemberRecord* node = authority_.find_member(who);
    if (node == nullptr || node->role != directory::Role::kNode) return unknown("node", who);
    request.nodes.push_back(node->name);
  }
  auto guest = settle(authority_.add_guest(request, call.now));
  if (!guest) return tl::unexpected(guest.error());
  observe("guest_added", guest->label, call);
  Json out = guest_json(*guest);
  out["grant"] = octets_text(guest->grant);
  out["layer"] = layer_json(authority_);
  out["known_nodes"] = nodes_json(authority_.nodes(call.now));
  return out;
}

Api::Answer Api::remove_guest(const Call& call) {
  auto removed = settle(authority_.remove_guest(call.who, call.now));
  if (!removed) return tl::unexpected(removed.error());
  observe("guest_revoked", removed->label, call);
  return guest_json(*removed);
}

// --- policy ---

Json Api::nodes_standing() const {
  std::vector<Json> out;
  for (const auto& [name, member] : authority_.members())
    if (member.role == directory::Role::kNode && member.revoked_at == 0) {
      out.push_back({{"label", member.label}, {"name", wire::to_string(name)}});
      out.back().update(standing(name));
    }
  return sorted("nodes", std::move(out))["nodes"];
}

Api::Answer Api::get_policy(const Call&) {
  Json out = policy_json(authority_.policy());
  out["nodes"] = nodes_standing();
  return out;
}

Api::Answer Api::set_policy(const Call& call) {
  Fields fields(call.body);
  std::string text = fields.text("text");
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  auto policy = settle(authority_.set_policy(std::move(text), call.now));
  if (!policy) return tl::unexpected(policy.error());
  observe("policy_set", std::to_string(policy->revision), call);
  return policy_json(*policy);
}

// --- API tokens ---

Api::Answer Api::list_api_tokens(const Call&) {
  std::vector<Json> out;
  for (const auto& [id, token] : authority_.api_tokens()) out.push_back(api_token_json(token));
  return sorted("api_tokens", std::move(out));
}

Api::Answer Api::create_api_token(const Call& call) {
  Fields fields(call.body);
  directory::ApiTokenRequest request;
  request.label = fields.text("label");
  request.lifetime = fields.number("lifetime", 0);
  const std::vector<std::string> words = fields.texts("scopes");
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  auto scopes = parse_scopes(words);
  if (!scopes) return tl::unexpected(scopes.error());
  request.scopes = *scopes;
  auto token = settle(authority_.create_api_token(request, call.now));
  if (!token) return tl::unexpected(token.error());
  observe("api_token_created", token->record.label, call);
  Json out = api_token_json(token->record);
  out["token"] = token->text;
  return out;
}

Api::Answer Api::revoke_api_token(const Call& call) {
  const auto id = parse_id(call.who);
  if (!id) return no_token(call.who);
  auto revoked = settle(authority_.revoke_api_token(*id));
  if (!revoked) return tl::unexpected(revoked.error());
  observe("api_token_revoked", revoked->label, call);
  return api_token_json(*revoked);
}

}  // namespace entresol::controller
