#include "controller/api.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "controller/test_api.h"

namespace entresol::controller {
namespace {

namespace code = base::code;
using directory::test::Person;
using test::ApiWorld;
using test::kNow;

class ApiTest : public ::testing::Test {
 protected:
  ApiWorld w;
};

TEST_F(ApiTest, TheVersionNeedsNobody) {
  const auto answer = w.ask("GET", "/v1");
  EXPECT_EQ(answer->answered->status, 200u);
  EXPECT_EQ(answer->json()["api"]["major"], kApiMajor);
  EXPECT_FALSE(answer->vouched);
}

TEST_F(ApiTest, ATokenAdmitsOnce) {
  const Json token =
      w.ask("POST", "/v1/tokens", {{"role", "host"}, {"tags", {"web"}}}, w.admin)->json();
  const std::string text = token["token"];
  EXPECT_EQ(directory::parse_token(text)->endpoints[0].host, "192.0.2.1");
  const Person alice = w.world.person("alice"), mallory = w.world.person("mallory");
  const auto first = w.ask("POST", "/v1/join", w.join_body(alice, w.secret_of(token)));
  ASSERT_EQ(first->answered->status, 200u) << first->answered->body;
  const Json answer = first->json();
  base::Bytes chain;
  ASSERT_TRUE(directory::from_base64url(answer["member"]["certificate"].get<std::string>(), chain));
  const auto certificate =
      layer::membership::Trust(w.world.root.public_key).certificate(chain, kNow);
  ASSERT_TRUE(certificate) << certificate.error().message;
  EXPECT_EQ(certificate->label, "alice");
  EXPECT_EQ(certificate->tags, std::vector<std::string>{"web"});
  EXPECT_EQ(answer["layer"]["root"], octets_text(w.world.root.public_key));

  EXPECT_EQ(w.ask("POST", "/v1/join", w.join_body(mallory, w.secret_of(token)))->error(),
            code::kTokenUsed);
  EXPECT_EQ(w.ask("POST", "/v1/join", w.join_body(alice, w.secret_of(token)))->json(), answer)
      << "an answer that was lost comes again";
}

TEST_F(ApiTest, OfTwoWhoComeAtOnceOneGetsIn) {
  const Json token = w.ask("POST", "/v1/tokens", {{"role", "host"}}, w.admin)->json();
  const Person a = w.world.person("a"), b = w.world.person("b");
  const auto first = w.begin("POST", "/v1/join", w.join_body(a, w.secret_of(token)));
  const auto second = w.begin("POST", "/v1/join", w.join_body(b, w.secret_of(token)));
  EXPECT_FALSE(first->answered) << "nobody is answered before it is durable";
  const int before = w.world.store.commits;
  w.api->end_of_round(kNow);
  EXPECT_EQ(w.world.store.commits, before + 1);
  EXPECT_EQ(first->answered->status, 200u);
  EXPECT_EQ(second->error(), code::kTokenUsed);
  EXPECT_EQ(second->answered->status, 403u);
}

TEST_F(ApiTest, AFullDiskAdmitsNobody) {
  const Json token = w.ask("POST", "/v1/tokens", {{"role", "host"}}, w.admin)->json();
  const Person alice = w.world.person("alice");
  w.world.store.failing = true;
  const auto refused = w.ask("POST", "/v1/join", w.join_body(alice, w.secret_of(token)));
  EXPECT_EQ(refused->error(), code::kStoreFull);
  EXPECT_EQ(refused->answered->status, 507u);
  EXPECT_TRUE(w.world.authority->members().empty());
  w.world.store.failing = false;
  EXPECT_EQ(w.ask("POST", "/v1/join", w.join_body(alice, w.secret_of(token)))->answered->status,
            200u);
}

TEST_F(ApiTest, WhoAsksIsSeen) {
  EXPECT_EQ(w.ask("GET", "/v1/members")->error(), code::kRequestUnproved);
  EXPECT_EQ(w.ask("GET", "/v1/members", nullptr, "Bearer enta1.nonsense")->error(),
            code::kApiTokenUnknown);
  EXPECT_EQ(w.ask("POST", "/v1/tokens", {{"role", "host"}}, w.reader)->error(),
            code::kScopeMissing);
  const auto fine = w.ask("GET", "/v1/members", nullptr, w.reader);
  EXPECT_EQ(fine->answered->status, 200u);
  EXPECT_TRUE(fine->vouched);
  EXPECT_EQ(w.ask("POST", "/v1/certificate", Json::object(), w.admin)->error(),
            code::kRequestUnproved)
      << "a person is no member";
}

TEST_F(ApiTest, MembersSignWhatTheyAsk) {
  const Person alice = w.world.person("alice"), mallory = w.world.person("mallory");
  const Json admission = w.admit(alice);
  w.put(alice, admission);
  EXPECT_EQ(w.ask_as(mallory, "POST", "/v1/certificate", Json::object())->error(),
            code::kMemberUnknown);
  // A signature is for this method, target and body.
  const std::string signature = w.sign(alice, "POST", "/v1/certificate", Json::object());
  EXPECT_EQ(w.ask("GET", "/v1/directory", nullptr, signature)->error(), code::kRequestUnproved);
  EXPECT_EQ(w.ask("POST", "/v1/certificate", {{"x", 1}}, signature)->error(),
            code::kRequestUnproved);
  EXPECT_EQ(w.ask("POST", "/v1/certificate", Json::object(), signature, kNow + 3600)->error(),
            code::kRequestStale);
  EXPECT_EQ(w.ask("POST", "/v1/certificate", Json::object(), signature)->answered->status, 200u);
}

TEST_F(ApiTest, AnOlderRegistrationIsRefused) {
  const Person alice = w.world.person("alice");
  const Json admission = w.admit(alice);
  w.put(alice, admission, 7);
  const Json old{{"certificate", admission["member"]["certificate"]},
                 {"registration", octets_text(alice.registration(6, kNow + 3600))}};
  const auto refused = w.ask_as(alice, "PUT", "/v1/registration", old);
  EXPECT_EQ(refused->error(), code::kRegistrationOld);
  EXPECT_EQ(refused->answered->status, 409u);
}

TEST_F(ApiTest, WatchersHearWhatChanges) {
  const Person node = w.world.person("north"), alice = w.world.person("alice");
  w.put(node, w.admit(node, "node"));
  const auto whole = w.ask_as(node, "GET", "/v1/directory");
  ASSERT_TRUE(whole->answered);
  EXPECT_EQ(whole->json()["whole"], true);
  const std::string revision = whole->json()["revision"];
  const std::string target = "/v1/directory?wait=30&since=" + revision;
  const auto watcher = w.ask_as(node, "GET", target);
  EXPECT_FALSE(watcher->answered) << "nothing is new";
  EXPECT_EQ(w.api->next_timer(), kNow + 30);

  const Json admission = w.admit(alice);
  EXPECT_FALSE(watcher->answered) << "a member without a registration cannot be reached";
  w.put(alice, admission);
  ASSERT_TRUE(watcher->answered);
  const Json items = watcher->json()["items"];
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0]["certificate"], admission["member"]["certificate"]);

  const auto next = w.ask_as(
      node, "GET", "/v1/directory?wait=30&since=" + watcher->json()["revision"].get<std::string>());
  EXPECT_EQ(w.ask("DELETE", "/v1/members/alice", nullptr, w.admin)->answered->status, 200u);
  ASSERT_TRUE(next->answered);
  EXPECT_EQ(next->json()["items"][0]["kind"], "revoked");
  EXPECT_EQ(next->json()["items"][0]["name"], wire::to_string(alice.name));
  EXPECT_EQ(w.api->watchers(), 0u);
}

TEST_F(ApiTest, AWatchersTimeComes) {
  const Person node = w.world.person("north");
  w.admit(node, "node");
  const std::string revision = w.ask_as(node, "GET", "/v1/directory")->json()["revision"];
  const auto watcher = w.ask_as(node, "GET", "/v1/directory?wait=30&since=" + revision);
  w.api->end_of_round(kNow + 29);
  EXPECT_FALSE(watcher->answered);
  w.api->end_of_round(kNow + 30);
  ASSERT_TRUE(watcher->answered);
  EXPECT_TRUE(watcher->json()["items"].empty());
  EXPECT_EQ(watcher->json()["revision"], revision);
  // One that has gone is forgotten.
  const auto gone = w.ask_as(node, "GET", "/v1/directory?wait=30&since=" + revision);
  EXPECT_EQ(w.api->watchers(), 1u);
  gone->gone = true;
  w.api->end_of_round(kNow);
  EXPECT_EQ(w.api->watchers(), 0u);
}

TEST_F(ApiTest, NodesAcknowledgeThePolicyThatTheyHold) {
  const Person north = w.world.person("north"), south = w.world.person("south");
  w.admit(north, "node");
  w.admit(south, "node");
  const auto nodes = [&] { return w.ask("GET", "/v1/policy", nullptr, w.reader)->json()["nodes"]; };
  ASSERT_EQ(nodes().size(), 2u);
  EXPECT_EQ(nodes()[0]["heard_at"], 0) << "never since the controller started";
  EXPECT_FALSE(nodes()[0].contains("policy_revision"));

  const Json first = w.ask("PUT", "/v1/policy", {{"text", "one: allow * *\n"}}, w.admin)->json();
  const std::string held = "&policy=" + first["revision"].dump();
  const auto told = w.ask_as(north, "GET", "/v1/directory?wait=30" + held)->json();
  const auto watcher = w.ask_as(
      north, "GET", "/v1/directory?wait=30&since=" + told["revision"].get<std::string>() + held);
  // A member of an older minor version does not say what it holds.
  w.ask_as(south, "GET", "/v1/directory");
  EXPECT_EQ(nodes()[0]["policy_revision"], first["revision"]);
  EXPECT_EQ(nodes()[0]["watching"], true);
  EXPECT_EQ(nodes()[1]["heard_at"], kNow);
  EXPECT_EQ(nodes()[1]["watching"], false);
  EXPECT_FALSE(nodes()[1].contains("policy_revision"));

  const Json second = w.ask("PUT", "/v1/policy", {{"text", "two: deny * *\n"}}, w.admin)->json();
  EXPECT_TRUE(watcher->answered);
  EXPECT_LT(nodes()[0]["policy_revision"], second["revision"]) << "told, but not acknowledged";
  w.ask_as(north, "GET", "/v1/directory?policy=" + second["revision"].dump());
  EXPECT_EQ(nodes()[0]["policy_revision"], second["revision"]);
  EXPECT_EQ(w.ask("GET", "/v1/members/north", nullptr, w.reader)->json()["policy_revision"],
            second["revision"]);

  w.ask("DELETE", "/v1/members/south", nullptr, w.admin);
  EXPECT_EQ(nodes().size(), 1u);
}

TEST_F(ApiTest, LongAnswersComeInPages) {
  const Person node = w.world.person("north");
  w.put(node, w.admit(node, "node"));
  for (int i = 0; i < 5; ++i) {
    const Person host = w.world.person("host-" + std::to_string(i));
    w.put(host, w.admit(host));
  }
  std::size_t items = 0;
  std::string since;
  for (int pages = 0;; ++pages) {
    ASSERT_LT(pages, 10);
    const Json page = w.ask_as(node, "GET", "/v1/directory?limit=2" + since)->json();
    items += page["items"].size();
    since = "&since=" + page["revision"].get<std::string>();
    if (page["more"] == false) break;
  }
  EXPECT_EQ(items, 7u) << "six registrations and the policy";
}

TEST_F(ApiTest, PeopleSeeAndRevoke) {
  const Person alice = w.world.person("alice");
  w.put(alice, w.admit(alice));
  const Json list = w.ask("GET", "/v1/members?role=host", nullptr, w.reader)->json();
  ASSERT_EQ(list["members"].size(), 1u);
  EXPECT_EQ(list["members"][0]["registered"], true);
  EXPECT_TRUE(w.ask("GET", "/v1/members?role=node", nullptr, w.reader)->json()["members"].empty());
  EXPECT_EQ(w.ask("GET", "/v1/members/alice", nullptr, w.reader)->json()["label"], "alice");
  EXPECT_EQ(w.ask("GET", "/v1/members/bob", nullptr, w.reader)->answered->status, 404u);
  EXPECT_EQ(w.ask("DELETE", "/v1/members/alice", nullptr, w.reader)->error(), code::kScopeMissing);
  EXPECT_EQ(w.ask("DELETE", "/v1/members/alice", nullptr, w.admin)->answered->status, 200u);
  EXPECT_EQ(w.ask_as(alice, "POST", "/v1/certificate", Json::object())->error(),
            code::kMemberRevoked);
}

TEST_F(ApiTest, TokensAreListedWithoutTheirSecretsAndRevoked) {
  const Json token = w.ask("POST", "/v1/tokens", {{"role", "node"}}, w.admin)->json();
  const auto list = w.ask("GET", "/v1/tokens", nullptr, w.reader);
  ASSERT_EQ(list->json()["tokens"].size(), 1u);
  EXPECT_EQ(list->answered->body.find(w.secret_of(token)), std::string::npos);
  const std::string path = "/v1/tokens/" + token["id"].get<std::string>();
  EXPECT_EQ(w.ask("DELETE", path, nullptr, w.admin)->answered->status, 200u);
  EXPECT_EQ(w.ask("DELETE", path, nullptr, w.admin)->error(), code::kTokenUnknown);
  const Person alice = w.world.person("alice");
  EXPECT_EQ(w.ask("POST", "/v1/join", w.join_body(alice, w.secret_of(token), "node"))->error(),
            code::kTokenUnknown);
}

TEST_F(ApiTest, GuestsArePutUnderAGrant) {
  const Json body{{"label", "carol"}, {"wireguard_key", octets_text(base::Bytes(32, 9))}};
  const Json guest = w.ask("POST", "/v1/guests", body, w.admin)->json();
  base::Bytes grant;
  ASSERT_TRUE(directory::from_base64url(guest["grant"].get<std::string>(), grant));
  EXPECT_TRUE(layer::membership::Trust(w.world.root.public_key).grant(grant, kNow));
  EXPECT_EQ(w.ask("GET", "/v1/guests", nullptr, w.reader)->json()["guests"].size(), 1u);
  Json elsewhere = body;
  elsewhere["nodes"] = {"nowhere"};
  EXPECT_EQ(w.ask("POST", "/v1/guests", elsewhere, w.admin)->error(), code::kMemberUnknown);
  EXPECT_EQ(w.ask("DELETE", "/v1/guests/carol", nullptr, w.admin)->answered->status, 200u);
}

TEST_F(ApiTest, MalformedRequestsAreRefused) {
  struct Bad {
    const char* method;
    const char* target;
    const char* body;
    std::string_view code;
  };
  const Bad cases[] = {
      {"POST", "/v1/join", "[]", code::kHttpBadRequest},
      {"POST", "/v1/join", "{", code::kHttpBadRequest},
      {"POST", "/v1/join", "{}", code::kConfigBadValue},
      {"POST", "/v1/join", R"({"token":5})", code::kConfigBadValue},
      {"POST", "/v1/join", R"({"token":"====","identity":"x"})", code::kConfigBadValue},
      {"GET", "/v1/%zz/a", "", code::kUsage},
      {"GET", "/v1/members/%zz", "", code::kHttpBadRequest},
      {"GET", "/v1/members?role=%f", "", code::kHttpBadRequest},
      {"GET", "/v2", "", code::kUsage},
      {"POST", "/v1", "", code::kUsage},
      {"GET", "", "", code::kUsage},
  };
  for (const Bad& bad : cases) {
    auto responder = std::make_shared<test::Waiting>();
    w.api->handle({bad.method, bad.target, "", bad.body, {}}, responder, kNow);
    w.api->end_of_round(kNow);
    ASSERT_TRUE(responder->answered) << bad.target;
    EXPECT_EQ(responder->error(), bad.code) << bad.method << ' ' << bad.target << ' ' << bad.body;
  }
  const auto long_target = w.ask("GET", "/v1/members/" + std::string(2000, 'a'), nullptr, w.admin);
  EXPECT_EQ(long_target->error(), code::kHttpBadRequest);
  const auto lifetime = w.ask("POST", "/v1/tokens", {{"lifetime", -1}}, w.admin);
  EXPECT_EQ(lifetime->error(), code::kConfigBadValue);
}

TEST_F(ApiTest, FieldsOfANewerMinorVersionAreIgnored) {
  Json body{{"role", "host"}, {"colour", "blue"}};
  EXPECT_EQ(w.ask("POST", "/v1/tokens", body, w.admin)->answered->status, 200u);
}

TEST_F(ApiTest, ApiTokensHaveScopes) {
  const Json made =
      w.ask("POST", "/v1/api-tokens", {{"label", "ci"}, {"scopes", {"read", "policy"}}}, w.admin)
          ->json();
  const std::string bearer = "Bearer " + made["token"].get<std::string>();
  EXPECT_EQ(w.ask("PUT", "/v1/policy", {{"text", "rules: []\n"}}, bearer)->answered->status, 200u);
  EXPECT_EQ(w.ask("GET", "/v1/policy", nullptr, bearer)->json()["text"], "rules: []\n");
  EXPECT_EQ(w.ask("POST", "/v1/tokens", {{"role", "host"}}, bearer)->error(), code::kScopeMissing);
  EXPECT_EQ(w.ask("POST", "/v1/api-tokens", {{"scopes", {"root"}}}, w.admin)->error(),
            code::kConfigBadValue);
  const std::string path = "/v1/api-tokens/" + made["id"].get<std::string>();
  EXPECT_EQ(w.ask("DELETE", path, nullptr, w.admin)->answered->status, 200u);
  EXPECT_EQ(w.ask("GET", "/v1/policy", nullptr, bearer)->error(), code::kApiTokenUnknown);
}

// ---- floods ------------------------------------------------------------------------------------------------------------

class FloodTest : public ApiTest {
 protected:
  // From 192.0.2.`last`.
  std::string code_from(std::uint8_t last, http::Request request, base::UnixSeconds now = kNow) {
    request.peer = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last}, 1000};
    auto responder = std::make_shared<test::Waiting>();
    w.api->handle(request, responder, now);
    w.api->end_of_round(now);
    return responder->error();
  }
  http::Request bad_join() {
    const Person nobody = w.world.person("nobody");
    return {
        "POST", "/v1/join", "", w.join_body(nobody, octets_text(base::Bytes(16, 7))).dump(), {}};
  }
  http::Request good_join(const Person& who) {
    const Json token = w.ask("POST", "/v1/tokens", {{"role", "host"}}, w.admin)->json();
    return {"POST", "/v1/join", "", w.join_body(who, w.secret_of(token)).dump(), {}};
  }
  void exhaust(std::uint8_t last) {
    for (int i = 0; i < 60; ++i) ASSERT_EQ(code_from(last, bad_join()), code::kTokenUnknown) << i;
  }
};

TEST_F(FloodTest, WhoFailsTooOftenIsNotLookedAt) {
  exhaust(1);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(code_from(1, bad_join()), code::kHttpTooManyFailures);
  const Person alice = w.world.person("alice"), bob = w.world.person("bob");
  const http::Request good = good_join(alice);
  EXPECT_EQ(code_from(1, good), code::kHttpTooManyFailures);
  EXPECT_EQ(code_from(2, good_join(bob)), "") << "from another address";
  EXPECT_EQ(w.api->counters().refused.at(std::string(code::kHttpTooManyFailures)), 1001u);
  EXPECT_EQ(code_from(1, good, kNow + 1), "") << "one more each second, and it was good";
  EXPECT_EQ(code_from(1, {"GET", "/v1", "", "", {}}, kNow + 1), "");
  EXPECT_EQ(code_from(1, bad_join(), kNow + 1), code::kTokenUnknown);
  EXPECT_EQ(code_from(1, bad_join(), kNow + 1), code::kHttpTooManyFailures);
}

TEST_F(FloodTest, WhoHasProvedHimselfIsNotHeldUp) {
  exhaust(1);
  http::Request list{"GET", "/v1/members", w.admin, "", {}};
  EXPECT_EQ(code_from(1, list), code::kHttpTooManyFailures);
  list.vouched = true;
  EXPECT_EQ(code_from(1, list), "");
}

TEST_F(FloodTest, OnlyWhatSmellsOfGuessingCounts) {
  const std::pair<http::Request, std::string_view> harmless[] = {
      {{"GET", "/v1/members/nobody", w.admin, "", {}}, code::kMemberUnknown},
      {{"GET", "/v1/nowhere", "", "", {}}, code::kUsage},
      {{"POST", "/v1/join", "", "{", {}}, code::kHttpBadRequest},
      {{"POST", "/v1/tokens", w.reader, "{}", {}}, code::kScopeMissing},
  };
  for (const auto& [request, code] : harmless)
    for (int i = 0; i < 100; ++i) ASSERT_EQ(code_from(1, request), code);
  const std::pair<http::Request, std::string_view> guesses[] = {
      {{"GET", "/v1/members", "Bearer x", "", {}}, code::kApiTokenUnknown},
      {{"GET", "/v1/nodes", "Entresol x", "", {}}, code::kRequestUnproved},
  };
  std::uint8_t last = 10;
  for (const auto& [request, code] : guesses) {
    for (int i = 0; i < 60; ++i) ASSERT_EQ(code_from(last, request), code);
    EXPECT_EQ(code_from(last++, request), code::kHttpTooManyFailures);
  }
}

}  // namespace
}  // namespace entresol::controller
