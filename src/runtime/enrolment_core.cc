#include "runtime/enrolment_core.h"

#include <algorithm>
#include <utility>

#include "base/error_codes.h"
#include "layer/directory/base64url.h"
#include "layer/directory/request.h"

namespace entresol::runtime {
namespace {

namespace directory = layer::directory;
namespace membership = layer::membership;
using config::LogLevel;
using directory::Ask;

constexpr int kWatchSeconds = 45;
constexpr base::Duration kSaveInterval = std::chrono::seconds(2);
constexpr std::uint16_t kGuestMtu = 1420;
constexpr std::size_t kWatchBody = std::size_t{64} << 20;

// Empty octets for what is not there or no base64url.
base::Bytes octets_of(const Json& object, const char* key) {
  base::Bytes out;
  if (!object.is_object() || !object.contains(key) || !object[key].is_string() ||
      !directory::from_base64url(object[key].get<std::string>(), out))
    out.clear();
  return out;
}

// Of all that are base64url, one behind the other.
base::Bytes octets_of_all(const Json& object, const char* key) {
  base::Bytes out;
  if (!object.contains(key) || !object[key].is_array()) return out;
  for (const Json& each : object[key]) {
    base::Bytes one;
    if (each.is_string() && directory::from_base64url(each.get<std::string>(), one))
      out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

std::string text_of(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string()
             ? object[key].get<std::string>()
             : std::string();
}

// A registration that was handed in and refused for good.
bool needs_no_more(std::string_view error) {
  return error == base::code::kRegistrationOld || error == base::code::kMemberUnknown ||
         error == base::code::kMemberRevoked;
}

// What another try would not change: the controller has no such package, or is of a version that knows no services.
bool is_answer(Ask ask, std::string_view error) {
  switch (ask) {
    case Ask::kHandIn:
      return needs_no_more(error);
    case Ask::kPackage:
      return error == base::code::kServiceUnpublished || error == base::code::kUsage;
    case Ask::kReport:
      return error == base::code::kUsage;
    default:
      return false;
  }
}

}  // namespace

EnrolmentCore::EnrolmentCore(layer::member::Member& member, layer::member::LayerIndex layer,
                             bool node, Learnt& learnt, EnrolmentOutside& outside)
    : member_(member), layer_(layer), node_(node), learnt_(learnt), outside_(outside) {}

void EnrolmentCore::start(std::span<const membership::Objects> nodes, Now now) {
  bool nodes_known = false;
  for (const membership::Objects& each : nodes)
    if (member_.learn(layer_, each.certificate, each.registration, now.unix_seconds()))
      nodes_known = true;
  if (node_) {
    // Nobody may open anything until it is known who may.
    outside_.set_policy(layer::policy::Policy({}), 0);
    take_learnt(now);
    policy_kept_ = policy_revision_;
  }
  registrar_.emplace(membership().own().name, node_, nodes_known, now.unix_seconds());
  certified(now);
}

// What does not hold any more is not kept. The controller is asked for everything then: it may be this machine's clock
// that was wrong.
void EnrolmentCore::take_learnt(Now now) {
  const std::vector<Json> items = learnt_.items();
  learnt_.forget_items();
  std::size_t kept = 0;
  for (const Json& item : items)
    if (const std::string about = apply(item, now);
        !about.empty() && learnt_.keep_item(item, about))
      ++kept;
  if (kept < items.size()) learnt_.set_revision("");
}

void EnrolmentCore::certified(Now now) {
  const base::Bytes& chain = membership().own_certificate();
  auto certificate = membership().trust().certificate(chain, now.unix_seconds());
  // The controller dates certificates back, for clocks that are behind.
  if (certificate)
    registrar_->certified(certificate->validity.not_before + directory::kClockSkew,
                          certificate->validity.not_after);
}

void EnrolmentCore::ask_due(Now now) {
  for (const Ask one : registrar_->due(now.unix_seconds())) ask(one, now);
}

http::Request EnrolmentCore::registration_of(const wire::Name& name, Now now) const {
  const membership::Objects shown = membership().objects(name);
  return signed_request("PUT", "/v1/registration",
                        {{"certificate", directory::to_base64url(shown.certificate)},
                         {"registration", directory::to_base64url(shown.registration)}},
                        now);
}

// Of those that have not ended meanwhile. With none left it is the own registration, which never hurts.
http::Request EnrolmentCore::hand_in(Now now) {
  std::erase_if(lost_, [&](const auto& name) { return membership().find(name) == nullptr; });
  handed_in_ = lost_.empty() ? membership().own().name : *lost_.begin();
  return registration_of(handed_in_, now);
}

http::Request EnrolmentCore::signed_request(std::string method, std::string target, Json body,
                                            Now now) const {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  if (!body.is_null()) request.body = body.dump();
  const auto& own = membership();
  const base::ByteView octets(reinterpret_cast<const std::uint8_t*>(request.body.data()),
                              request.body.size());
  request.authorization = directory::emit_authorization(
      directory::prove({request.method, request.target, octets}, own.trust().layer(),
                       own.own().name, own.identity().identity, now.unix_seconds()));
  return request;
}

void EnrolmentCore::ask(Ask ask, Now now) {
  const auto& own = membership();
  http::Request request;
  http::Patience patience;
  switch (ask) {
    case Ask::kRenew:
      request = signed_request("POST", "/v1/certificate", Json::object(), now);
      break;
    case Ask::kNodes:
      request = signed_request("GET", "/v1/nodes", nullptr, now);
      break;
    case Ask::kRegister:
      request = registration_of(own.own().name, now);
      break;
    case Ask::kWatch: {
      std::string target = "/v1/directory?wait=" + std::to_string(watching_ ? kWatchSeconds : 0);
      if (!learnt_.revision().empty()) target += "&since=" + learnt_.revision();
      target += "&policy=" + std::to_string(policy_kept_);  // acknowledges it
      request = signed_request("GET", std::move(target), nullptr, now);
      patience.answer = std::chrono::seconds(kWatchSeconds + 15);
      patience.body_bytes = kWatchBody;
      break;
    }
    case Ask::kHandIn:
      request = hand_in(now);
      break;
    case Ask::kPackage:
      if (packages_.empty()) return registrar_->done(ask, true, now.unix_seconds());
      request =
          signed_request("GET", "/v1/packages/" + base::to_hex(packages_.front()), nullptr, now);
      break;
    case Ask::kReport:
      // Nothing is said to run before the catalogue that names it is on disk.
      report_waits_ = urgent_ > kept_;
      if (report_waits_) return registrar_->done(ask, true, now.unix_seconds());
      request = signed_request("PUT", "/v1/standing", outside_.standing(), now);
      break;
  }
  outside_.ask(ask, std::move(request), patience);
}

void EnrolmentCore::answered(Ask ask, base::Result<http::Response> response, Now now) {
  auto checked = http::check(std::move(response));
  bool ok = false;
  if (!checked && is_answer(ask, checked.error().code)) {
    ok = true;
    if (ask == Ask::kPackage) take_package(Json::object());
    checked = http::Response{};
  } else if (checked) {
    const Json answer = Json::parse(checked->body, nullptr, false);
    ok = take(ask, answer, now);
    if (!ok)
      checked = base::fail(base::code::kHttpBadAnswer, "the controller's answer has another form");
  }
  const std::string error = checked ? "" : checked.error().code + " " + checked.error().message;
  if (error != last_error_) {
    if (error.empty()) {
      outside_.tell(LogLevel::kInfo, "controller_answers", {{"layer", label()}});
    } else {
      outside_.tell(LogLevel::kWarning, "controller_fails", {{"layer", label()}, {"error", error}});
    }
    last_error_ = error;
  }
  if (ask == Ask::kHandIn && ok) {
    lost_.erase(handed_in_);
    if (!lost_.empty()) registrar_->hand_in_wanted();
  }
  if (ask == Ask::kPackage && ok && !packages_.empty()) registrar_->package_wanted();
  if (ask == Ask::kWatch && ok && urgent_ > kept_) {
    held_ = true;
  } else {
    registrar_->done(ask, ok, now.unix_seconds());
  }
}

// A disk that fails holds nothing up; but then nothing new is acknowledged.
void EnrolmentCore::kept(const Mark& mark, bool on_disk, Now now) {
  if (on_disk) policy_kept_ = mark.policy_revision;
  kept_ = std::max(kept_, mark.number);
  if (urgent_ <= kept_ && std::exchange(report_waits_, false)) registrar_->report_wanted();
  if (!held_ || urgent_ > kept_) return;
  held_ = false;
  registrar_->done(Ask::kWatch, true, now.unix_seconds());
}

bool EnrolmentCore::take(Ask ask, const Json& answer, Now now) {
  switch (ask) {
    case Ask::kRenew:
      return take_admission(answer, now);
    case Ask::kRegister:
    case Ask::kHandIn:
    case Ask::kReport:
      return answer.is_object();
    case Ask::kPackage:
      return answer.is_object() && take_package(answer);
    case Ask::kNodes:
      return answer.is_object() && answer.contains("nodes") && take_nodes(answer["nodes"], now);
    case Ask::kWatch:
      return take_changes(answer, now);
  }
  return false;
}

bool EnrolmentCore::take_admission(const Json& answer, Now now) {
  if (!answer.is_object() || !answer.contains("member")) return false;
  const base::Bytes chain = octets_of(answer["member"], "certificate");
  const auto& own = membership();
  if (chain != own.own_certificate()) {
    auto renewed = member_.renew_certificate(layer_, chain, now.at, now.unix_nanos);
    if (!renewed) {
      outside_.tell(LogLevel::kError, "certificate_refused",
                    {{"layer", label()}, {"error", renewed.error().message}});
      return false;
    }
    // Before anything else rests on it: who starts again starts with this one.
    outside_.keep_certificate(chain);
    outside_.tell(LogLevel::kInfo, "certificate_renewed", {{"layer", label()}});
    registrar_->registration_changed();
    certified(now);
  }
  return answer.contains("nodes") && take_nodes(answer["nodes"], now);
}

bool EnrolmentCore::take_nodes(const Json& nodes, Now now) {
  if (!nodes.is_array()) return false;
  bool any = false;
  for (const Json& node : nodes) {
    const base::Bytes certificate = octets_of(node, "certificate");
    const base::Bytes registration = octets_of(node, "registration");
    auto name = member_.learn(layer_, certificate, registration, now.unix_seconds());
    if (!name) continue;
    const membership::Member* known = membership().find(*name);
    if (known == nullptr || known->role != membership::Role::kNode) continue;
    outside_.keep_node(known->label, certificate, registration);
    any = true;
  }
  if (any) outside_.nodes_changed();
  return true;
}

bool EnrolmentCore::take_changes(const Json& answer, Now now) {
  if (!answer.is_object() || !answer.contains("items") || !answer["items"].is_array()) return false;
  if (answer.contains("whole") && answer["whole"] == true && whole_) {
    learnt_.forget_items();
    named_.emplace();
  }
  for (const Json& item : answer["items"])
    if (const std::string about = apply(item, now); !about.empty()) learnt_.keep_item(item, about);
  const bool more = answer.contains("more") && answer["more"] == true;
  if (named_ && !more) compare_whole();
  whole_ = !more;
  watching_ = !more;
  learnt_.set_revision(text_of(answer, "revision"));
  if (!answer["items"].empty()) {
    // Who is out stays out, also after a restart that comes at once; the rest can be asked for again.
    const bool urgent =
        std::any_of(answer["items"].begin(), answer["items"].end(),
                    [](const Json& item) { return text_of(item, "kind") != "member"; });
    urgent_ += urgent;
    outside_.keep_learnt(urgent ? base::Duration(0) : kSaveInterval);
    outside_.nodes_changed();
  }
  return true;
}

// A controller that starts again may have lost registrations, and has others as they were. Of the hosts that are attached
// here the newest are known here.
void EnrolmentCore::look_for_loss(const wire::Name& name, const base::Bytes& registration) {
  if (!named_) return;
  named_->insert(name);
  if (membership().objects(name).registration == registration) return;
  const auto& own = membership().own();
  const auto* known = membership().find(name);
  if (name == own.name) {
    registrar_->registration_changed();
  } else if (known != nullptr && known->is_host() && known->attached_to(own.name)) {
    lost_.insert(name);
  }
}

// And of some it knows nothing at all.
void EnrolmentCore::compare_whole() {
  const auto& own = membership().own();
  for (const auto& [name, known] : membership().all())
    if (known.is_host() && known.attached_to(own.name) && !named_->contains(name))
      lost_.insert(name);
  if (!named_->contains(own.name)) registrar_->registration_changed();
  named_.reset();
  // One that starts again has heard nothing of services.
  if (services_revision_ > 0) registrar_->report_wanted();
  if (!lost_.empty()) registrar_->hand_in_wanted();
}

// What the item is about; empty if it is not believed, or of a kind that is not known here.
std::string EnrolmentCore::apply(const Json& item, Now now) {
  const std::string kind = text_of(item, "kind");
  if (kind == "member") return apply_member(item, now);
  if (kind == "guest") return apply_guest(item, now);
  if (kind == "name") return apply_name(item, now);
  if (kind == "revoked") {
    const auto name = wire::name_from_text(text_of(item, "name"));
    if (!name || !item.contains("until") || !item["until"].is_number_integer()) return {};
    const auto until = item["until"].get<base::UnixSeconds>();
    if (until < now.unix_seconds() - directory::kClockSkew)
      return {};  // nothing of it holds any more
    member_.revoke(layer_, *name, until, now.at, now.unix_nanos);
    return wire::to_string(*name);
  }
  if (kind == "policy") return apply_policy(item, now) ? kind : std::string();
  return kind == "services" && apply_services(item, now) ? kind : std::string();
}

// A member that was believed with the same: a controller that starts again tells everything again, and signatures cost.
std::optional<wire::Name> EnrolmentCore::known_already(const base::Bytes& certificate,
                                                       const base::Bytes& registration) const {
  security::Credentials shown;
  shown.certificate = certificate;
  const wire::Name name = membership::Membership::name_shown(shown);
  if (membership().find(name) == nullptr) return std::nullopt;
  const membership::Objects known = membership().objects(name);
  if (known.certificate != certificate || known.registration != registration) return std::nullopt;
  return name;
}

std::string EnrolmentCore::apply_member(const Json& item, Now now) {
  const base::Bytes certificate = octets_of(item, "certificate");
  const base::Bytes registration = octets_of(item, "registration");
  if (const auto known = known_already(certificate, registration)) {
    look_for_loss(*known, registration);
    return wire::to_string(*known);
  }
  const auto believed = membership().trust().certificate(certificate, now.unix_seconds());
  if (!believed) return {};
  member_.readmit(layer_, believed->name());
  if (believed->name() != membership().own().name)
    (void)member_.learn(layer_, certificate, registration, now.unix_seconds());
  look_for_loss(believed->name(), registration);
  return wire::to_string(believed->name());
}

std::string EnrolmentCore::apply_name(const Json& item, Now now) {
  const base::Bytes certificate = octets_of(item, "certificate");
  const auto believed = membership().trust().name_certificate(certificate, now.unix_seconds());
  if (!believed) return {};
  (void)member_.learn_name(layer_, certificate, octets_of_all(item, "delegations"),
                           now.unix_seconds());
  return wire::to_string(believed->name());
}

std::string EnrolmentCore::apply_guest(const Json& item, Now now) {
  const base::Bytes grant = octets_of(item, "grant");
  const auto believed = membership().trust().grant(grant, now.unix_seconds());
  if (!believed) return {};
  member_.readmit(layer_, believed->name());
  const auto& nodes = believed->nodes;
  const bool here = nodes.empty() ||
                    std::find(nodes.begin(), nodes.end(), membership().own().name) != nodes.end();
  if (here) {
    (void)member_.add_guest(layer_, grant, std::nullopt, kGuestMtu, now.unix_seconds());
  } else {
    (void)member_.learn_guest(layer_, grant, now.unix_seconds());
  }
  return wire::to_string(believed->name());
}

// One that nobody has signed, that is older or that is not understood changes nothing: the one before goes on to hold.
bool EnrolmentCore::apply_policy(const Json& item, Now now) {
  if (item == policy_) return true;
  const std::string text = text_of(item, "text");
  const auto refuse = [&](const std::string& why) {
    outside_.tell(LogLevel::kError, "policy_refused", {{"layer", label()}, {"error", why}});
    return false;
  };
  const auto statement =
      membership().trust().policy(octets_of(item, "statement"), text, now.unix_seconds());
  if (!statement) return refuse(statement.error().message);
  const std::uint64_t revision = statement->revision;
  if (std::pair(statement->issued_at, revision) < std::pair(policy_issued_at_, policy_revision_))
    return refuse("it is older than revision " + std::to_string(policy_revision_) +
                  ", which holds; set it again if it is meant");
  auto policy = layer::policy::parse(text);
  if (!policy) return refuse(policy.error().message);
  outside_.tell(LogLevel::kInfo, "policy",
                {{"layer", label()}, {"revision", revision}, {"rules", policy->rules().size()}});
  outside_.set_policy(std::move(*policy), revision);
  policy_revision_ = revision;
  policy_issued_at_ = statement->issued_at;
  policy_ = item;
  return true;
}

// As a policy: the newest that an operator has signed holds.
bool EnrolmentCore::apply_services(const Json& item, Now now) {
  if (!node_) return false;
  if (item == services_) return true;
  const base::Bytes octets = octets_of(item, "catalogue");
  const auto refuse = [&](const std::string& why) {
    outside_.tell(LogLevel::kError, "services_refused", {{"layer", label()}, {"error", why}});
    return false;
  };
  const auto statement =
      membership().trust().catalogue(octets_of(item, "statement"), octets, now.unix_seconds());
  if (!statement) return refuse(statement.error().message);
  const std::uint64_t revision = statement->revision;
  if (std::pair(statement->issued_at, revision) <
      std::pair(services_issued_at_, services_revision_))
    return refuse("it is older than revision " + std::to_string(services_revision_) +
                  ", which holds");
  auto catalogue = directory::parse_catalogue(octets);
  if (!catalogue) return refuse(catalogue.error().message);
  services_ = item;
  services_revision_ = revision;
  services_issued_at_ = statement->issued_at;
  outside_.tell(LogLevel::kInfo, "services",
                {{"layer", label()}, {"revision", revision}, {"services", catalogue->size()}});
  outside_.set_services(std::move(*catalogue), revision);
  return true;
}

void EnrolmentCore::package_wanted(const crypto::Hash256& hash) {
  if (std::find(packages_.begin(), packages_.end(), hash) == packages_.end())
    packages_.push_back(hash);
  if (registrar_) registrar_->package_wanted();
}

bool EnrolmentCore::take_package(const Json& answer) {
  if (packages_.empty()) return true;
  const crypto::Hash256 hash = packages_.front();
  packages_.pop_front();
  outside_.take_package(hash, octets_of(answer, "package"));
  return true;
}

}  // namespace entresol::runtime
