#include "operator.h"

#include "base/error_codes.h"

namespace entresol::sim {
namespace {

using std::chrono::seconds;

constexpr base::UnixSeconds kTokenLifetime = 24 * 3600;

}  // namespace

Operator::Operator(Timeline& timeline, Underlay& underlay, ControllerMachine& controller,
                   Truth& truth, std::uint64_t seed)
    : timeline_(timeline),
      controller_(controller),
      truth_(truth),
      random_(seed),
      station_(underlay.add(underlay.site(controller.station()), [](Underlay::Datagram&) {})) {}

void Operator::begin(Errand errand) {
  ++open_;
  ask(std::make_shared<Errand>(std::move(errand)));
}

// A person would do the same: what is refused for good is done already, by a request whose answer was lost.
void Operator::ask(const std::shared_ptr<Errand>& errand) {
  http::Request request{errand->method,
                        errand->target,
                        "Bearer " + controller_.bearer(),
                        errand->body.is_null() ? "" : errand->body.dump(),
                        {}};
  controller_.ask(station_, std::move(request), {}, [this, errand](auto response) {
    auto answer = http::check(std::move(response));
    const bool gone = !answer && errand->method == "DELETE" &&
                      (answer.error().code == base::code::kMemberUnknown ||
                       answer.error().code == base::code::kTokenUnknown);
    if (!answer && !gone) {
      timeline_.after(seconds(1 + random_.below(3)), [this, errand] { ask(errand); });
      return;
    }
    --open_;
    errand->done(answer ? Json::parse(answer->body) : Json());
  });
}

void Operator::make_token(bool node, unsigned tag, std::function<void(const std::string&)> made,
                          bool take_back) {
  Json body{{"role", node ? "node" : "host"}, {"lifetime", kTokenLifetime}};
  if (tag != 0) body["tags"] = Json::array({tag_text(tag)});
  begin({"POST", "/v1/tokens", std::move(body),
         [this, made = std::move(made), take_back](const Json& answer) {
           const auto id = answer["id"].get<std::string>();
           truth_.acknowledged.tokens[id] = answer["expires_at"].get<base::UnixSeconds>();
           made(answer["token"].get<std::string>());
           if (take_back) revoke_token(id);
         }});
}

void Operator::revoke_token(const std::string& id) {
  truth_.acknowledged.tokens.erase(id);  // from now on it may be either way
  begin({"DELETE", "/v1/tokens/" + id, nullptr,
         [this, id](const Json&) { truth_.acknowledged.revoked_tokens.insert(id); }});
}

void Operator::set_policy(const std::string& text, std::function<void()> done) {
  begin({"PUT",
         "/v1/policy",
         {{"text", text}},
         [this, text, done = std::move(done)](const Json& answer) {
           const auto revision = answer["revision"].get<std::uint64_t>();
           if (revision >= truth_.acknowledged.policy_revision) {
             truth_.acknowledged.policy_revision = revision;
             truth_.acknowledged.policy = text;
           }
           done();
         }});
}

void Operator::revoke(const std::string& label, std::function<void()> done) {
  begin({"DELETE", "/v1/members/" + label, nullptr,
         [this, label, done = std::move(done)](const Json&) {
           truth_.acknowledged.revoked.insert(label);
           done();
         }});
}

}  // namespace entresol::sim
