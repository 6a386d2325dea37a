#include "controller/metrics.h"

#include <gtest/gtest.h>

#include "controller/test_api.h"

namespace entresol::controller {
namespace {

namespace code = base::code;
using directory::test::Person;
using test::ApiWorld;
using test::kNow;

class MetricsTest : public testing::Test {
 protected:
  // The value of a line that begins so; -1: there is none.
  double value(const std::string& line, base::UnixSeconds now = kNow) const {
    const std::string text =
        "\n" + runtime::metrics_text(metrics_of(*w.api, *w.world.authority, http, 4096, now));
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
  }
  double requests(const std::string& method, const std::string& path, std::string_view code) const {
    return value("entresol_controller_requests_total{method=\"" + method + "\",path=\"" + path +
                 "\",code=\"" + std::string(code) + "\"}");
  }

  ApiWorld w;
  http::ServerCounters http{.accepted = 5, .refused = 2, .open = 3};
};

TEST_F(MetricsTest, MembersAndTokensByTheirState) {
  const Person node = w.world.person("north"), alice = w.world.person("alice"),
               bob = w.world.person("bob");
  w.admit(node, "node");
  w.admit(alice);
  w.admit(bob);
  w.ask("DELETE", "/v1/members/bob", nullptr, w.admin);
  w.ask("POST", "/v1/tokens", {{"lifetime", 60}}, w.admin);
  w.ask("POST", "/v1/guests",
        {{"label", "carol"}, {"wireguard_key", octets_text(base::Bytes(32, 9))}}, w.admin);
  for (const auto& [kind, n] : {std::pair{"host", 1}, {"node", 1}, {"guest", 1}, {"revoked", 1}})
    EXPECT_EQ(value(std::string("entresol_controller_members{kind=\"") + kind + "\"}"), n) << kind;
  EXPECT_EQ(value("entresol_controller_tokens{state=\"used\"}"), 3);
  EXPECT_EQ(value("entresol_controller_tokens{state=\"open\"}"), 1);
  EXPECT_EQ(value("entresol_controller_tokens{state=\"expired\"}", kNow + 60), 1);
}

TEST_F(MetricsTest, RequestsByRouteAndCode) {
  w.ask("GET", "/v1");
  w.ask("GET", "/v1/members/alice", nullptr, w.admin);
  w.ask("GET", "/v1/members/bob", nullptr, w.admin);
  w.ask("GET", "/v1/members/bob");
  w.ask("GET", "/nowhere/" + std::string(100, 'x'));
  w.ask("GET", "/v1/directory?wait=50", nullptr, w.admin);
  EXPECT_EQ(requests("GET", "/v1", "ok"), 1);
  EXPECT_EQ(requests("GET", "/v1/members/*", code::kMemberUnknown), 2);
  EXPECT_EQ(requests("GET", "/v1/members/*", code::kRequestUnproved), 1);
  EXPECT_EQ(requests("", "other", code::kUsage), 1) << "no stranger's words in a label";
  EXPECT_EQ(requests("GET", "/v1/directory", "ok"), 1);
}

TEST_F(MetricsTest, CommitsAndTheirFailures) {
  EXPECT_EQ(value("entresol_controller_last_commit_timestamp_seconds"), 0);
  w.ask("POST", "/v1/tokens", {{"lifetime", 60}}, w.admin, kNow + 5);
  EXPECT_EQ(value("entresol_controller_last_commit_timestamp_seconds"), kNow + 5);
  w.world.store.failing = true;
  w.ask("POST", "/v1/tokens", {{"lifetime", 60}}, w.admin, kNow + 9);
  EXPECT_EQ(value("entresol_controller_commits_total"), 2);
  EXPECT_EQ(value("entresol_controller_commit_failures_total"), 1);
  EXPECT_EQ(value("entresol_controller_last_commit_timestamp_seconds"), kNow + 5);
  EXPECT_EQ(requests("POST", "/v1/tokens", "ok"), 1);
  EXPECT_EQ(requests("POST", "/v1/tokens", code::kStoreFull), 1);
}

TEST_F(MetricsTest, RevisionWatchersStoreAndConnections) {
  w.ask("GET", "/v1/directory?wait=50&since=" + to_text(w.world.authority->revision()), nullptr,
        w.admin);
  EXPECT_EQ(value("entresol_controller_watchers"), 1);
  const double before = value("entresol_controller_revision");
  w.ask("PUT", "/v1/policy", {{"text", "all: allow * *\n"}}, w.admin);
  EXPECT_EQ(value("entresol_controller_revision"), before + 1);
  EXPECT_EQ(value("entresol_controller_policy_revision"), 2);
  EXPECT_EQ(value("entresol_controller_store_bytes"), 4096);
  EXPECT_EQ(value("entresol_controller_connections"), 3);
  EXPECT_EQ(value("entresol_controller_connections_total{event=\"refused\"}"), 2);
}

}  // namespace
}  // namespace entresol::controller
