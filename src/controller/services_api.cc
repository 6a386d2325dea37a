// What people ask about the layer's services, and what nodes say about them.
#include <algorithm>

#include "base/error_codes.h"
#include "config/service_file.h"
#include "controller/call.h"
#include "service/packages/package.h"

namespace entresol::controller {
namespace {

namespace code = base::code;

constexpr std::size_t kMaxReason = 512;
constexpr std::array<std::uint8_t, 8> kWasm{0, 'a', 's', 'm', 1, 0, 0, 0};

// A package whose signature, form and manifest hold. Whether its module runs is for nodes to say: nothing compiles here.
struct Read {
  service::packages::Package package;
  service::Manifest manifest;
};

base::Result<Read> read_package(base::ByteView octets) {
  if (octets.size() > directory::kMaxPackage)
    return base::fail(code::kServiceFull, "a package has at most 4 MiB");
  auto package = service::packages::parse_package(octets);
  if (!package) return tl::unexpected(package.error());
  auto file = config::parse_service(package->manifest, "service.yaml");
  if (!file) return tl::unexpected(file.error());
  if (package->module.size() < kWasm.size() ||
      !std::equal(kWasm.begin(), kWasm.end(), package->module.begin()))
    return base::fail(code::kModuleMalformed, "what the package holds is no module");
  return Read{std::move(*package), std::move(file->manifest)};
}

// Values of an object of texts; kConfigBadValue.
base::Result<service::ConfigValues> values_of(const Json& body) {
  service::ConfigValues out;
  if (!body.contains("config") || body["config"].is_null()) return out;
  const auto refuse = [] {
    return base::fail(code::kConfigBadValue, "'config' has to be an object of texts");
  };
  if (!body["config"].is_object()) return refuse();
  for (const auto& [name, value] : body["config"].items()) {
    if (!value.is_string()) return refuse();
    out[name] = value.get<std::string>();
  }
  return out;
}

std::string short_text(const Json& object, const char* key) {
  if (!object.contains(key) || !object[key].is_string()) return {};
  return object[key].get<std::string>().substr(0, kMaxReason);
}

std::uint64_t whole_of(const Json& object, const char* key) {
  return object.contains(key) && object[key].is_number_unsigned() ? object[key].get<std::uint64_t>()
                                                                  : 0;
}

Json version_json(const directory::ServiceVersion& version) {
  return {{"version", version.version},
          {"package", base::to_hex(version.package)},
          {"module", base::to_hex(version.module)},
          {"size", version.size},
          {"config", version.config}};
}

}  // namespace

// --- nodes ---

Api::Answer Api::report_services(const Call& call) {
  const auto member = authority_.members().find(*call.member);
  if (member == authority_.members().end() || member->second.role != directory::Role::kNode)
    return base::fail(code::kScopeMissing, "only nodes run services");
  if (!call.body.contains("services") || !call.body["services"].is_array() ||
      call.body["services"].size() > directory::kMaxServices)
    return base::fail(code::kConfigBadValue, "'services' has to be a list");
  Reported said;
  said.revision = whole_of(call.body, "revision");
  for (const Json& each : call.body["services"]) {
    if (!each.is_object()) continue;
    Json kept{{"state", short_text(each, "state")},   {"version", whole_of(each, "version")},
              {"runs", whole_of(each, "runs")},       {"runner", short_text(each, "runner")},
              {"module", short_text(each, "module")}, {"standing", short_text(each, "standing")}};
    for (const char* key : {"code", "reason"})
      if (const std::string text = short_text(each, key); !text.empty()) kept[key] = text;
    said.services[static_cast<std::uint32_t>(whole_of(each, "id"))] = std::move(kept);
  }
  reported_[*call.member] = std::move(said);
  return Json::object();
}

Api::Answer Api::get_package(const Call& call) {
  base::Bytes octets;
  crypto::Hash256 hash{};
  if (!base::from_hex(call.who, octets) || octets.size() != hash.size())
    return base::fail(code::kConfigBadValue, "a package is named by 64 hexadecimal digits");
  std::ranges::copy(octets, hash.begin());
  const directory::PackageRecord* package = authority_.find_package(hash);
  if (package == nullptr)
    return base::fail(code::kServiceUnpublished, "no service of the layer has package " + call.who);
  return Json{{"package", octets_text(*package->octets)}};
}

// --- people ---

Json Api::service_json(const directory::ServiceRecord& service) const {
  Json out{{"name", service.name}, {"id", service.id}};
  out.update(version_json(service.current));
  out["publisher"] = base::to_hex(service.publisher);
  out["highest"] = service.highest;
  if (service.previous) out["previous"] = version_json(*service.previous);
  out["created_at"] = service.created_at;
  out["changed_at"] = service.changed_at;
  out["removed_at"] = service.removed_at;
  out["revision"] = service.revision;
  out["every_node"] = service.nodes.empty();
  std::vector<Json> nodes;
  for (const auto& [name, member] : authority_.members()) {
    if (member.role != directory::Role::kNode || member.revoked_at != 0) continue;
    if (!service.nodes.empty() && !std::ranges::binary_search(service.nodes, name)) continue;
    Json node{{"label", member.label}, {"name", wire::to_string(name)}};
    node.update(standing(name));
    node.erase("policy_revision");
    node["revision"] = 0;
    node["state"] = "unheard";
    if (const auto said = reported_.find(name); said != reported_.end()) {
      node["revision"] = said->second.revision;
      const auto about = said->second.services.find(service.id);
      if (about != said->second.services.end()) node.update(about->second);
    }
    nodes.push_back(std::move(node));
  }
  std::ranges::sort(nodes, [](const Json& a, const Json& b) { return a["label"] < b["label"]; });
  out["nodes"] = std::move(nodes);
  return out;
}

Api::Answer Api::list_services(const Call&) {
  std::vector<Json> all;
  for (const auto& [id, service] : authority_.services())
    if (service.removed_at == 0) all.push_back(service_json(service));
  std::ranges::sort(all, [](const Json& a, const Json& b) { return a["name"] < b["name"]; });
  return Json{{"revision", authority_.catalogue_revision()}, {"services", std::move(all)}};
}

Api::Answer Api::show_service(const Call& call) {
  const directory::ServiceRecord* service = authority_.find_service(call.who);
  if (service == nullptr)
    return base::fail(code::kServiceUnpublished, "the layer has no service '" + call.who + "'");
  return service_json(*service);
}

// What was set before holds on, but for keys that the new version does not know.
base::Result<void> Api::configure(directory::PublishRequest& request,
                                  const service::Manifest& manifest,
                                  service::ConfigValues given) const {
  const directory::ServiceRecord* known = authority_.find_service(request.name);
  if (known != nullptr)
    for (const auto& [name, value] : known->current.config)
      if (manifest.find_config(name) != nullptr) given.try_emplace(name, value);
  if (const std::string wrong = manifest.wrong(given); !wrong.empty())
    return base::fail(code::kConfigBadValue, wrong);
  request.config = std::move(given);
  return {};
}

Api::Answer Api::publish_service(const Call& call) {
  Fields fields(call.body);
  base::Bytes octets = fields.octets("package");
  const std::vector<std::string> nodes = fields.texts("nodes");
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  auto values = values_of(call.body);
  if (!values) return tl::unexpected(values.error());
  auto read = read_package(octets);
  if (!read) return tl::unexpected(read.error());
  directory::PublishRequest request;
  request.id = read->manifest.id;
  request.name = read->manifest.name;
  request.version = read->manifest.version;
  request.publisher = read->package.publisher;
  request.module = crypto::sha256(read->package.module);
  request.package = std::make_shared<const base::Bytes>(std::move(octets));
  request.upgrade = call.body.contains("upgrade") && call.body["upgrade"] == true;
  request.in_registry = std::ranges::any_of(config_.registry, [&](const auto& entry) {
    return entry.id == request.id && entry.name == request.name &&
           entry.publisher == request.publisher;
  });
  if (call.body.contains("nodes")) request.nodes.emplace();
  for (const std::string& who : nodes) {
    if (who == "*") continue;
    const directory::MemberRecord* node = authority_.find_member(who);
    if (node == nullptr || node->role != directory::Role::kNode)
      return base::fail(code::kMemberUnknown, "there is no node '" + who + "'");
    request.nodes->push_back(node->name);
  }
  if (auto fits = configure(request, read->manifest, std::move(*values)); !fits)
    return tl::unexpected(fits.error());
  auto published = settle(authority_.publish(request, call.now));
  if (!published) return tl::unexpected(published.error());
  observe("service_published", published->name, call);
  return service_json(*published);
}

Api::Answer Api::change_service(const Call& call) {
  if (!call.body.contains("rollback") || call.body["rollback"] != true)
    return base::fail(code::kConfigBadValue, "what can be asked for is {\"rollback\": true}");
  auto back = settle(authority_.roll_back(call.who, call.now));
  if (!back) return tl::unexpected(back.error());
  observe("service_rolled_back", back->name, call);
  return service_json(*back);
}

Api::Answer Api::remove_service(const Call& call) {
  auto removed = settle(authority_.remove_service(call.who, call.now));
  if (!removed) return tl::unexpected(removed.error());
  observe("service_removed", removed->name, call);
  return service_json(*removed);
}

}  // namespace entresol::controller
