#include "store/sqlite.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "layer/directory/test_layer.h"
#include "store/file/test_disk.h"

namespace entresol::store {
namespace {

namespace error = base::code;
namespace directory = layer::directory;
using directory::test::code;
using directory::test::code_of;
using directory::test::kDay;
using directory::test::kHour;
using directory::test::kNow;
using directory::test::Person;
using directory::test::World;

class SqliteTest : public ::testing::Test {
 protected:
  SqliteTest() {
    std::string pattern = ::testing::TempDir() + "entresol-store-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    path = folder + "/controller.db";
  }
  ~SqliteTest() override { std::filesystem::remove_all(folder); }
  std::unique_ptr<SqliteStore> open() {
    auto opened = SqliteStore::open({path, "", true});
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  void sql(const char* text) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, text, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }
  std::string folder, path;
};

// One record of each kind, with nothing left at its default.
std::vector<directory::Change> one_of_each(World& world) {
  world.found();
  const Person gate = world.person("gate"), alice = world.person("alice");
  world.settings.reserved = {{100, 64, 0, 53}, {100, 64, 0, 54}};
  EXPECT_TRUE(world.settle(world.authority->set_settings(world.settings)).has_value());
  const auto token = world.token(directory::Role::kNode, {"a", "b-1"}, "gate");
  EXPECT_TRUE(world.join(gate, token.secret, kNow, directory::Role::kNode).has_value());
  const auto issued = world.admit(alice);
  world.token();
  EXPECT_TRUE(world.put(alice, issued.certificate, ~std::uint64_t{0} - 1, kNow + kHour, kNow));
  const auto bob = world.person("bob");
  world.admit(bob);
  EXPECT_TRUE(world.settle(world.authority->revoke_member("bob", kNow + 1)).has_value());
  directory::GuestRequest guest;
  guest.wireguard_key = world.random.bytes<32>();
  guest.label = "phone";
  guest.tags = {"x"};
  guest.nodes = {gate.name, alice.name};
  guest.lifetime = kDay;
  EXPECT_TRUE(world.settle(world.authority->add_guest(guest, kNow)).has_value());
  directory::NameRequest web, cache;
  web.label = "web";
  web.tags = {"front", "x"};
  cache.label = "cache";
  cache.kind = layer::membership::NameKind::kService;
  cache.service = 0xffffffff;
  cache.key = world.random.bytes<32>();
  EXPECT_TRUE(world.settle(world.authority->create_name(web, kNow)).has_value());
  EXPECT_TRUE(world.settle(world.authority->create_name(cache, kNow)).has_value());
  EXPECT_TRUE(world.settle(world.authority->delegate_name({"web", {"gate", "alice"}, 7}, kNow))
                  .has_value());
  EXPECT_TRUE(world.settle(world.authority->delegate_name({"web", {"alice"}, 0}, kNow + 1)));
  EXPECT_TRUE(world.settle(world.authority->create_api_token({"ci", 5, kDay}, kNow)).has_value());
  directory::PublishRequest service;
  service.id = 0xffffffff;
  service.name = "hello";
  service.version = 7;
  service.publisher = world.random.bytes<32>();
  service.package = std::make_shared<const base::Bytes>(base::Bytes(9000, 0xab));
  service.config = {{"limit", "3"}, {"text", std::string("\0x", 2)}};
  service.nodes = {gate.name, alice.name};
  EXPECT_TRUE(world.settle(world.authority->publish(service, kNow)).has_value());
  service.version = 8;
  service.package = std::make_shared<const base::Bytes>(base::Bytes(9001, 0xcd));
  EXPECT_TRUE(world.settle(world.authority->publish(service, kNow)).has_value());
  service.id = 0x80000001;
  service.name = "gone";
  EXPECT_TRUE(world.settle(world.authority->publish(service, kNow)).has_value());
  EXPECT_TRUE(world.settle(world.authority->remove_service("gone", kNow + 1)).has_value());
  EXPECT_TRUE(
      world.settle(world.authority->set_policy("deny * *  # \xc3\xa4\n", kNow)).has_value());

  std::vector<directory::Change> changes;
  const directory::Snapshot snapshot = world.store.snapshot();
  changes.emplace_back(*snapshot.settings);
  changes.emplace_back(*snapshot.policy);
  const auto add = [&](const auto& records) {
    for (const auto& record : records) changes.emplace_back(record);
  };
  add(snapshot.members);
  add(snapshot.guests);
  add(snapshot.names);
  add(snapshot.tokens);
  add(snapshot.api_tokens);
  add(snapshot.registrations);
  add(snapshot.services);
  add(snapshot.packages);
  return changes;
}

void expect_same(const directory::Snapshot& a, const directory::Snapshot& b) {
  EXPECT_EQ(a.settings, b.settings);
  EXPECT_EQ(a.policy, b.policy);
  EXPECT_EQ(a.members, b.members);
  EXPECT_EQ(a.guests, b.guests);
  EXPECT_EQ(a.names, b.names);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.api_tokens, b.api_tokens);
  EXPECT_EQ(a.registrations, b.registrations);
  EXPECT_EQ(a.services, b.services);
  EXPECT_EQ(a.packages, b.packages);
}

TEST_F(SqliteTest, ANewStoreIsEmptyAndPrivate) {
  const mode_t old = ::umask(0);
  auto store = open();
  ::umask(old);
  ASSERT_NE(store, nullptr);
  const auto snapshot = store->load();
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_FALSE(snapshot->settings.has_value());
  EXPECT_TRUE(snapshot->members.empty());
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    struct stat found{};
    ASSERT_EQ(::stat(entry.path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, 0600u) << entry.path();
  }
  store.reset();
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  store = open();
  struct stat found{};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);
}

TEST_F(SqliteTest, RecordsComeBackAsTheyWere) {
  World world;
  const auto changes = one_of_each(world);
  auto store = open();
  ASSERT_TRUE(store->commit(changes).has_value());
  expect_same(*store->load(), world.store.snapshot());
  store.reset();
  store = open();
  expect_same(*store->load(), world.store.snapshot());
  ASSERT_TRUE(store->commit(changes).has_value());  // again: each replaces itself
  expect_same(*store->load(), world.store.snapshot());
}

TEST_F(SqliteTest, RecordsGoAway) {
  World world;
  const auto changes = one_of_each(world);
  auto store = open();
  ASSERT_TRUE(store->commit(changes).has_value());
  const directory::Snapshot all = world.store.snapshot();
  std::vector<directory::Change> drops;
  for (const auto& record : all.members) drops.emplace_back(directory::DropMember{record.name});
  for (const auto& record : all.guests) drops.emplace_back(directory::DropGuest{record.name});
  for (const auto& record : all.names) drops.emplace_back(directory::DropName{record.name});
  for (const auto& record : all.tokens) drops.emplace_back(directory::DropToken{record.id});
  for (const auto& record : all.api_tokens) drops.emplace_back(directory::DropApiToken{record.id});
  ASSERT_TRUE(store->commit(drops).has_value());
  const auto left = store->load();
  EXPECT_TRUE(left->members.empty() && left->guests.empty() && left->names.empty() &&
              left->tokens.empty() && left->api_tokens.empty() && left->registrations.empty());
  EXPECT_EQ(left->settings, all.settings);
}

TEST_F(SqliteTest, AnAuthorityLivesOnIt) {
  World world;
  world.found();
  auto store = open();
  const auto founding = directory::Authority::found(world.settings, "", kNow);
  ASSERT_TRUE(store->commit(*founding).has_value());
  const Person alice = world.person("alice");
  directory::TokenSecret secret;
  directory::Issued first;
  for (int life = 0; life < 2; ++life) {
    auto authority = directory::Authority::open({world.root.public_key, world.op, world.delegation},
                                                *store->load(), world.random);
    ASSERT_TRUE(authority.has_value());
    if (life == 0)
      secret =
          directory::settle(*authority, *store,
                            authority->create_token({directory::Role::kHost, {}, "", kHour}, kNow))
              ->secret;
    auto issued =
        directory::settle(*authority, *store, authority->join(alice.request(secret), kNow));
    ASSERT_TRUE(issued.has_value()) << issued.error().message;
    if (life == 0) first = *issued;
    EXPECT_EQ(issued->certificate, first.certificate);
    store.reset();
    store = open();
  }
}

TEST_F(SqliteTest, BelongsToOneProcess) {
  auto store = open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(code_of(SqliteStore::open({path, "", true})), code(error::kStoreLocked));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto other = SqliteStore::open({path, "", true});
    ::_exit(!other && other.error().code == error::kStoreLocked ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  World world;
  ASSERT_TRUE(store->commit(one_of_each(world)).has_value());
  store.reset();
  EXPECT_NE(open(), nullptr);
}

TEST_F(SqliteTest, OtherFilesAreRefused) {
  std::ofstream(path) << std::string(5000, 'x');
  EXPECT_EQ(code_of(SqliteStore::open({path, "", true})), code(error::kStoreBroken));
  ASSERT_EQ(::unlink(path.c_str()), 0);
  sql("CREATE TABLE somebody (s); PRAGMA user_version = 1;");
  EXPECT_EQ(code_of(SqliteStore::open({path, "", true})), code(error::kStoreBroken));
  EXPECT_EQ(code_of(SqliteStore::open({folder, "", true})), code(error::kFileUnwritable));
  EXPECT_EQ(code_of(SqliteStore::open({folder + "/no/store", "", true})),
            code(error::kFileUnwritable));
}

TEST_F(SqliteTest, AStoreOfANewerVersionIsLeftAlone) {
  open().reset();
  sql("PRAGMA user_version = 4;");
  const auto opened = SqliteStore::open({path, "", true});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, code(error::kStoreNewer));
  EXPECT_NE(opened.error().message.find("version is 4"), std::string::npos);
}

// As version 1 of the program has left it.
constexpr char kVersion1[] =
    "DROP TABLE names; DROP TABLE services; DROP TABLE packages; PRAGMA user_version = 1;";

TEST_F(SqliteTest, AStoreOfVersion1IsUpgraded) {
  World world;
  const auto changes = one_of_each(world);
  std::vector<directory::Change> old;
  for (const auto& change : changes)
    if (!std::holds_alternative<directory::NameRecord>(change) &&
        !std::holds_alternative<directory::ServiceRecord>(change) &&
        !std::holds_alternative<directory::PackageRecord>(change))
      old.push_back(change);
  ASSERT_TRUE(open()->commit(old).has_value());
  sql(kVersion1);
  auto store = open();
  ASSERT_NE(store, nullptr);
  directory::Snapshot expected = world.store.snapshot();
  expected.names.clear();
  expected.services.clear();
  expected.packages.clear();
  expect_same(*store->load(), expected);
  ASSERT_TRUE(store->commit(changes).has_value());
  store.reset();
  store = open();
  expect_same(*store->load(), world.store.snapshot());
}

TEST_F(SqliteTest, AnUpgradeThatIsCutShortIsMadeAgain) {
  World world;
  const auto changes = one_of_each(world);
  int cut = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    test::Disk disk(seed);
    {
      auto store = SqliteStore::open({"store", disk.name(), true});
      ASSERT_TRUE((*store)->commit(changes).has_value());
    }
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open_v2("store", &database, SQLITE_OPEN_READWRITE, disk.name().c_str()),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, "PRAGMA locking_mode = EXCLUSIVE", nullptr, nullptr, nullptr),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, kVersion1, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
    disk.die_at(seed % 20);
    {
      auto store = SqliteStore::open({"store", disk.name(), true});
    }
    cut += disk.dead();
    disk.crash(seed % 2 == 0);
    auto store = SqliteStore::open({"store", disk.name(), true});
    ASSERT_TRUE(store.has_value()) << seed << ": " << store.error().message;
    EXPECT_EQ((*store)->load()->members, world.store.snapshot().members) << seed;
    ASSERT_TRUE((*store)->commit(changes).has_value());
    expect_same(*(*store)->load(), world.store.snapshot());
  }
  EXPECT_GT(cut, 50);
}

TEST_F(SqliteTest, RowsThatAreNoRecordsAreSaid) {
  World world;
  const auto changes = one_of_each(world);
  for (const char* damage :
       {"UPDATE members SET identity = x'00'", "UPDATE members SET role = 3",
        "UPDATE members SET label = 'A B' WHERE label = 'alice'",
        "UPDATE guests SET nodes = x'0011'", "UPDATE names SET kind = 3",
        "UPDATE names SET secret = x'00' WHERE label = 'web'", "UPDATE names SET service = -1",
        "UPDATE names SET delegations = x'0107' WHERE label = 'web'",
        "UPDATE tokens SET used_by = x'11'", "UPDATE api_tokens SET scopes = 99",
        "UPDATE settings SET pool_length = 4000", "UPDATE policy SET revision = 0",
        "UPDATE registrations SET name = x''", "UPDATE services SET current = x'00'",
        "UPDATE services SET id = -1 WHERE name = 'hello'", "UPDATE services SET publisher = x'00'",
        "UPDATE packages SET hash = x'00' WHERE length(octets) = 9000"}) {
    std::filesystem::remove(path);
    std::filesystem::remove(path + "-wal");
    ASSERT_TRUE(open()->commit(changes).has_value());
    sql(damage);
    EXPECT_EQ(code_of(open()->load()), code(error::kStoreBroken)) << damage;
  }
}

TEST_F(SqliteTest, TheStoreRefusesWhatContradictsItself) {
  World world;
  const auto changes = one_of_each(world);
  auto store = open();
  ASSERT_TRUE(store->commit(changes).has_value());
  const directory::Snapshot before = *store->load();
  directory::MemberRecord twin = before.members.at(0);
  twin.name.octets[15] ^= 1;
  twin.ipv4 = {100, 64, 9, 9};
  twin.revoked_at = 0;
  twin.label = "alice";
  directory::TokenRecord token = before.tokens.at(0);
  token.used_at = 77;
  EXPECT_EQ(code_of(store->commit(std::vector<directory::Change>{token, twin})),
            code(error::kStoreBroken));
  expect_same(*store->load(), before);  // and the token of the same commit is as it was
  twin.label = "twin";
  twin.ipv4 = before.members.at(0).ipv4;
  EXPECT_EQ(code_of(store->commit(std::vector<directory::Change>{token, twin})),
            code(error::kStoreBroken));
  twin.ipv4 = {100, 64, 9, 9};
  EXPECT_EQ(code_of(store->commit(std::vector<directory::Change>{token, twin})), "");
}

TEST_F(SqliteTest, AFullDiskIsSaidAndNothingIsHalfDone) {
  test::Disk disk(1);
  World world;
  world.found();
  auto opened = SqliteStore::open({"store", disk.name(), true});
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  SqliteStore& store = **opened;
  ASSERT_TRUE(store.commit(*directory::Authority::found(world.settings, "", kNow)).has_value());
  auto authority = directory::Authority::open({world.root.public_key, world.op, world.delegation},
                                              *store.load(), world.random);
  ASSERT_TRUE(authority.has_value());
  std::size_t policy = 0;
  const auto set = [&] {
    ++policy;
    return directory::settle(
        *authority, store,
        authority->set_policy("# " + std::to_string(policy) + std::string(20'000, 'x'), kNow));
  };
  disk.limit(disk.used() + 300'000);
  int kept = 0;
  base::Result<directory::PolicyRecord> last = set();
  for (; last && kept < 100; last = set()) ++kept;
  ASSERT_GT(kept, 2);
  ASSERT_LT(kept, 100);
  EXPECT_EQ(code_of(last), code(error::kStoreFull));
  EXPECT_EQ(store.load()->policy->revision, authority->policy().revision);
  EXPECT_EQ(store.load()->policy->text, authority->policy().text);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(code_of(set()), code(error::kStoreFull));
  disk.limit(disk.used() + 3'000'000);  // somebody makes room
  EXPECT_EQ(code_of(set()), "");
  EXPECT_EQ(store.load()->policy->text, authority->policy().text);
}

TEST_F(SqliteTest, DurableCommitsWaitForTheDiskAndSoftOnesDoNot) {
  test::Disk disk(1);
  World world;
  const auto changes = one_of_each(world);
  auto store = SqliteStore::open({"store", disk.name(), true});
  ASSERT_TRUE(store.has_value());
  std::vector<directory::Change> soft;
  for (const auto& change : changes)
    if (!directory::is_durable(change)) soft.push_back(change);
  ASSERT_EQ(soft.size(), 1u);
  ASSERT_TRUE((*store)->commit(changes).has_value());
  std::uint64_t before = disk.syncs();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE((*store)->commit(soft).has_value());
  EXPECT_EQ(disk.syncs(), before);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE((*store)->commit(changes).has_value());
  EXPECT_EQ(disk.syncs(), before + 10);
}

}  // namespace
}  // namespace entresol::store
