#include "store/rows.h"

#include <functional>
#include <limits>

#include "base/error_codes.h"

namespace entresol::store {
namespace {

namespace directory = layer::directory;

// Labels are unique among those that are not revoked, addresses among all: the store refuses what the core never asks for.
constexpr char kSchemaText[] = R"(
CREATE TABLE settings (
  id INTEGER PRIMARY KEY CHECK (id = 1), layer BLOB NOT NULL, label TEXT NOT NULL, domain TEXT NOT NULL,
  pool BLOB NOT NULL, pool_length INTEGER NOT NULL, reserved BLOB NOT NULL,
  lifetime INTEGER NOT NULL, forget_after INTEGER NOT NULL) STRICT;
CREATE TABLE members (
  name BLOB PRIMARY KEY NOT NULL, identity BLOB NOT NULL, role INTEGER NOT NULL, ipv4 BLOB NOT NULL UNIQUE,
  label TEXT NOT NULL, tags TEXT NOT NULL, admitted_at INTEGER NOT NULL, revoked_at INTEGER NOT NULL,
  token BLOB NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, until INTEGER NOT NULL,
  certificate BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX members_label ON members (label) WHERE revoked_at = 0;
CREATE TABLE guests (
  name BLOB PRIMARY KEY NOT NULL, wireguard_key BLOB NOT NULL, ipv4 BLOB NOT NULL UNIQUE, label TEXT NOT NULL,
  tags TEXT NOT NULL, nodes BLOB NOT NULL, revoked_at INTEGER NOT NULL, not_before INTEGER NOT NULL,
  not_after INTEGER NOT NULL, until INTEGER NOT NULL, grant_chain BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX guests_label ON guests (label) WHERE revoked_at = 0;
CREATE TABLE tokens (
  id BLOB PRIMARY KEY NOT NULL, secret BLOB NOT NULL UNIQUE, role INTEGER NOT NULL, tags TEXT NOT NULL,
  label TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER NOT NULL,
  used_by BLOB) STRICT;
CREATE TABLE api_tokens (
  id BLOB PRIMARY KEY NOT NULL, secret BLOB NOT NULL UNIQUE, label TEXT NOT NULL, scopes INTEGER NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL) STRICT;
CREATE TABLE policy (
  id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, body TEXT NOT NULL, set_at INTEGER NOT NULL) STRICT;
CREATE TABLE registrations (
  name BLOB PRIMARY KEY NOT NULL, sequence INTEGER NOT NULL, until INTEGER NOT NULL, registration BLOB NOT NULL) STRICT;
)";

constexpr char kNames[] = R"(
CREATE TABLE names (
  name BLOB PRIMARY KEY NOT NULL, key BLOB NOT NULL UNIQUE, secret BLOB, kind INTEGER NOT NULL, service INTEGER NOT NULL,
  ipv4 BLOB NOT NULL UNIQUE, label TEXT NOT NULL, tags TEXT NOT NULL, created_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, until INTEGER NOT NULL,
  certificate BLOB NOT NULL, delegations BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX names_label ON names (label) WHERE revoked_at = 0;
)";

// Versions in the form that the catalogue has them in. Ids and names are unique among those that were not removed.
constexpr char kServices[] = R"(
CREATE TABLE services (
  id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, publisher BLOB NOT NULL, current BLOB NOT NULL, previous BLOB,
  highest INTEGER NOT NULL, nodes BLOB NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  removed_at INTEGER NOT NULL, revision INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX services_name ON services (name) WHERE removed_at = 0;
CREATE TABLE packages (hash BLOB PRIMARY KEY NOT NULL, octets BLOB NOT NULL) STRICT;
)";

// Tags have no comma in them.
std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ",") + word;
  return out;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

template <typename Element>
base::ByteView octets_of(const Element& element) {
  if constexpr (requires { element.octets; }) {
    return element.octets;
  } else {
    return element;
  }
}

template <typename Element>
base::Bytes packed(const std::vector<Element>& elements) {
  base::Bytes out;
  for (const Element& element : elements) {
    const base::ByteView octets = octets_of(element);
    out.insert(out.end(), octets.begin(), octets.end());
  }
  return out;
}

template <std::size_t N>
bool unpacked(const base::Bytes& octets,
              const std::function<void(std::array<std::uint8_t, N>)>& add) {
  if (octets.size() % N != 0) return false;
  base::ByteReader in(octets);
  while (in.remaining() > 0) add(in.array<N>());
  return true;
}

std::int64_t signed_of(std::uint64_t number) {
  return static_cast<std::int64_t>(number);
}

bool role_of(std::int64_t number, directory::Role& role) {
  role = static_cast<directory::Role>(number);
  return number == 1 || number == 2;
}

// --- rows to records: false if a row is none ---

bool get(const Statement& row, directory::Settings& record) {
  base::Bytes reserved = row.octets(5);
  const std::int64_t length = row.number(4);
  record.label = row.text(1);
  record.domain = row.text(2);
  record.pool.length = static_cast<std::uint8_t>(length);
  record.lifetime = row.number(6);
  record.forget_after = row.number(7);
  return row.array(0, record.layer) && row.array(3, record.pool.first) && length >= 0 &&
         length <= 32 &&
         unpacked<4>(reserved, [&](directory::Ipv4 one) { record.reserved.push_back(one); }) &&
         directory::check_settings(record).has_value();
}

bool get(const Statement& row, directory::MemberRecord& record) {
  record.label = row.text(4);
  record.tags = split(row.text(5));
  record.admitted_at = row.number(6);
  record.revoked_at = row.number(7);
  record.not_before = row.number(9);
  record.not_after = row.number(10);
  record.until = row.number(11);
  record.certificate = row.octets(12);
  return row.array(0, record.name.octets) && row.array(1, record.identity) &&
         role_of(row.number(2), record.role) && row.array(3, record.ipv4) &&
         row.array(8, record.token) && directory::check_label(record.label).has_value() &&
         directory::check_tags(record.tags).has_value();
}

bool get(const Statement& row, directory::GuestRecord& record) {
  record.label = row.text(3);
  record.tags = split(row.text(4));
  const base::Bytes nodes = row.octets(5);
  record.revoked_at = row.number(6);
  record.not_before = row.number(7);
  record.not_after = row.number(8);
  record.until = row.number(9);
  record.grant = row.octets(10);
  return row.array(0, record.name.octets) && row.array(1, record.wireguard_key) &&
         row.array(2, record.ipv4) &&
         unpacked<16>(nodes,
                      [&](std::array<std::uint8_t, 16> one) { record.nodes.push_back({one}); }) &&
         directory::check_label(record.label).has_value() &&
         directory::check_tags(record.tags).has_value();
}

bool get(const Statement& row, directory::NameRecord& record) {
  const std::int64_t kind = row.number(3), service = row.number(4);
  record.kind = static_cast<layer::membership::NameKind>(kind);
  record.service = static_cast<std::uint32_t>(service);
  record.label = row.text(6);
  record.tags = split(row.text(7));
  record.created_at = row.number(8);
  record.revoked_at = row.number(9);
  record.not_before = row.number(10);
  record.not_after = row.number(11);
  record.until = row.number(12);
  record.certificate = row.octets(13);
  if (!row.is_null(2)) {
    crypto::SecretBytes<32> secret;
    if (!row.secret(2, secret)) return false;
    record.secret = std::move(secret);
  }
  const base::Bytes delegations = row.octets(14);
  const auto each_of = layer::membership::split_delegations(delegations);
  if (!each_of) return false;
  for (const base::ByteView each : *each_of) {
    auto delegate = directory::delegate_record(each);
    if (!delegate) return false;
    record.delegates.push_back(std::move(*delegate));
  }
  return row.array(0, record.name.octets) && row.array(1, record.key) && (kind == 1 || kind == 2) &&
         service >= 0 && service <= std::numeric_limits<std::uint32_t>::max() &&
         row.array(5, record.ipv4) && directory::check_label(record.label).has_value() &&
         directory::check_tags(record.tags).has_value();
}

bool get(const Statement& row, directory::TokenRecord& record) {
  record.tags = split(row.text(3));
  record.label = row.text(4);
  record.created_at = row.number(5);
  record.expires_at = row.number(6);
  record.used_at = row.number(7);
  if (!row.is_null(8)) {
    record.used_by.emplace();
    if (!row.array(8, record.used_by->octets)) return false;
  }
  return row.array(0, record.id) && row.array(1, record.secret) &&
         role_of(row.number(2), record.role) && directory::check_tags(record.tags).has_value();
}

bool get(const Statement& row, directory::ApiTokenRecord& record) {
  record.label = row.text(2);
  const std::int64_t scopes = row.number(3);
  record.scopes = static_cast<directory::Scopes>(scopes);
  record.created_at = row.number(4);
  record.expires_at = row.number(5);
  return row.array(0, record.id) && row.array(1, record.secret) && scopes > 0 &&
         scopes <= directory::kAllScopes;
}

bool get(const Statement& row, directory::PolicyRecord& record) {
  record.revision = static_cast<std::uint64_t>(row.number(0));
  record.text = row.text(1);
  record.set_at = row.number(2);
  return record.revision > 0;
}

bool get(const Statement& row, directory::ServiceRecord& record) {
  const std::int64_t id = row.number(0), highest = row.number(5), revision = row.number(10);
  record.id = static_cast<std::uint32_t>(id);
  record.name = row.text(1);
  record.highest = static_cast<std::uint32_t>(highest);
  record.created_at = row.number(7);
  record.changed_at = row.number(8);
  record.removed_at = row.number(9);
  record.revision = static_cast<std::uint64_t>(revision);
  auto current = directory::parse_version(row.octets(3));
  if (!current) return false;
  record.current = std::move(*current);
  if (!row.is_null(4)) {
    auto previous = directory::parse_version(row.octets(4));
    if (!previous) return false;
    record.previous = std::move(*previous);
  }
  const base::Bytes nodes = row.octets(6);
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return id > 0 && id <= kMost && highest >= 0 && highest <= kMost && revision > 0 &&
         row.array(2, record.publisher) && !record.name.empty() &&
         record.name.size() <= directory::kMaxServiceName &&
         unpacked<16>(nodes,
                      [&](std::array<std::uint8_t, 16> one) { record.nodes.push_back({one}); });
}

// Whether the octets are those is asked when they are used: a node does, too.
bool get(const Statement& row, directory::PackageRecord& record) {
  record.octets = std::make_shared<const base::Bytes>(row.octets(1));
  return row.array(0, record.hash);
}

bool get(const Statement& row, directory::RegistrationRecord& record) {
  record.sequence = static_cast<std::uint64_t>(row.number(1));
  record.until = row.number(2);
  record.registration = row.octets(3);
  return row.array(0, record.name.octets);
}

template <typename Record>
base::Result<void> read_all(sqlite3* database, const char* table, const char* columns,
                            std::vector<Record>& out) {
  const std::string sql = std::string("SELECT ") + columns + " FROM " + table + " ORDER BY 1";
  auto rows = Statement::prepare(database, sql.c_str());
  if (!rows) return tl::unexpected(rows.error());
  for (;;) {
    const int result = rows->row();
    if (result == SQLITE_DONE) return {};
    if (result != SQLITE_ROW)
      return tl::unexpected(error_of(database, result, "cannot read the store"));
    Record record;
    if (!get(*rows, record))
      return base::fail(base::code::kStoreBroken,
                        std::string("the store has a row in '") + table + "' that is no record");
    out.push_back(std::move(record));
  }
}

constexpr char kMemberColumns[] =
    "name, identity, role, ipv4, label, tags, admitted_at, revoked_at, token, not_before, "
    "not_after, until, certificate";
constexpr char kGuestColumns[] =
    "name, wireguard_key, ipv4, label, tags, nodes, revoked_at, not_before, not_after, until, "
    "grant_chain";
constexpr char kNameColumns[] =
    "name, key, secret, kind, service, ipv4, label, tags, created_at, revoked_at, not_before, "
    "not_after, until, certificate, delegations";
constexpr char kTokenColumns[] =
    "id, secret, role, tags, label, created_at, expires_at, used_at, used_by";
constexpr char kApiTokenColumns[] = "id, secret, label, scopes, created_at, expires_at";
constexpr char kServiceColumns[] =
    "id, name, publisher, current, previous, highest, nodes, created_at, changed_at, removed_at, "
    "revision";
constexpr char kSettingsColumns[] =
    "layer, label, domain, pool, pool_length, reserved, lifetime, forget_after";

// An update in place, so that a second row with a label or an address is an error: INSERT OR REPLACE would delete the first.
std::string upsert(const std::string& table, const std::string& key, const std::string& columns) {
  std::string marks, sets;
  for (std::size_t begin = 0; begin < columns.size();) {
    const std::size_t end = std::min(columns.find(", ", begin), columns.size());
    const std::string column = columns.substr(begin, end - begin);
    marks += marks.empty() ? "?" : ", ?";
    sets += (sets.empty() ? "" : ", ") + column + " = excluded." + column;
    begin = end + 2;
  }
  return "INSERT INTO " + table + " (" + columns + ") VALUES (" + marks + ") ON CONFLICT (" + key +
         ") DO UPDATE SET " + sets;
}

}  // namespace

const char* const kSchema = kSchemaText;

const char* upgrade_to(int version) {
  return version == 2 ? kNames : version == 3 ? kServices : "";
}

base::Result<Rows> Rows::prepare(sqlite3* database) {
  Rows rows(database);
  const std::pair<Statement*, std::string> statements[] = {
      {&rows.put_settings_, upsert("settings", "id", std::string("id, ") + kSettingsColumns)},
      {&rows.put_member_, upsert("members", "name", kMemberColumns)},
      {&rows.put_guest_, upsert("guests", "name", kGuestColumns)},
      {&rows.put_name_, upsert("names", "name", kNameColumns)},
      {&rows.put_token_, upsert("tokens", "id", kTokenColumns)},
      {&rows.put_api_token_, upsert("api_tokens", "id", kApiTokenColumns)},
      {&rows.put_policy_, upsert("policy", "id", "id, revision, body, set_at")},
      {&rows.put_registration_,
       upsert("registrations", "name", "name, sequence, until, registration")},
      {&rows.put_service_, upsert("services", "id", kServiceColumns)},
      {&rows.put_package_, upsert("packages", "hash", "hash, octets")},
      {&rows.drop_member_, "DELETE FROM members WHERE name = ?"},
      {&rows.drop_guest_, "DELETE FROM guests WHERE name = ?"},
      {&rows.drop_name_, "DELETE FROM names WHERE name = ?"},
      {&rows.drop_token_, "DELETE FROM tokens WHERE id = ?"},
      {&rows.drop_api_token_, "DELETE FROM api_tokens WHERE id = ?"},
      {&rows.drop_registration_, "DELETE FROM registrations WHERE name = ?"},
      {&rows.drop_service_, "DELETE FROM services WHERE id = ?"},
      {&rows.drop_package_, "DELETE FROM packages WHERE hash = ?"},
  };
  for (const auto& [statement, sql] : statements) {
    auto prepared = Statement::prepare(database, sql.c_str());
    if (!prepared) return tl::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  return rows;
}

int Rows::write(const directory::Change& change) {
  return std::visit([this](const auto& record) { return put(record); }, change);
}

int Rows::put(const directory::Settings& record) {
  const base::Bytes reserved = packed(record.reserved);
  return put_settings_.bind(std::int64_t{1})
      .bind(record.layer)
      .bind(record.label)
      .bind(record.domain)
      .bind(record.pool.first)
      .bind(std::int64_t{record.pool.length})
      .bind(reserved)
      .bind(record.lifetime)
      .bind(record.forget_after)
      .run();
}

int Rows::put(const directory::MemberRecord& record) {
  const std::string tags = joined(record.tags);
  return put_member_.bind(record.name.octets)
      .bind(record.identity)
      .bind(static_cast<std::int64_t>(record.role))
      .bind(record.ipv4)
      .bind(record.label)
      .bind(tags)
      .bind(record.admitted_at)
      .bind(record.revoked_at)
      .bind(record.token)
      .bind(record.not_before)
      .bind(record.not_after)
      .bind(record.until)
      .bind(record.certificate)
      .run();
}

int Rows::put(const directory::GuestRecord& record) {
  const std::string tags = joined(record.tags);
  const base::Bytes nodes = packed(record.nodes);
  return put_guest_.bind(record.name.octets)
      .bind(record.wireguard_key)
      .bind(record.ipv4)
      .bind(record.label)
      .bind(tags)
      .bind(nodes)
      .bind(record.revoked_at)
      .bind(record.not_before)
      .bind(record.not_after)
      .bind(record.until)
      .bind(record.grant)
      .run();
}

int Rows::put(const directory::NameRecord& record) {
  const std::string tags = joined(record.tags);
  base::Bytes delegations;
  for (const directory::DelegateRecord& each : record.delegates)
    delegations.insert(delegations.end(), each.delegation.begin(), each.delegation.end());
  put_name_.bind(record.name.octets).bind(record.key);
  if (record.secret) put_name_.bind(base::ByteView(*record.secret));
  if (!record.secret) put_name_.bind_null();
  return put_name_.bind(static_cast<std::int64_t>(record.kind))
      .bind(std::int64_t{record.service})
      .bind(record.ipv4)
      .bind(record.label)
      .bind(tags)
      .bind(record.created_at)
      .bind(record.revoked_at)
      .bind(record.not_before)
      .bind(record.not_after)
      .bind(record.until)
      .bind(record.certificate)
      .bind(delegations)
      .run();
}

int Rows::put(const directory::TokenRecord& record) {
  const std::string tags = joined(record.tags);
  put_token_.bind(record.id)
      .bind(record.secret)
      .bind(static_cast<std::int64_t>(record.role))
      .bind(tags)
      .bind(record.label)
      .bind(record.created_at)
      .bind(record.expires_at)
      .bind(record.used_at);
  if (record.used_by) put_token_.bind(record.used_by->octets);
  if (!record.used_by) put_token_.bind_null();
  return put_token_.run();
}

int Rows::put(const directory::ApiTokenRecord& record) {
  return put_api_token_.bind(record.id)
      .bind(record.secret)
      .bind(record.label)
      .bind(std::int64_t{record.scopes})
      .bind(record.created_at)
      .bind(record.expires_at)
      .run();
}

int Rows::put(const directory::PolicyRecord& record) {
  return put_policy_.bind(std::int64_t{1})
      .bind(signed_of(record.revision))
      .bind(record.text)
      .bind(record.set_at)
      .run();
}

int Rows::put(const directory::RegistrationRecord& record) {
  return put_registration_.bind(record.name.octets)
      .bind(signed_of(record.sequence))
      .bind(record.until)
      .bind(record.registration)
      .run();
}

int Rows::put(const directory::ServiceRecord& record) {
  const base::Bytes current = directory::emit_version(record.current);
  const base::Bytes previous =
      record.previous ? directory::emit_version(*record.previous) : base::Bytes();
  const base::Bytes nodes = packed(record.nodes);
  put_service_.bind(std::int64_t{record.id}).bind(record.name).bind(record.publisher).bind(current);
  if (record.previous) put_service_.bind(previous);
  if (!record.previous) put_service_.bind_null();
  return put_service_.bind(std::int64_t{record.highest})
      .bind(nodes)
      .bind(record.created_at)
      .bind(record.changed_at)
      .bind(record.removed_at)
      .bind(signed_of(record.revision))
      .run();
}

int Rows::put(const directory::PackageRecord& record) {
  return put_package_.bind(record.hash).bind(*record.octets).run();
}

// With a member goes its registration, as in the core; a revoked one's is ignored there.
int Rows::put(const directory::DropMember& drop) {
  const int result = drop_registration_.bind(drop.name.octets).run();
  return result == SQLITE_DONE ? drop_member_.bind(drop.name.octets).run() : result;
}
int Rows::put(const directory::DropGuest& drop) {
  return drop_guest_.bind(drop.name.octets).run();
}
int Rows::put(const directory::DropName& drop) {
  return drop_name_.bind(drop.name.octets).run();
}
int Rows::put(const directory::DropToken& drop) {
  return drop_token_.bind(drop.id).run();
}
int Rows::put(const directory::DropApiToken& drop) {
  return drop_api_token_.bind(drop.id).run();
}
int Rows::put(const directory::DropRegistration& drop) {
  return drop_registration_.bind(drop.name.octets).run();
}

int Rows::put(const directory::DropService& drop) {
  return drop_service_.bind(std::int64_t{drop.id}).run();
}
int Rows::put(const directory::DropPackage& drop) {
  return drop_package_.bind(drop.hash).run();
}

base::Result<directory::Snapshot> Rows::read() {
  directory::Snapshot snapshot;
  std::vector<directory::Settings> settings;
  std::vector<directory::PolicyRecord> policies;
  base::Result<void> done = read_all(database_, "settings", kSettingsColumns, settings);
  if (done) done = read_all(database_, "members", kMemberColumns, snapshot.members);
  if (done) done = read_all(database_, "guests", kGuestColumns, snapshot.guests);
  if (done) done = read_all(database_, "names", kNameColumns, snapshot.names);
  if (done) done = read_all(database_, "tokens", kTokenColumns, snapshot.tokens);
  if (done) done = read_all(database_, "api_tokens", kApiTokenColumns, snapshot.api_tokens);
  if (done) done = read_all(database_, "policy", "revision, body, set_at", policies);
  if (done)
    done = read_all(database_, "registrations", "name, sequence, until, registration",
                    snapshot.registrations);
  if (done) done = read_all(database_, "services", kServiceColumns, snapshot.services);
  if (done) done = read_all(database_, "packages", "hash, octets", snapshot.packages);
  if (!done) return tl::unexpected(done.error());
  if (!settings.empty()) snapshot.settings = std::move(settings.front());
  if (!policies.empty()) snapshot.policy = std::move(policies.front());
  return snapshot;
}

}  // namespace entresol::store
