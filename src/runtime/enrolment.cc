#include "runtime/enrolment.h"

#include <algorithm>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/files.h"
#include "layer/directory/base64url.h"
#include "layer/directory/request.h"
#include "layer/membership/armor.h"
#include "runtime/files.h"

namespace entresol::runtime {
namespace {

namespace directory = layer::directory;
namespace membership = layer::membership;
using directory::Ask;

constexpr int kWatchSeconds = 45;
constexpr base::Duration kSaveInterval = std::chrono::seconds(2);
constexpr std::uint16_t kGuestMtu = 1420;
constexpr std::size_t kWatchBody = std::size_t{64} << 20;

http::Destination destination_of(const config::LayerIdentity& config) {
  http::Destination destination;
  for (const config::Address& address : config.controller->addresses)
    destination.addresses.push_back({address.host, address.port});
  destination.pin = config.controller->pin;
  return destination;
}

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

}  // namespace

Enrolment::Enrolment(Runtime& runtime, layer::member::LayerIndex layer,
                     const config::LayerIdentity& config)
    : runtime_(runtime),
      layer_(layer),
      label_(config.label),
      certificate_file_(config.certificate),
      learnt_(config.state),
      client_(runtime.loop(), destination_of(config)),
      watcher_(runtime.loop(), destination_of(config)) {
  timer_ = runtime.loop().add_timer([this] { ask_due(); });
  save_timer_ = runtime.loop().add_timer([this] { save(); });
}

Enrolment::~Enrolment() {
  if (saving_.joinable()) saving_.join();
}

void Enrolment::start() {
  const base::UnixSeconds now = io::unix_now();
  layer::member::Member& member = runtime_.member();
  bool nodes_known = false;
  for (const std::string& file : learnt_.node_files()) {
    auto read = read_member(file);
    if (read && member.learn(layer_, read->certificate, read->registration, now))
      nodes_known = true;
  }
  if (runtime_.is_node()) {
    // Nobody may open anything until it is known who may.
    runtime_.set_policy(layer_, layer::policy::Policy({}), 0);
    take_learnt();
  }
  registrar_ = std::make_unique<directory::Registrar>(member.membership(layer_).own().name,
                                                      runtime_.is_node(), nodes_known, now);
  certified();
  wake();
}

// What does not hold any more is not kept. The controller is asked for everything then: it may be this machine's clock
// that was wrong.
void Enrolment::take_learnt() {
  learnt_.load();
  const std::vector<Json> items = learnt_.items();
  learnt_.forget_items();
  std::size_t kept = 0;
  for (const Json& item : items)
    if (const std::string about = apply(item); !about.empty() && learnt_.keep_item(item, about))
      ++kept;
  if (kept < items.size()) learnt_.set_revision("");
}

void Enrolment::certified() {
  const base::Bytes& chain = runtime_.member().membership(layer_).own_certificate();
  const base::UnixSeconds now = io::unix_now();
  auto certificate = runtime_.member().membership(layer_).trust().certificate(chain, now);
  // The controller dates certificates back, for clocks that are behind.
  if (certificate)
    registrar_->certified(certificate->validity.not_before + directory::kClockSkew,
                          certificate->validity.not_after);
}

void Enrolment::nodes_wanted() {
  registrar_->nodes_wanted();
  wake();
}

void Enrolment::registration_changed() {
  if (!registrar_) return;
  registrar_->registration_changed();
  wake();
}

void Enrolment::wake() {
  const base::UnixSeconds next = registrar_->next_timer();
  if (next == directory::Registrar::kNever) return runtime_.loop().disarm(timer_);
  const base::UnixSeconds wait = std::max<base::UnixSeconds>(0, next - io::unix_now());
  runtime_.loop().arm(timer_, io::now() + std::chrono::seconds(wait));
}

void Enrolment::ask_due() {
  for (const Ask one : registrar_->due(io::unix_now())) ask(one);
  wake();
}

http::Request Enrolment::signed_request(std::string method, std::string target, Json body) const {
  http::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  if (!body.is_null()) request.body = body.dump();
  const auto& own = runtime_.member().membership(layer_);
  const base::ByteView octets(reinterpret_cast<const std::uint8_t*>(request.body.data()),
                              request.body.size());
  request.authorization = directory::emit_authorization(
      directory::prove({request.method, request.target, octets}, own.trust().layer(),
                       own.own().name, own.identity().identity, io::unix_now()));
  return request;
}

void Enrolment::ask(Ask ask) {
  const auto& own = runtime_.member().membership(layer_);
  http::Request request;
  http::Patience patience;
  switch (ask) {
    case Ask::kRenew:
      request = signed_request("POST", "/v1/certificate", Json::object());
      break;
    case Ask::kNodes:
      request = signed_request("GET", "/v1/nodes", nullptr);
      break;
    case Ask::kRegister:
      request = signed_request("PUT", "/v1/registration",
                               {{"certificate", directory::to_base64url(own.own_certificate())},
                                {"registration", directory::to_base64url(own.own_registration())}});
      break;
    case Ask::kWatch: {
      std::string target = "/v1/directory?wait=" + std::to_string(watching_ ? kWatchSeconds : 0);
      if (!learnt_.revision().empty()) target += "&since=" + learnt_.revision();
      target += "&policy=" + std::to_string(policy_revision_);  // acknowledges it
      request = signed_request("GET", std::move(target), nullptr);
      patience.answer = std::chrono::seconds(kWatchSeconds + 15);
      patience.body_bytes = kWatchBody;
      break;
    }
  }
  http::Client& client = ask == Ask::kWatch ? watcher_ : client_;
  client.ask(std::move(request), patience, [this, ask](base::Result<http::Response> response) {
    answered(ask, std::move(response));
  });
}

void Enrolment::answered(Ask ask, base::Result<http::Response> response) {
  auto checked = http::check(std::move(response));
  bool ok = false;
  if (checked) {
    const Json answer = Json::parse(checked->body, nullptr, false);
    ok = take(ask, answer);
    if (!ok)
      checked = base::fail(base::code::kHttpBadAnswer, "the controller's answer has another form");
  }
  const std::string error = checked ? "" : checked.error().code + " " + checked.error().message;
  if (error != last_error_) {
    if (error.empty()) {
      runtime_.log().write(config::LogLevel::kInfo, "controller_answers", io::now(),
                           {{"layer", label_}});
    } else {
      runtime_.log().write(config::LogLevel::kWarning, "controller_fails", io::now(),
                           {{"layer", label_}, {"error", error}});
    }
    last_error_ = error;
  }
  registrar_->done(ask, ok, io::unix_now());
  runtime_.after_input();
  wake();
}

bool Enrolment::take(Ask ask, const Json& answer) {
  switch (ask) {
    case Ask::kRenew:
      return take_admission(answer);
    case Ask::kRegister:
      return answer.is_object();
    case Ask::kNodes:
      return answer.is_object() && answer.contains("nodes") && take_nodes(answer["nodes"]);
    case Ask::kWatch:
      return take_changes(answer);
  }
  return false;
}

bool Enrolment::take_admission(const Json& answer) {
  if (!answer.is_object() || !answer.contains("member")) return false;
  const base::Bytes chain = octets_of(answer["member"], "certificate");
  const auto& own = runtime_.member().membership(layer_);
  if (chain != own.own_certificate()) {
    auto renewed = runtime_.member().renew_certificate(layer_, chain, io::now(), io::unix_nanos());
    if (!renewed) {
      runtime_.log().write(config::LogLevel::kError, "certificate_refused", io::now(),
                           {{"layer", label_}, {"error", renewed.error().message}});
      return false;
    }
    // Before anything else rests on it: who starts again starts with this one.
    if (auto kept =
            io::write_text_file(certificate_file_, armored_chain(membership::kCertificate, chain));
        !kept)
      runtime_.log().write(config::LogLevel::kError, "state_unwritable", io::now(),
                           {{"error", kept.error().message}});
    runtime_.log().write(config::LogLevel::kInfo, "certificate_renewed", io::now(),
                         {{"layer", label_}});
    registrar_->registration_changed();
    certified();
  }
  return answer.contains("nodes") && take_nodes(answer["nodes"]);
}

bool Enrolment::take_nodes(const Json& nodes) {
  if (!nodes.is_array()) return false;
  bool any = false;
  for (const Json& node : nodes) {
    const base::Bytes certificate = octets_of(node, "certificate");
    const base::Bytes registration = octets_of(node, "registration");
    auto name = runtime_.member().learn(layer_, certificate, registration, io::unix_now());
    if (!name) continue;
    const membership::Member* known = runtime_.member().membership(layer_).find(*name);
    if (known == nullptr || known->role != membership::Role::kNode) continue;
    if (auto kept = learnt_.keep_node(known->label, certificate, registration); !kept)
      runtime_.log().write(config::LogLevel::kError, "state_unwritable", io::now(),
                           {{"error", kept.error().message}});
    any = true;
  }
  if (any && nodes_changed_) nodes_changed_();
  return true;
}

bool Enrolment::take_changes(const Json& answer) {
  if (!answer.is_object() || !answer.contains("items") || !answer["items"].is_array()) return false;
  if (answer.contains("whole") && answer["whole"] == true && whole_) learnt_.forget_items();
  for (const Json& item : answer["items"])
    if (const std::string about = apply(item); !about.empty()) learnt_.keep_item(item, about);
  const bool more = answer.contains("more") && answer["more"] == true;
  whole_ = !more;
  watching_ = !more;
  learnt_.set_revision(text_of(answer, "revision"));
  if (!answer["items"].empty()) {
    // Who is out stays out, also after a restart that comes at once; the rest can be asked for again.
    const bool urgent =
        std::any_of(answer["items"].begin(), answer["items"].end(),
                    [](const Json& item) { return text_of(item, "kind") != "member"; });
    save_soon(urgent ? base::Duration(0) : kSaveInterval);
    if (nodes_changed_) nodes_changed_();
  }
  return true;
}

void Enrolment::save_soon(base::Duration wait) {
  if (wait == base::Duration(0) || !runtime_.loop().armed(save_timer_))
    runtime_.loop().arm(save_timer_, io::now() + wait);
}

void Enrolment::save() {
  if (saving_.joinable()) return save_soon(kSaveInterval);
  saving_ = std::thread([this, directory = learnt_.directory(), text = learnt_.text()] {
    auto kept = Learnt::write(directory, text);
    runtime_.loop().post([this, kept = std::move(kept)] {
      saving_.join();
      if (!kept)
        runtime_.log().write(config::LogLevel::kError, "state_unwritable", io::now(),
                             {{"error", kept.error().message}});
    });
  });
}

// What the item is about; empty if it is not believed, or of a kind that is not known here.
std::string Enrolment::apply(const Json& item) {
  layer::member::Member& member = runtime_.member();
  const base::UnixSeconds now = io::unix_now();
  const std::string kind = text_of(item, "kind");
  if (kind == "member") {
    const base::Bytes certificate = octets_of(item, "certificate");
    const auto believed = member.membership(layer_).trust().certificate(certificate, now);
    if (!believed) return {};
    member.readmit(layer_, believed->name());
    if (believed->name() != member.membership(layer_).own().name)
      (void)member.learn(layer_, certificate, octets_of(item, "registration"), now);
    return wire::to_string(believed->name());
  }
  if (kind == "guest") {
    const base::Bytes grant = octets_of(item, "grant");
    const auto believed = member.membership(layer_).trust().grant(grant, now);
    if (!believed) return {};
    member.readmit(layer_, believed->name());
    const auto& nodes = believed->nodes;
    const bool here =
        nodes.empty() ||
        std::find(nodes.begin(), nodes.end(), member.membership(layer_).own().name) != nodes.end();
    if (here) {
      (void)member.add_guest(layer_, grant, std::nullopt, kGuestMtu, now);
    } else {
      (void)member.learn_guest(layer_, grant, now);
    }
    return wire::to_string(believed->name());
  }
  if (kind == "name") {
    const base::Bytes certificate = octets_of(item, "certificate");
    const auto believed = member.membership(layer_).trust().name_certificate(certificate, now);
    if (!believed) return {};
    (void)member.learn_name(layer_, certificate, octets_of_all(item, "delegations"), now);
    return wire::to_string(believed->name());
  }
  if (kind == "revoked") {
    const auto name = wire::name_from_text(text_of(item, "name"));
    if (!name || !item.contains("until") || !item["until"].is_number_integer()) return {};
    const auto until = item["until"].get<base::UnixSeconds>();
    if (until < now - directory::kClockSkew) return {};  // nothing of it holds any more
    member.revoke(layer_, *name, until, io::now(), io::unix_nanos());
    return wire::to_string(*name);
  }
  return kind == "policy" && apply_policy(item) ? kind : std::string();
}

// One that nobody has signed, that is older or that is not understood changes nothing: the one before goes on to hold.
bool Enrolment::apply_policy(const Json& item) {
  if (item == policy_) return true;
  const std::string text = text_of(item, "text");
  const auto refuse = [&](const std::string& why) {
    runtime_.log().write(config::LogLevel::kError, "policy_refused", io::now(),
                         {{"layer", label_}, {"error", why}});
    return false;
  };
  const auto statement = runtime_.member().membership(layer_).trust().policy(
      octets_of(item, "statement"), text, io::unix_now());
  if (!statement) return refuse(statement.error().message);
  const std::uint64_t revision = statement->revision;
  if (std::pair(statement->issued_at, revision) < std::pair(policy_issued_at_, policy_revision_))
    return refuse("it is older than revision " + std::to_string(policy_revision_) +
                  ", which holds; set it again if it is meant");
  auto policy = layer::policy::parse(text);
  if (!policy) return refuse(policy.error().message);
  runtime_.log().write(
      config::LogLevel::kInfo, "policy", io::now(),
      {{"layer", label_}, {"revision", revision}, {"rules", policy->rules().size()}});
  runtime_.set_policy(layer_, std::move(*policy), revision);
  policy_revision_ = revision;
  policy_issued_at_ = statement->issued_at;
  policy_ = item;
  return true;
}

Json Enrolment::status() const {
  const bool answers = last_error_.empty();
  Json out{{"controller", answers ? "answers" : "fails"},
           {"certificate_renews_at", registrar_->renews_at()}};
  if (!answers) out["controller_error"] = last_error_;
  if (runtime_.is_node()) out["directory_revision"] = learnt_.revision();
  return out;
}

}  // namespace entresol::runtime
