// The controller from each of its named states (controller_scene.h), and a sequence of requests, right, wrong, repeated and
// changed, of members, people and nobody, between losses of power, full disks and days that pass. What it has acknowledged is
// there in its next life; no name has a second key, no address two names. Input: state (1), then operations, an octet each
// and what it wants.
// fuzzes: controller/api.h
#include <algorithm>
#include <array>

#include "controller/api.h"
#include "controller_scene.h"

namespace {

using namespace entresol;
using controller::Json;
using fuzz::ControllerScene;
using fuzz::Person;
using fuzz::State;

constexpr std::array kMethods{"GET", "POST", "PUT", "DELETE"};
constexpr std::array kTargets{"/v1",
                              "/v1/join",
                              "/v1/certificate",
                              "/v1/registration",
                              "/v1/nodes",
                              "/v1/directory",
                              "/v1/status",
                              "/v1/members",
                              "/v1/members/p1",
                              "/v1/tokens",
                              "/v1/guests",
                              "/v1/guests/g1",
                              "/v1/policy",
                              "/v1/api-tokens",
                              "/v1/directory?wait=5&limit=1"};
constexpr std::array kTexts{"members: allow * *\n", "none: deny * *\n", "", "broken: allow\n",
                            "a: allow p1 p2 tcp/80\nb: deny * *\n"};

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
  bool empty() const { return rest_.empty(); }
  std::uint8_t u8() {
    if (rest_.empty()) return 0;
    const std::uint8_t octet = rest_[0];
    rest_ = rest_.subspan(1);
    return octet;
  }
  std::string text() {
    const std::size_t asked = u8();  // before what is left is looked at
    const std::size_t n = std::min(asked, rest_.size());
    std::string out(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(n));
    rest_ = rest_.subspan(n);
    return out;
  }

 private:
  base::ByteView rest_;
};

class Play {
 public:
  Play(State state, Input input) : scene_(state), input_(input) {}

  void run() {
    for (int i = 0; i < kOperations && !input_.empty(); ++i) {
      step();
      if (scene_.disk.dead()) scene_.crash(input_.u8() % 2 == 1);
    }
    scene_.settle();
  }

 private:
  static constexpr int kOperations = 40;
  static constexpr base::UnixSeconds kLongest = 10 * 24 * 3600;  // nobody is forgotten for silence

  void step() {
    const std::uint8_t what = input_.u8();
    switch (what % 20) {
      case 0:
        return raw();
      case 1:
        return post("/v1/tokens", {{"role", input_.u8() % 4 == 0 ? "node" : "host"},
                                   {"lifetime", input_.u8() * 60},
                                   {"label", label(input_.u8() % 8)}});
      case 2:
      case 3:
        return join();
      case 4:
        return as(person(), "POST", "/v1/certificate", nullptr);
      case 5:
        return put_registration();
      case 6:
        return remove("/v1/members/", label(input_.u8()));
      case 7:
        return remove("/v1/tokens/", scene_.token_ids.empty() ? "00" : pick(scene_.token_ids));
      case 8:
        return add_guest();
      case 9:
        return remove("/v1/guests/", "g" + std::to_string(input_.u8() % 4));
      case 10:
        return by_admin("PUT", "/v1/policy", {{"text", kTexts[input_.u8() % kTexts.size()]}});
      case 11:
        return as(person(), "GET", kTargets[input_.u8() % 2 == 0 ? 5 : 14], nullptr);
      case 12:
        return pass(input_.u8());
      case 13:
        return pass(input_.u8() * 3600);
      case 14:
        return scene_.round();
      case 15:
        return scene_.restart();
      case 16:
        scene_.disk.limit(input_.u8() % 4 == 0 ? ~std::uint64_t{0}
                                               : scene_.disk.used() + input_.u8() * 64u);
        return;
      case 17:
        return scene_.disk.die_at(input_.u8() % 64);
      case 18:
        return again();
      default:
        return api_token();
    }
  }

  Person& person() { return scene_.people[input_.u8() % ControllerScene::kPeople]; }
  static std::string label(std::uint8_t i) { return i % 8 < 6 ? "p" + std::to_string(i % 8) : ""; }
  const std::string& pick(const std::vector<std::string>& from) {
    return from[input_.u8() % from.size()];
  }
  void by_admin(const char* method, const std::string& target, const Json& body) {
    scene_.send({method, target, scene_.admin, body.is_null() ? "" : body.dump(), {}});
  }
  void post(const std::string& target, const Json& body) { by_admin("POST", target, body); }
  void remove(const std::string& where, const std::string& who) {
    by_admin("DELETE", where + who, nullptr);
  }
  void as(Person& who, const char* method, const char* target, const Json& body) {
    scene_.send(scene_.signed_by(who, method, target, body));
  }
  void pass(base::UnixSeconds seconds) {
    scene_.pass(std::min(seconds, ControllerScene::kStart + kLongest - scene_.now));
  }

  void raw() {
    http::Request request;
    const std::uint8_t who = input_.u8() % 3;
    if (who > 0) request.authorization = who == 1 ? scene_.admin : scene_.reader;
    request.method = kMethods[input_.u8() % kMethods.size()];
    const std::uint8_t target = input_.u8();
    request.target = target % 16 == 15 ? input_.text() : kTargets[target % 16 % kTargets.size()];
    request.body = input_.text();
    scene_.send(std::move(request));
  }
  void join() {
    Person& who = person();
    const std::string secret = scene_.secrets.empty() ? std::string(22, 'A') : pick(scene_.secrets);
    const std::uint8_t how = input_.u8();
    Json body = scene_.join_body(who, secret, label(input_.u8()), how % 4 == 0 ? "node" : "host");
    if ((how & 4) != 0) return as(who, "POST", "/v1/join", body);
    scene_.send({"POST", "/v1/join", "", body.dump(), {}});
  }
  void put_registration() {
    Person& who = person();
    Person& signer = input_.u8() % 8 == 0 ? person() : who;
    if (input_.u8() % 8 == 0 && who.sequence > 1) who.sequence -= 2;  // an old one
    as(signer, "PUT", "/v1/registration", scene_.registration_body(who, {scene_.people[0].name}));
  }
  void add_guest() {
    Json body{{"label", "g" + std::to_string(input_.u8() % 4)},
              {"wireguard_key", controller::octets_text(base::Bytes(32, input_.u8() % 5))},
              {"lifetime", 3600 + input_.u8() * 60}};
    if (input_.u8() % 2 == 0) body["nodes"] = {"p0"};
    post("/v1/guests", body);
  }
  void api_token() {
    if (input_.u8() % 2 == 0 || scene_.said.api_tokens.empty())
      return post("/v1/api-tokens", {{"label", "t"}, {"scopes", {"read"}}, {"lifetime", 60}});
    remove("/v1/api-tokens/", *scene_.said.api_tokens.begin());
  }
  // The last request once more: as it was, by another, or changed.
  void again() {
    http::Request request = scene_.last;
    const std::uint8_t how = input_.u8();
    if (how % 4 == 1) request.authorization = scene_.reader;
    if (how % 4 == 2) request.authorization.clear();
    if (how % 4 == 3)
      for (int n = input_.u8() % 4; n >= 0 && !request.body.empty(); --n)
        request.body[input_.u8() % request.body.size()] ^= static_cast<char>(input_.u8());
    scene_.send(std::move(request));
  }

  ControllerScene scene_;
  Input input_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 1024) return 0;
  Play(static_cast<State>(data[0] % static_cast<unsigned>(State::kCount)),
       Input(data + 1, size - 1))
      .run();
  return 0;
}
