// Any requests to the controller's API, from nobody, a reader and an administrator: each is answered once, with JSON, and
// nobody gets in without a token.
// fuzzes: controller/json.h
// fuzzes: controller/call.h
#include "controller/api.h"
#include "controller/call.h"
#include "controller/json.h"

#include <cstdlib>
#include <string>

#include "security/test_random.h"

namespace {

using namespace entresol;
using namespace entresol::controller;

constexpr base::UnixSeconds kNow = 1'700'000'000;

void require(bool holds) {
  if (!holds) std::abort();
}

class Forgetful final : public directory::Store {
 public:
  base::Result<directory::Snapshot> load() override { return directory::Snapshot{}; }
  base::Result<void> commit(std::span<const directory::Change>) override { return {}; }
};

class Once final : public http::Responder {
 public:
  void answer(http::Response response) override {
    require(!answered);
    answered = true;
    require(Json::parse(response.body, nullptr, false).is_object());
    require(response.status >= 200 && response.status < 600);
  }
  void vouch() override {}
  bool waiting() const override { return !answered; }
  bool answered = false;
};

struct Layer {
  Layer() {
    directory::Settings settings;
    settings.layer = layer::membership::layer_id_of(root.public_key);
    settings.label = "edge";
    settings.domain = "edge.internal";
    settings.pool = {{100, 64, 0, 0}, 24};
    snapshot.settings = settings;
    snapshot.policy = directory::PolicyRecord{1, "members: allow * *\n", kNow};
    auto authority = open();
    for (const auto scope : {directory::Scope::kRead, directory::Scope::kAdmin}) {
      auto made = authority.create_api_token({"x", static_cast<directory::Scopes>(scope), 0}, kNow);
      bearers.push_back("Bearer " + made.answer->text);
      snapshot.api_tokens.push_back(made.answer->record);
    }
  }
  directory::Authority open() {
    return std::move(*directory::Authority::open({root.public_key, root, {}}, snapshot, random));
  }
  security::SeededRandom random{1};
  crypto::Ed25519KeyPair root = crypto::ed25519_keypair(random.bytes<32>());
  directory::Snapshot snapshot;
  std::vector<std::string> bearers{""};
};

// A line a request: who asks (0–2), method, target, body, with spaces between.
void one(Api& api, const Layer& layer, std::string_view line) {
  http::Request request;
  if (line.empty()) return;
  request.authorization = layer.bearers[static_cast<unsigned char>(line[0]) % 3];
  line.remove_prefix(1);
  const std::size_t method = std::min(line.find(' '), line.size());
  request.method = line.substr(0, method);
  line.remove_prefix(std::min(line.size(), method + 1));
  const std::size_t target = std::min(line.find(' '), line.size());
  request.target = line.substr(0, target);
  line.remove_prefix(std::min(line.size(), target + 1));
  request.body = line;
  auto responder = std::make_shared<Once>();
  api.handle(request, responder, kNow);
  api.end_of_round(kNow);
  api.end_of_round(kNow + 60);
  require(responder->answered);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Layer layer;
  auto authority = layer.open();
  Forgetful store;
  Api api({{{"192.0.2.1", 4851}}, {}, 10}, authority, store);
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (int i = 0; i < 16 && !text.empty(); ++i) {
    const std::string_view line = text.substr(0, text.find('\n'));
    one(api, layer, line);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  require(authority.members().empty());
  require(api.watchers() == 0);
  return 0;
}
