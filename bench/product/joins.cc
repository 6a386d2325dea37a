// Hosts that join a layer all at once: each makes its keys, asks the controller with a token, verifies what it gets, and
// registers. Tokens are made first, outside of the timed part. Prints one JSON object.
#include <nlohmann/json.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>
#include <vector>

#include "http/client.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "layer/directory/base64url.h"
#include "layer/directory/request.h"
#include "layer/directory/token.h"
#include "layer/membership/trust.h"
#include "reference/options.h"

namespace entresol::bench {
namespace {

namespace directory = layer::directory;
namespace membership = layer::membership;
using Json = nlohmann::json;

std::string octets(base::ByteView bytes) {
  return directory::to_base64url(bytes);
}

Json ask_json(const http::Destination& controller, http::Request request) {
  auto answer = http::check(http::ask(controller, request));
  if (!answer) Options::fail(answer.error().code + " " + answer.error().message);
  return Json::parse(answer->body);
}

struct Controller {
  http::Destination destination;
  std::string bearer;
};

std::vector<std::string> make_tokens(const Controller& controller, std::size_t count) {
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    const Json made = ask_json(
        controller.destination,
        {"POST", "/v1/tokens", "Bearer " + controller.bearer, Json{{"role", "host"}}.dump(), {}});
    const auto token = directory::parse_token(made["token"].get<std::string>());
    if (!token) Options::fail(token.error().message);
    tokens.push_back(octets({token->secret.data(), token->secret.size()}));
  }
  return tokens;
}

void join(const http::Destination& controller, const std::string& token, std::size_t number) {
  io::SystemRandom random;
  const auto identity = crypto::ed25519_keypair(random.bytes<32>());
  const Json answer = ask_json(controller, {"POST",
                                            "/v1/join",
                                            "",
                                            Json{{"token", token},
                                                 {"role", "host"},
                                                 {"label", "host-" + std::to_string(number)},
                                                 {"identity", octets(identity.public_key)}}
                                                .dump(),
                                            {}});
  base::Bytes root, chain;
  directory::from_base64url(answer["layer"]["root"].get<std::string>(), root);
  directory::from_base64url(answer["member"]["certificate"].get<std::string>(), chain);
  membership::Key root_key{};
  if (root.size() != root_key.size()) Options::fail("no root");
  std::copy(root.begin(), root.end(), root_key.begin());
  const membership::Trust trust(root_key);
  const base::UnixSeconds now = io::unix_now();
  const auto certificate = trust.certificate(chain, now);
  if (!certificate) Options::fail(certificate.error().message);
  membership::Registration registration;
  registration.layer = trust.layer();
  registration.name = certificate->name();
  registration.sequence = static_cast<std::uint64_t>(io::unix_nanos());
  registration.not_after = now + 3600;
  registration.keys.push_back({membership::kProtocolNative, random.bytes<32>()});
  http::Request request{
      "PUT",
      "/v1/registration",
      "",
      Json{{"certificate", octets(chain)},
           {"registration", octets(membership::sign(registration, identity)->octets())}}
          .dump(),
      {}};
  request.authorization = directory::emit_authorization(directory::prove(
      {request.method,
       request.target,
       {reinterpret_cast<const std::uint8_t*>(request.body.data()), request.body.size()}},
      trust.layer(), registration.name, identity, now));
  ask_json(controller, request);
}

int run(int argc, char** argv) {
  Options options(argc, argv);
  const std::string file = options.text("admin");
  const auto hosts = static_cast<std::size_t>(options.number("hosts", 1000));
  const auto threads = static_cast<std::size_t>(options.number("threads", 64));
  options.refuse_unknown();
  std::ifstream in(file);
  const Json admin = Json::parse(in, nullptr, false);
  if (!admin.is_object()) Options::fail("--admin: admin.json of `entresol init`");
  Controller controller;
  for (const Json& address : admin["addresses"]) {
    const std::string text = address.get<std::string>();
    const std::size_t colon = text.rfind(':');
    controller.destination.addresses.push_back(
        {text.substr(0, colon), static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1)))});
  }
  controller.destination.pin = *http::parse_pin(admin["key"].get<std::string>());
  controller.bearer = admin["token"].get<std::string>();
  const auto tokens = make_tokens(controller, hosts);

  std::atomic<std::size_t> next{0};
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> running;
    for (std::size_t i = 0; i < threads; ++i)
      running.emplace_back([&] {
        for (std::size_t number = next++; number < hosts; number = next++)
          join(controller.destination, tokens[number], number);
      });
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("{\"program\": \"joins\", \"hosts\": %zu, \"seconds\": %.3f}\n", hosts, took.count());
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  return entresol::bench::run(argc, argv);
}
