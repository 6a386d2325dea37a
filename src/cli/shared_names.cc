// Names that members share, and services': made, delegated, taken back and revoked.
#include <algorithm>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/commands.h"
#include "cli/place.h"
#include "io/clock.h"
#include "layer/directory/base64url.h"
#include "layer/membership/trust.h"
#include "runtime/files.h"

namespace entresol::cli {
namespace {

namespace code = base::code;
namespace directory = layer::directory;
namespace membership = layer::membership;

constexpr base::UnixSeconds kSkew = 300;  // clocks of other members

std::string members_of(const Json& name) {
  std::string out;
  for (const Json& each : part_of(name, "delegates"))
    if (number_of(each, "weight") > 0) out += (out.empty() ? "" : ", ") + text_of(each, "label");
  return out;
}

// What is signed with the owner's key, on the machine that has it.
class OwnersHand {
 public:
  static base::Result<OwnersHand> open(const AdminAccess& access, const NameOptions& options,
                                       base::UnixSeconds lifetime) {
    auto key = runtime::read_name_key(options.with);
    if (!key) return tl::unexpected(key.error());
    auto status = ask_controller(access, "GET", "/v1/status");
    if (!status) return tl::unexpected(status.error());
    auto name = ask_controller(access, "GET", "/v1/names/" + segment(options.label));
    if (!name) return tl::unexpected(name.error());
    OwnersHand hand;
    hand.key_ = std::move(*key);
    hand.lifetime_ = lifetime;
    hand.weight_ = static_cast<std::uint8_t>(options.weight);
    hand.known_ = std::move(*name);
    base::Bytes layer;
    if (!directory::from_base64url(text_of(part_of(*status, "layer"), "id"), layer) ||
        layer.size() != hand.layer_.size())
      return base::fail(code::kHttpBadAnswer, "the controller's answer names no layer");
    std::copy(layer.begin(), layer.end(), hand.layer_.begin());
    hand.name_ = membership::name_of(hand.layer_, membership::kSuiteShared, hand.key_.public_key);
    if (wire::to_string(hand.name_) != text_of(hand.known_, "name"))
      return base::fail(code::kCertificateUntrusted,
                        options.with + ": is not the key of '" + options.label + "'");
    return hand;
  }

  // Nothing to hand in if there is nothing to take back.
  base::Result<base::Bytes> sign_for(const AdminAccess& access, const std::string& who) const {
    auto member = ask_controller(access, "GET", "/v1/members/" + segment(who));
    if (!member) return tl::unexpected(member.error());
    const std::string name = text_of(*member, "name");
    const base::UnixSeconds now = io::unix_now();
    membership::MemberDelegation body;
    body.layer = layer_;
    body.name = name_;
    body.member = wire::name_from_text(name).value_or(wire::Name{});
    body.sequence = static_cast<std::uint64_t>(now);
    body.weight = weight_;
    body.validity = {now - kSkew, now + lifetime_};
    bool there = false;
    for (const Json& each : part_of(known_, "delegates")) {
      if (text_of(each, "name") != name) continue;
      there =
          number_of(each, "weight") > 0 && number_of(each, "not_after") > static_cast<double>(now);
      body.sequence =
          std::max(body.sequence, static_cast<std::uint64_t>(number_of(each, "sequence")) + 1);
      // It has to be remembered for as long as what it takes back would hold.
      if (weight_ == 0)
        body.validity.not_after = static_cast<base::UnixSeconds>(number_of(each, "not_after"));
    }
    if (weight_ == 0 && !there) return base::Bytes{};
    auto object = membership::sign(body, key_);
    if (!object) return tl::unexpected(object.error());
    return object->octets();
  }
  const Json& known() const { return known_; }

 private:
  crypto::Ed25519KeyPair key_;
  membership::LayerId layer_{};
  wire::Name name_;
  Json known_;
  base::UnixSeconds lifetime_ = 0;
  std::uint8_t weight_ = 1;
};

base::Result<Json> delegate_by_hand(const AdminAccess& access, const NameOptions& options,
                                    base::UnixSeconds lifetime) {
  auto hand = OwnersHand::open(access, options, lifetime);
  if (!hand) return tl::unexpected(hand.error());
  std::vector<base::Bytes> objects;
  for (const std::string& who : options.members) {
    auto object = hand->sign_for(access, who);
    if (!object) return tl::unexpected(object.error());
    if (!object->empty()) objects.push_back(std::move(*object));
  }
  Json name = hand->known();
  for (const base::Bytes& object : objects) {
    auto answer = ask_controller(access, "PUT", "/v1/names/" + segment(options.label),
                                 {{"delegation", directory::to_base64url(object)}});
    if (!answer) return tl::unexpected(answer.error());
    name = std::move(*answer);
  }
  return name;
}

}  // namespace

int create_name(const Global& global, const std::string& admin, const NameOptions& options) {
  Json body{{"label", options.label},
            {"tags", options.tags},
            {"kind", options.service == 0 ? "shared" : "service"}};
  if (options.service != 0) body["service"] = options.service;
  if (!options.key.empty()) {
    auto key = runtime::read_name_public(options.key);
    if (!key) return report(global, key.error());
    body["key"] = directory::to_base64url(*key);
  }
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto name = ask_controller(*access, "POST", "/v1/names", body);
  if (!name) return report(global, name.error());
  if (global.json) {
    print(*name);
    return runtime::kExitOk;
  }
  std::printf("%s is a name of the layer: %s %s\n", bold(options.label).c_str(),
              text_of(*name, "name").c_str(), text_of(*name, "ipv4").c_str());
  next(global,
       "entresol name delegate " + options.label + " MEMBER" +
           (options.key.empty() ? "" : " --with NAME.key"),
       "who may answer for it");
  return runtime::kExitOk;
}

int delegate_name(const Global& global, const std::string& admin, const NameOptions& options) {
  auto lifetime = lifetime_of("--lifetime", options.lifetime);
  if (!lifetime) return report(global, lifetime.error());
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto name = options.with.empty()
                  ? ask_controller(*access, "PUT", "/v1/names/" + segment(options.label),
                                   {{"members", options.members}, {"weight", options.weight}})
                  : delegate_by_hand(*access, options, *lifetime);
  if (!name) return report(global, name.error());
  if (global.json) {
    print(*name);
    return runtime::kExitOk;
  }
  const std::string members = members_of(*name);
  if (members.empty()) {
    std::printf("nobody may answer for %s\n", bold(options.label).c_str());
    next(global, "entresol name delegate " + options.label + " MEMBER", "who may");
  } else {
    std::printf("for %s may answer: %s\n", bold(options.label).c_str(), members.c_str());
    next(global, "entresol name show " + text_of(*name, "label"), "until when, and its addresses");
  }
  return runtime::kExitOk;
}

int revoke_name(const Global& global, const std::string& admin, const NameOptions& options) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto name = ask_controller(*access, "DELETE", "/v1/names/" + segment(options.label));
  if (!name) return report(global, name.error());
  if (global.json) {
    print(*name);
    return runtime::kExitOk;
  }
  std::printf(
      "%s is revoked: nodes forget it as soon as they hear of it; its certificate would "
      "have ended %s\n",
      bold(text_of(*name, "label")).c_str(),
      human_time(static_cast<base::UnixSeconds>(number_of(*name, "not_after"))).c_str());
  next(global, "entresol name list", "those that are left");
  return runtime::kExitOk;
}

}  // namespace entresol::cli
