// A controller in one of its named states: its API over an Authority over the real store, on a disk in memory that forgets
// what was not synced, can be full, and dies. What it has acknowledged is kept beside it, and compared after each life.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <source_location>
#include <string>
#include <vector>

#include "controller/api.h"
#include "layer/directory/base64url.h"
#include "layer/policy/policy.h"
#include "store/file/test_disk.h"
#include "store/sqlite.h"

namespace entresol::fuzz {

using controller::Json;
namespace directory = layer::directory;
namespace membership = layer::membership;

inline void require(bool holds, const std::source_location& at = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: does not hold\n", at.file_name(), static_cast<unsigned>(at.line()));
  std::abort();
}

enum class State : std::uint8_t {
  kFounded,  // nobody has joined
  kMembers,
  kTokens,  // one used, one expired, one revoked, one open
  kPolicySet,
  kGuests,
  kRevoked,
  kFullDisk,
  kWatched,
  kEndedCertificates,
  kCount,
};

// Somebody with keys of its own.
struct Person {
  Person(security::SeededRandom& random, const membership::LayerId& layer)
      : identity(crypto::ed25519_keypair(random.bytes<32>())),
        native(random.bytes<32>()),
        name(membership::name_of(layer, membership::kSuiteEd25519, identity.public_key)) {}
  crypto::Ed25519KeyPair identity;
  membership::Key native;
  wire::Name name;
  std::uint64_t sequence = 0;
  base::Bytes certificate;  // the newest that it was given
};

class Asked final : public http::Responder {
 public:
  void answer(http::Response response) override {
    require(!answered_);
    answered_ = true;
    status = response.status;
    json = Json::parse(response.body, nullptr, false);
    require(json.is_object() && status >= 200 && status < 600);
    require((status == 200) != json.contains("error"));
  }
  void vouch() override {}
  bool waiting() const override { return !answered_ && !gone; }
  bool answered() const { return answered_; }

  http::Request request;
  unsigned status = 0;
  Json json;
  bool gone = false;

 private:
  bool answered_ = false;
};

// What it has said, and so has to be true in its next life.
struct Acknowledged {
  struct Member {
    std::string ipv4, label;
    bool revoked = false;
    base::UnixSeconds revoked_at = 0;
  };
  std::map<std::string, Member> members, guests;                    // by name
  std::map<std::string, base::UnixSeconds> tokens, revoked_tokens;  // id, end
  std::uint64_t policy_revision = 1;
  std::string policy_text;
  std::set<std::string> api_tokens, revoked_api_tokens;
};

class ControllerScene {
 public:
  static constexpr base::UnixSeconds kStart = 1'700'000'000;
  static constexpr std::size_t kPeople = 5;

  explicit ControllerScene(State in) : state(in) {
    settings.layer = membership::layer_id_of(root.public_key);
    settings.label = "edge";
    settings.domain = "edge.internal";
    settings.pool = {{100, 64, 0, 0}, 28};
    for (std::size_t i = 0; i < kPeople; ++i) people.emplace_back(random, settings.layer);
    open_store();
    said.policy_text = "members: allow * *\n";
    require(
        store->commit(*directory::Authority::found(settings, said.policy_text, now)).has_value());
    start();
    auto made = directory::settle(
        *authority, *store,
        authority->create_api_token(
            {"all", static_cast<directory::Scopes>(directory::Scope::kAdmin), 0}, now));
    admin = "Bearer " + made->text;
    made = directory::settle(
        *authority, *store,
        authority->create_api_token(
            {"read", static_cast<directory::Scopes>(directory::Scope::kRead), 0}, now));
    reader = "Bearer " + made->text;
    become();
  }
  ~ControllerScene() { stop(); }

  // ---- requests ----
  std::shared_ptr<Asked> send(http::Request request) {
    auto asked = std::make_shared<Asked>();
    asked->request = std::move(request);
    last = asked->request;
    open_.push_back(asked);
    api->handle(asked->request, asked, now);
    return asked;
  }
  std::shared_ptr<Asked> ask(std::string method, std::string target, const Json& body,
                             std::string authorization) {
    auto asked = send({std::move(method),
                       std::move(target),
                       std::move(authorization),
                       body.is_null() ? "" : body.dump(),
                       {}});
    round();
    return asked;
  }
  std::string sign(const Person& who, std::string_view method, std::string_view target,
                   const std::string& body) const {
    return directory::emit_authorization(directory::prove(
        {method, target, {reinterpret_cast<const std::uint8_t*>(body.data()), body.size()}},
        settings.layer, who.name, who.identity, now));
  }
  http::Request signed_by(const Person& who, std::string method, std::string target,
                          const Json& body) const {
    std::string text = body.is_null() ? "" : body.dump();
    std::string authorization = sign(who, method, target, text);
    return {std::move(method), std::move(target), std::move(authorization), std::move(text), {}};
  }
  Json join_body(const Person& who, const std::string& secret, std::string label,
                 const char* role) const {
    return {{"token", secret},
            {"role", role},
            {"label", std::move(label)},
            {"identity", controller::octets_text(who.identity.public_key)}};
  }
  Json registration_body(Person& who, std::vector<wire::Name> attachments = {}) {
    membership::Registration body;
    body.layer = settings.layer;
    body.name = who.name;
    body.sequence = ++who.sequence;
    body.not_after = now + 7200;
    body.attachments = std::move(attachments);
    body.keys.push_back({membership::kProtocolNative, who.native});
    return {
        {"certificate", controller::octets_text(who.certificate)},
        {"registration", controller::octets_text(membership::sign(body, who.identity)->octets())}};
  }

  // What waits is answered, and what was answered well is remembered.
  void round() {
    api->end_of_round(now);
    std::erase_if(open_, [&](const std::shared_ptr<Asked>& asked) {
      if (!asked->answered())
        require(asked->request.target.starts_with("/v1/directory"));  // who watches, waits
      else if (asked->status == 200)
        remember(*asked);
      return asked->answered() || asked->gone;
    });
  }
  void pass(base::UnixSeconds seconds) {
    round();
    now += seconds;
    round();
    (void)api->upkeep(now);
  }

  // ---- lives ----
  void restart() {
    round();
    if (disk.dead()) return;
    stop();
    start();
    compare();
  }
  void crash(bool some) {
    api.reset();
    open_.clear();  // nobody was answered
    authority.reset();
    store.reset();
    disk.crash(some);
    open_store();
    start();
    compare();
  }
  // The end: what is known is what was acknowledged, and what is stored.
  void settle() {
    disk.limit(~std::uint64_t{0});
    disk.die_at(~std::uint64_t{0});
    for (auto& asked : open_) asked->gone = asked->gone || asked->answered();
    round();
    now += 60;
    round();
    for (const auto& asked : open_) require(asked->gone || asked->answered());
    require(api->watchers() == 0);
    compare();
    disk.die_at(0);
    crash(false);
    // It still serves.
    const auto version = ask("GET", "/v1", nullptr, "");
    require(version->status == 200);
    const auto status = ask("GET", "/v1/status", nullptr, reader);
    require(status->status == 200);
  }

  State state;
  security::SeededRandom random{11};
  store::test::Disk disk{5};
  crypto::Ed25519KeyPair root = crypto::ed25519_keypair(random.bytes<32>());
  directory::Settings settings;
  base::UnixSeconds now = kStart;
  std::vector<Person> people;
  std::unique_ptr<store::SqliteStore> store;
  std::unique_ptr<directory::Authority> authority;
  std::unique_ptr<controller::Api> api;
  std::string admin, reader;
  std::vector<std::string> secrets;  // of tokens, as people get them
  std::vector<std::string> token_ids;
  http::Request last;
  Acknowledged said;

 private:
  void open_store() {
    auto opened = store::SqliteStore::open({"store", disk.name(), true});
    require(opened.has_value());
    store = std::move(*opened);
  }
  void start() {
    auto snapshot = store->load();
    require(snapshot.has_value());
    auto opened = directory::Authority::open({root.public_key, root, {}}, *snapshot, random,
                                             [](std::string_view text) -> base::Result<void> {
                                               auto policy = layer::policy::parse(text);
                                               if (!policy) return tl::unexpected(policy.error());
                                               return {};
                                             });
    require(opened.has_value());
    authority = std::make_unique<directory::Authority>(std::move(*opened));
    api = std::make_unique<controller::Api>(controller::ApiConfig{{{"192.0.2.1", 4851}}, {}, 10},
                                            *authority, *store);
  }
  void stop() {
    if (api) round();
    api.reset();
    open_.clear();
    authority.reset();
  }

  void become() {
    switch (state) {
      case State::kFounded:
        return;
      case State::kMembers:
        return admit_some();
      case State::kTokens: {
        admit_some();
        token("host", 1);
        token("host", 3600);
        const auto id = token("node", 3600);
        ask("DELETE", "/v1/tokens/" + id, nullptr, admin);
        return pass(2);
      }
      case State::kPolicySet:
        admit_some();
        ask("PUT", "/v1/policy", {{"text", "one: deny * *\nmembers: allow * *\n"}}, admin);
        return;
      case State::kGuests:
        admit_some();
        for (std::uint8_t i = 1; i < 3; ++i)
          ask("POST", "/v1/guests",
              {{"label", "guest" + std::to_string(i)},
               {"wireguard_key", controller::octets_text(base::Bytes(32, i))}},
              admin);
        return;
      case State::kRevoked:
        admit_some();
        ask("DELETE", "/v1/members/p1", nullptr, admin);
        return;
      case State::kFullDisk:
        admit_some();
        token("host", 3600);
        return disk.limit(disk.used());
      case State::kWatched:
        admit_some();
        send(signed_by(people[0], "GET", "/v1/directory?wait=50&policy=1", nullptr));
        return round();
      case State::kEndedCertificates:
        admit_some();
        return pass(2 * 24 * 3600);
      case State::kCount:
        return;
    }
  }
  std::string token(const char* role, int lifetime) {
    return ask("POST", "/v1/tokens", {{"role", role}, {"lifetime", lifetime}}, admin)
        ->json["id"]
        .get<std::string>();
  }
  // p0 is a node, p1 and p2 are hosts.
  void admit_some() {
    for (std::size_t i = 0; i < 3; ++i) {
      const char* role = i == 0 ? "node" : "host";
      token(role, 3600);
      const std::string label = "p" + std::to_string(i);
      require(
          ask("POST", "/v1/join", join_body(people[i], secrets.back(), label, role), "")->status ==
          200);
      send(signed_by(people[i], "PUT", "/v1/registration", registration_body(people[i])));
      round();
    }
  }

  void remember(const Asked& asked) {
    const std::string& method = asked.request.method;
    const std::string target = asked.request.target.substr(0, asked.request.target.find('?'));
    const auto text = [](const Json& json, const char* key) {
      return json[key].get<std::string>();
    };
    if (target == "/v1/join" || target == "/v1/certificate") {
      const Json& member = asked.json["member"];
      auto& known = said.members[text(member, "name")];
      require(known.ipv4.empty() || known.ipv4 == text(member, "ipv4") || known.revoked);
      known = {text(member, "ipv4"), text(member, "label"), false, 0};
      for (Person& person : people)
        if (wire::to_string(person.name) == text(member, "name"))
          directory::from_base64url(text(member, "certificate"), person.certificate = {});
    } else if (method == "DELETE" && target.starts_with("/v1/members/")) {
      auto& known = said.members[text(asked.json, "name")];
      known.revoked = true;
      known.revoked_at = now;
    } else if (method == "POST" && target == "/v1/tokens") {
      const auto parsed = directory::parse_token(text(asked.json, "token"));
      require(parsed.has_value());
      secrets.push_back(controller::octets_text({parsed->secret.data(), parsed->secret.size()}));
      token_ids.push_back(text(asked.json, "id"));
      said.tokens[token_ids.back()] = asked.json["expires_at"].get<base::UnixSeconds>();
    } else if (method == "DELETE" && target.starts_with("/v1/tokens/")) {
      said.tokens.erase(text(asked.json, "id"));
      said.revoked_tokens[text(asked.json, "id")] = now;
    } else if (method == "POST" && target == "/v1/guests") {
      said.guests[text(asked.json, "name")] = {text(asked.json, "ipv4"), text(asked.json, "label"),
                                               false, 0};
    } else if (method == "DELETE" && target.starts_with("/v1/guests/")) {
      auto& known = said.guests[text(asked.json, "name")];
      known.revoked = true;
      known.revoked_at = now;
    } else if (method == "PUT" && target == "/v1/policy") {
      require(asked.json["revision"].get<std::uint64_t>() >= said.policy_revision);
      said.policy_revision = asked.json["revision"].get<std::uint64_t>();
      said.policy_text = text(asked.json, "text");
    } else if (method == "POST" && target == "/v1/api-tokens") {
      said.api_tokens.insert(text(asked.json, "id"));
    } else if (method == "DELETE" && target.starts_with("/v1/api-tokens/")) {
      said.api_tokens.erase(text(asked.json, "id"));
      said.revoked_api_tokens.insert(text(asked.json, "id"));
    }
  }

  template <typename Records>
  static const typename Records::mapped_type* find(const Records& records,
                                                   const std::string& name) {
    for (const auto& [key, record] : records)
      if (wire::to_string(key) == name) return &record;
    return nullptr;
  }
  // Who was revoked may be forgotten once nothing that was signed for him holds.
  template <typename Records>
  void compare(const Records& records,
               const std::map<std::string, Acknowledged::Member>& all) const {
    for (const auto& [name, known] : all) {
      const auto* record = find(records, name);
      if (known.revoked) {
        require(record == nullptr || record->revoked_at != 0);
      } else {
        require(record != nullptr && record->revoked_at == 0);
        require(controller::ipv4_text(record->ipv4) == known.ipv4 && record->label == known.label);
      }
    }
  }
  void compare() const {
    compare(authority->members(), said.members);
    compare(authority->guests(), said.guests);
    std::set<std::string> ids;
    std::set<wire::Name> admitted;
    for (const auto& [id, token] : authority->tokens()) {
      ids.insert(controller::id_text(id));
      require(!said.revoked_tokens.contains(controller::id_text(id)));
    }
    for (const auto& [id, end] : said.tokens) require(ids.contains(id) || now >= end + 24 * 3600);
    require(authority->policy().revision == said.policy_revision);
    require(authority->policy().text == said.policy_text);
    ids.clear();
    for (const auto& [id, token] : authority->api_tokens()) ids.insert(controller::id_text(id));
    for (const auto& id : said.revoked_api_tokens) require(!ids.contains(id));
    // One key a name, one name an address, one a label.
    std::set<directory::Ipv4> addresses;
    std::set<std::string> labels;
    for (const auto& [name, member] : authority->members()) {
      require(name ==
              membership::name_of(settings.layer, membership::kSuiteEd25519, member.identity));
      require(addresses.insert(member.ipv4).second);
      if (member.revoked_at == 0) require(labels.insert(member.label).second);
    }
    for (const auto& [name, guest] : authority->guests()) {
      require(addresses.insert(guest.ipv4).second);
      if (guest.revoked_at == 0) require(labels.insert(guest.label).second);
    }
    const auto stored = store->load();
    require(stored.has_value());
    require(stored->members.size() == authority->members().size());
    for (const auto& record : stored->members)
      require(authority->members().at(record.name) == record);
    require(stored->guests.size() == authority->guests().size());
    for (const auto& record : stored->guests)
      require(authority->guests().at(record.name) == record);
    require(stored->tokens.size() == authority->tokens().size());
    for (const auto& record : stored->tokens) require(authority->tokens().at(record.id) == record);
  }

  std::vector<std::shared_ptr<Asked>> open_;
};

}  // namespace entresol::fuzz
