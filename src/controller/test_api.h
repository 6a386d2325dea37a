// The API with everything behind it but sockets and disk.
#pragma once

#include <memory>
#include <string>

#include "controller/api.h"
#include "layer/directory/base64url.h"
#include "layer/directory/test_layer.h"

namespace entresol::controller::test {

using directory::test::kNow;

class Waiting final : public http::Responder {
 public:
  void answer(http::Response response) override { answered = std::move(response); }
  void vouch() override { vouched = true; }
  bool waiting() const override { return !gone; }
  Json json() const { return Json::parse(answered->body, nullptr, false); }
  std::string error() const {
    return answered && json().contains("error") ? json()["error"]["code"].get<std::string>() : "";
  }

  std::optional<http::Response> answered;
  bool vouched = false;
  bool gone = false;
};

struct ApiWorld {
  explicit ApiWorld(std::uint64_t seed = 1) : world(seed) {
    world.found();
    ApiConfig config;
    config.advertise = {{"192.0.2.1", 4851}};
    api = std::make_unique<Api>(config, *world.authority, world.store);
    admin = new_token(static_cast<directory::Scopes>(directory::Scope::kAdmin));
    reader = new_token(static_cast<directory::Scopes>(directory::Scope::kRead));
  }
  std::string new_token(directory::Scopes scopes) {
    return "Bearer " +
           world.settle(world.authority->create_api_token({"test", scopes, 0}, kNow))->text;
  }
  // Handed in, and not answered before the round ends.
  std::shared_ptr<Waiting> begin(std::string method, std::string target, const Json& body = nullptr,
                                 std::string authorization = "", base::UnixSeconds now = kNow) {
    auto responder = std::make_shared<Waiting>();
    api->handle({std::move(method),
                 std::move(target),
                 std::move(authorization),
                 body.is_null() ? "" : body.dump(),
                 {}},
                responder, now);
    return responder;
  }
  std::shared_ptr<Waiting> ask(std::string method, std::string target, const Json& body = nullptr,
                               std::string authorization = "", base::UnixSeconds now = kNow) {
    auto responder =
        begin(std::move(method), std::move(target), body, std::move(authorization), now);
    api->end_of_round(now);
    return responder;
  }
  std::string sign(const directory::test::Person& who, std::string_view method,
                   std::string_view target, const Json& body, base::UnixSeconds now = kNow) const {
    const std::string text = body.is_null() ? "" : body.dump();
    return directory::emit_authorization(directory::prove(
        {method, target, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}},
        world.layer, who.name, who.identity, now));
  }
  std::shared_ptr<Waiting> ask_as(const directory::test::Person& who, std::string method,
                                  std::string target, const Json& body = nullptr,
                                  base::UnixSeconds now = kNow) {
    std::string authorization = sign(who, method, target, body, now);
    return ask(std::move(method), std::move(target), body, std::move(authorization), now);
  }
  // The secret in the token that people get.
  static std::string secret_of(const Json& token) {
    const auto parsed = directory::parse_token(token["token"].get<std::string>());
    return octets_text({parsed->secret.data(), parsed->secret.size()});
  }
  Json join_body(const directory::test::Person& who, const std::string& secret,
                 const char* role = "host") const {
    return {{"token", secret},
            {"role", role},
            {"label", who.label},
            {"identity", octets_text(who.identity.public_key)}};
  }
  Json admit(const directory::test::Person& who, const char* role = "host") {
    const Json token = ask("POST", "/v1/tokens", {{"role", role}}, admin)->json();
    return ask("POST", "/v1/join", join_body(who, secret_of(token), role))->json();
  }
  void put(const directory::test::Person& who, const Json& admission, std::uint64_t sequence = 1) {
    const Json body{{"certificate", admission["member"]["certificate"]},
                    {"registration", octets_text(who.registration(sequence, kNow + 3600))}};
    ASSERT_EQ(ask_as(who, "PUT", "/v1/registration", body)->answered->status, 200u);
  }

  directory::test::World world;
  std::unique_ptr<Api> api;
  std::string admin, reader;
};

}  // namespace entresol::controller::test
