// A node's services as its catalogue changes: a real sandbox and disk, packages handed in by the test.
#include "runtime/deployment.h"

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>

#include "base/error_codes.h"
#include "io/files.h"
#include "service/packages/package.h"

namespace entresol::runtime {
namespace {

namespace code = base::code;
namespace fs = std::filesystem;
using layer::directory::CatalogueEntry;

constexpr std::uint32_t kId = 0x80000007;

class DeploymentTest : public ::testing::Test {
 protected:
  DeploymentTest() {
    std::string pattern = ::testing::TempDir() + "entresol-deployment-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    own.octets.fill(3);
    start();
  }
  ~DeploymentTest() override {
    stop();
    fs::remove_all(folder);
  }
  void start() {
    loop = std::move(*io::EventLoop::create());
    dispatcher = std::make_unique<service::Dispatcher>();
    runner = std::make_unique<ModuleRunner>(
        *loop, *dispatcher, folder + "/stable.db",
        [](std::uint32_t, const std::string&, const std::string&) {});
    std::array<std::uint8_t, 32> seed{1};
    runner->set_cache(std::make_unique<CodeCache>(folder + "/code", crypto::ed25519_keypair(seed)));
    Deployment::Outside outside;
    outside.want = [this](const crypto::Hash256& hash) { wanted.push_back(hash); };
    outside.changed = [] {};
    outside.tell = [this](bool, const std::string&, const std::string& text) {
      said += text + "\n";
    };
    deployment =
        std::make_unique<Deployment>(*runner, *loop, folder + "/services", own, std::move(outside));
  }
  void stop() {
    deployment.reset();
    runner.reset();
    dispatcher.reset();
    loop.reset();
  }
  // Runs the loop until something holds, which is looked at after each round.
  template <typename Condition>
  void until(Condition holds) {
    while (!holds()) loop->run_once();
  }
  base::Bytes package(std::uint32_t version, const std::string& mode = "run",
                      std::uint8_t publisher = 7, std::uint32_t id = kId) {
    service::packages::Package out;
    out.manifest = "service: counter\nid: " + std::to_string(id) +
                   "\nversion: " + std::to_string(version) +
                   "\nfields: [destination]\nmetrics: [{name: count, kind: gauge}]\n"
                   "config: [{name: mode, type: text, default: " +
                   mode + "}]\n";
    out.module = *io::read_file(ENTRESOL_COUNTER_WASM, 8 << 20);
    std::array<std::uint8_t, 32> seed{publisher};
    base::Bytes octets = sign_package(out, crypto::ed25519_keypair(seed));
    packages.push_back(octets);
    return octets;
  }
  CatalogueEntry entry(const base::Bytes& octets, std::uint32_t version) {
    CatalogueEntry out;
    out.id = kId;
    out.name = "counter";
    std::array<std::uint8_t, 32> seed{7};
    out.publisher = crypto::ed25519_keypair(seed).public_key;
    out.current.version = version;
    out.current.package = crypto::sha256(octets);
    out.current.module = crypto::sha256(*io::read_file(ENTRESOL_COUNTER_WASM, 8 << 20));
    out.current.size = static_cast<std::uint32_t>(octets.size());
    return out;
  }
  // The catalogue, and whatever is asked for then.
  Json settle(std::vector<CatalogueEntry> entries) {
    deployment->set(std::move(entries), ++revision);
    return settled();
  }
  Json settled() {
    until([&] {
      while (!wanted.empty()) {
        const crypto::Hash256 hash = wanted.front();
        wanted.pop_front();
        ++fetched;
        for (const base::Bytes& each : packages)
          if (crypto::sha256(each) == hash) deployment->take_package(hash, each);
      }
      return !waiting();
    });
    const Json services = deployment->standing()["services"];
    return services.empty() ? Json() : services[0];
  }
  bool waiting() const {
    const Json all = deployment->standing();
    for (const Json& each : all["services"])
      if (each["state"] == "waiting") return true;
    return false;
  }
  std::size_t kept() const {
    std::size_t out = 0;
    for (const auto& each : fs::directory_iterator(folder + "/services"))
      out += each.path().extension() == ".esvc";
    return out;
  }

  std::string folder, said;
  wire::Name own;
  std::unique_ptr<io::EventLoop> loop;
  std::unique_ptr<service::Dispatcher> dispatcher;
  std::unique_ptr<ModuleRunner> runner;
  std::unique_ptr<Deployment> deployment;
  std::deque<crypto::Hash256> wanted;
  std::vector<base::Bytes> packages;  // that the controller has
  std::uint64_t revision = 0;
  int fetched = 0;
};

TEST_F(DeploymentTest, WhatTheCatalogueNamesIsFetchedAndRuns) {
  const Json now = settle({entry(package(1), 1)});
  EXPECT_EQ(now["state"], "accepted") << now << said;
  EXPECT_EQ(now["runs"], 1);
  EXPECT_EQ(now["runner"], "thread");
  EXPECT_EQ(fetched, 1);
  ASSERT_NE(dispatcher->find_remote(kId), nullptr);
  const Json next = settle({entry(package(2), 2)});
  EXPECT_EQ(next["runs"], 2) << next << said;
  EXPECT_EQ(dispatcher->find_remote(kId)->manifest.version, 2u);
  EXPECT_EQ(runner->cache()->counters().compiled, 1u) << "the same module";
  settle({});
  until([&] { return dispatcher->find_remote(kId) == nullptr; });
}

TEST_F(DeploymentTest, OneThatFaultsAtItsStartIsNotTakenOver) {
  settle({entry(package(1), 1)});
  const Json now = settle({entry(package(2, "fault"), 2)});
  EXPECT_EQ(now["state"], "refused");
  EXPECT_EQ(now["code"], code::kServiceStart);
  EXPECT_NE(now["reason"].get<std::string>().find("counter.c:"), std::string::npos) << now;
  EXPECT_EQ(now["runs"], 1);
  EXPECT_EQ(dispatcher->find_remote(kId)->manifest.version, 1u);
  // Values alone can mend it.
  CatalogueEntry mended = entry(packages.back(), 2);
  mended.current.config = {{"mode", "run"}};
  EXPECT_EQ(settle({mended})["runs"], 2);
}

TEST_F(DeploymentTest, ANodeThatStartsAloneRunsWhatItHad) {
  const CatalogueEntry first = entry(package(1), 1);
  settle({first});
  until([&] { return fs::exists(folder + "/services/" + std::to_string(kId) + ".good"); });
  stop();
  packages.clear();
  start();
  const Json now = settle({first});
  EXPECT_EQ(now["state"], "accepted") << now << said;
  EXPECT_EQ(fetched, 1);
  EXPECT_EQ(runner->cache()->counters().found, 1u);
}

TEST_F(DeploymentTest, WhereTheNewOneDoesNotStartTheOneThatRanLastDoes) {
  settle({entry(package(1), 1)});
  until([&] { return fs::exists(folder + "/services/" + std::to_string(kId) + ".good"); });
  const CatalogueEntry bad = entry(package(2, "fault"), 2);
  settle({bad});
  stop();
  start();
  settle({bad});
  until([&] { return deployment->standing()["services"][0]["runs"] == 1; });
  const Json now = deployment->standing()["services"][0];
  EXPECT_EQ(now["state"], "refused");
  EXPECT_EQ(now["code"], code::kServiceStart);
}

TEST_F(DeploymentTest, APackageThatIsNotTheOneIsRefused) {
  const base::Bytes other = package(1, "run", 8);
  EXPECT_EQ(settle({entry(other, 1)})["code"], code::kServicePackage) << "another publisher";
  EXPECT_EQ(settle({entry(package(1), 2)})["code"], code::kServicePackage) << "another version";
  // The controller has none.
  CatalogueEntry missing = entry(package(3), 3);
  packages.clear();
  deployment->set({missing}, 9);
  until([&] { return !wanted.empty(); });
  deployment->take_package(wanted.front(), {});
  EXPECT_EQ(deployment->standing()["services"][0]["code"], code::kServicePackage);
  EXPECT_EQ(dispatcher->find_remote(kId), nullptr);
}

TEST_F(DeploymentTest, ADamagedPackageIsFetchedAgain) {
  const CatalogueEntry first = entry(package(1), 1);
  settle({first});
  stop();
  const std::string file = folder + "/services/" + base::to_hex(first.current.package) + ".esvc";
  base::Bytes octets = *io::read_file(file, 8 << 20);
  octets[100] ^= 1;
  ASSERT_TRUE(io::write_file(file, octets));
  start();
  EXPECT_EQ(settle({first})["state"], "accepted") << said;
  EXPECT_EQ(fetched, 2);
}

TEST_F(DeploymentTest, ServicesOfOtherNodesAreNotRunHere) {
  CatalogueEntry elsewhere = entry(package(1), 1);
  wire::Name other;
  other.octets.fill(4);
  elsewhere.nodes = {other};
  EXPECT_TRUE(settle({elsewhere}).is_null());
  elsewhere.nodes = {own, other};
  std::sort(elsewhere.nodes.begin(), elsewhere.nodes.end());
  EXPECT_EQ(settle({elsewhere})["state"], "accepted");
}

TEST_F(DeploymentTest, PackagesThatNothingNamesGo) {
  const CatalogueEntry first = entry(package(1), 1);
  settle({first});
  CatalogueEntry second = entry(package(2), 2);
  second.previous = first.current.package;
  settle({second});
  EXPECT_EQ(kept(), 2u) << "to go back to";
  CatalogueEntry third = entry(package(3), 3);
  third.previous = second.current.package;
  settle({third});
  until([&] { return kept() == 2; });
  const int before = fetched;
  settle({second});
  EXPECT_EQ(fetched, before) << "a roll-back asks nobody";
}

}  // namespace
}  // namespace entresol::runtime
