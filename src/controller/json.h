// JSON of the controller's API (docs/api.md): fields out of bodies that anybody may have sent, and records as people and
// members see them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layer/directory/authority.h"

namespace entresol::controller {

using Json = nlohmann::ordered_json;
namespace directory = layer::directory;

// The body of a request: an object, or nothing for an empty body. kHttpBadRequest.
base::Result<Json> parse_body(std::string_view text);

// Fields of an object; those that are missing or null are empty. kConfigBadValue names the field.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}
  std::string text(const char* key);
  std::vector<std::string> texts(const char* key);
  base::Bytes octets(const char* key);
  // Exactly `size` octets.
  base::Bytes octets(const char* key, std::size_t size);
  // Seconds, not negative; `otherwise` if it is missing.
  std::int64_t number(const char* key, std::int64_t otherwise);
  // 0 to `most`; `otherwise` if it is missing.
  std::int64_t whole(const char* key, std::int64_t most, std::int64_t otherwise);
  directory::Role role(const char* key, directory::Role otherwise);
  // The first thing that was wrong.
  base::Result<void> error() const;

 private:
  const Json* find(const char* key) const;
  void refuse(const char* key, const char* wanted);
  const Json& object_;
  std::optional<base::Error> error_;
};

std::string octets_text(base::ByteView octets);  // base64url
std::string ipv4_text(const directory::Ipv4& address);
std::string id_text(const directory::TokenId& id);
std::optional<directory::TokenId> parse_id(std::string_view text);
std::string_view role_text(directory::Role role);
std::vector<std::string> scope_texts(directory::Scopes scopes);
// kConfigBadValue for a word that is no scope, or none.
base::Result<directory::Scopes> parse_scopes(const std::vector<std::string>& words);

Json layer_json(const directory::Authority& authority);
Json issued_json(const directory::Issued& issued, directory::Role role);
Json nodes_json(const std::vector<directory::MemberItem>& nodes);
Json changes_json(const directory::Changes& changes);
Json member_json(const directory::MemberRecord& member, const directory::Authority& authority);
Json token_json(const directory::TokenRecord& token, const directory::Authority& authority);
Json guest_json(const directory::GuestRecord& guest);
Json name_json(const directory::NameRecord& name, const directory::Authority& authority);
std::string_view kind_text(layer::membership::NameKind kind);
Json policy_json(const directory::PolicyRecord& policy);
Json api_token_json(const directory::ApiTokenRecord& token);

}  // namespace entresol::controller
