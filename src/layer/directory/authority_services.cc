// What an Authority knows of the layer's services: who owns an id, which version holds, and the catalogue that says so.
#include <algorithm>

#include "base/error_codes.h"
#include "layer/directory/authority.h"

namespace entresol::layer::directory {
namespace {

namespace code = base::code;
using base::UnixSeconds;

template <typename T>
tl::unexpected<base::Error> error_of(const base::Result<T>& result) {
  return tl::unexpected(result.error());
}

std::string quoted(const ServiceRecord& service) {
  return "service '" + service.name + "' (id " + std::to_string(service.id) + ")";
}

auto no_service(std::string_view name) {
  return base::fail(code::kServiceUnpublished,
                    "the layer has no service '" + std::string(name) + "'");
}

}  // namespace

const ServiceRecord* Authority::find_service(std::string_view name) const {
  for (const auto& [id, service] : services_)
    if (service.removed_at == 0 && service.name == name) return &service;
  return nullptr;
}

const PackageRecord* Authority::find_package(const crypto::Hash256& hash) const {
  const auto found = packages_.find(hash);
  return found == packages_.end() ? nullptr : &found->second;
}

// Whether this publisher may publish under this id and name at all.
base::Result<void> Authority::check_owner(const PublishRequest& request) const {
  if (const ServiceRecord* other = find_service(request.name);
      other != nullptr && other->id != request.id)
    return base::fail(code::kServiceTaken, "the name '" + request.name + "' is that of id " +
                                               std::to_string(other->id) + " already");
  const auto known = services_.find(request.id);
  if (known != services_.end() && known->second.publisher != request.publisher)
    return base::fail(code::kServiceTaken,
                      "id " + std::to_string(request.id) +
                          " belongs to another publisher; take another one, or sign with the "
                          "key that published it first");
  if (request.id < kPrivateServices && !request.in_registry)
    return base::fail(code::kServiceId,
                      "id " + std::to_string(request.id) +
                          " is public, and the operator's registry does not name this service "
                          "with this publisher; private ids begin at 0x80000000");
  return {};
}

base::Result<void> Authority::check_version(const ServiceRecord& known,
                                            const PublishRequest& request,
                                            const crypto::Hash256& package) const {
  const auto same = [&](const ServiceVersion& version) { return version.package == package; };
  if (same(known.current) || (known.previous && same(*known.previous))) return {};
  if (request.version > known.highest) return {};
  return base::fail(code::kServiceVersion,
                    quoted(known) + " has had version " + std::to_string(known.highest) +
                        " with other content; give the new one a higher number than that");
}

Outcome<ServiceRecord> Authority::publish(const PublishRequest& request, UnixSeconds now) const {
  if (auto fits = check_owner(request); !fits) return {error_of(fits), {}};
  const auto known = services_.find(request.id);
  const bool fresh = known == services_.end() || known->second.removed_at != 0;
  if (fresh && request.upgrade) return {no_service(request.name), {}};
  const crypto::Hash256 package = crypto::sha256(*request.package);
  ServiceRecord next;
  next.created_at = now;
  if (known != services_.end()) next = known->second;
  if (fresh) {
    next.previous.reset();
    next.nodes.clear();
    next.highest = 0;
    next.removed_at = 0;
  } else if (auto newer = check_version(next, request, package); !newer) {
    return {error_of(newer), {}};
  }
  next.id = request.id;
  next.name = request.name;
  next.publisher = request.publisher;
  if (request.nodes) next.nodes = *request.nodes;
  std::ranges::sort(next.nodes);
  next.nodes.erase(std::unique(next.nodes.begin(), next.nodes.end()), next.nodes.end());
  if (!fresh && next.current.package != package) next.previous = next.current;
  next.current = {request.version, package, request.module,
                  static_cast<std::uint32_t>(request.package->size()), request.config};
  next.highest = std::max(next.highest, request.version);
  if (!fresh && next == known->second) return {next, {}};
  std::vector<Change> changes;
  if (!packages_.contains(package)) changes.emplace_back(PackageRecord{package, request.package});
  if (auto room = check_room(next, fresh); !room) return {error_of(room), {}};
  return change_service(std::move(next), std::move(changes), now);
}

// Of what is kept for it: bounded, whoever publishes.
base::Result<void> Authority::check_room(const ServiceRecord& next, bool fresh) const {
  std::size_t octets = next.current.size, services = fresh ? 1 : 0;
  for (const auto& [hash, package] : packages_) octets += package.octets->size();
  for (const auto& [id, each] : services_) services += each.removed_at == 0 ? 1 : 0;
  if (next.current.size > kMaxPackage || octets > kMaxPackages || services > kMaxServices ||
      next.nodes.size() > kMaxServiceNodes || next.current.config.size() > kMaxServiceConfig)
    return base::fail(code::kServiceFull,
                      "the layer has room for 256 services, of 4 MiB each and 256 MiB together, "
                      "on 64 named nodes each");
  std::vector<CatalogueEntry> entries = catalogue();
  std::erase_if(entries, [&](const CatalogueEntry& each) { return each.id == next.id; });
  entries.push_back({next.id, next.name, next.publisher, next.current, {}, next.nodes});
  if (emit_catalogue(entries).size() > kMaxCatalogue)
    return base::fail(code::kServiceFull, "all services' configuration together exceeds 1 MiB");
  return {};
}

Outcome<ServiceRecord> Authority::roll_back(std::string_view name, UnixSeconds now) const {
  const ServiceRecord* known = find_service(name);
  if (known == nullptr) return {no_service(name), {}};
  if (!known->previous)
    return {base::fail(code::kServiceVersion, quoted(*known) + " has had no other version"), {}};
  ServiceRecord next = *known;
  std::swap(next.current, *next.previous);
  return change_service(std::move(next), {}, now);
}

Outcome<ServiceRecord> Authority::remove_service(std::string_view name, UnixSeconds now) const {
  const ServiceRecord* known = find_service(name);
  if (known == nullptr) return {no_service(name), {}};
  ServiceRecord next = *known;
  next.removed_at = now;
  next.previous.reset();
  return change_service(std::move(next), {}, now);
}

// As the catalogue's next revision, with packages that nothing names any more let go.
Outcome<ServiceRecord> Authority::change_service(ServiceRecord next, std::vector<Change> changes,
                                                 UnixSeconds now) const {
  next.revision = catalogue_revision_ + 1;
  // So that a clock that was set back lets no older catalogue win.
  next.changed_at = std::max(now, catalogue_issued_at_);
  const auto needed = [](const ServiceRecord& service, const crypto::Hash256& hash) {
    return service.removed_at == 0 && (service.current.package == hash ||
                                       (service.previous && service.previous->package == hash));
  };
  for (const auto& [hash, package] : packages_) {
    bool used = needed(next, hash);
    for (const auto& [id, each] : services_) used = used || (id != next.id && needed(each, hash));
    if (!used) changes.emplace_back(DropPackage{hash});
  }
  changes.emplace_back(next);
  return {std::move(next), std::move(changes)};
}

std::vector<CatalogueEntry> Authority::catalogue() const {
  std::vector<CatalogueEntry> out;
  for (const auto& [id, service] : services_) {
    if (service.removed_at != 0) continue;
    CatalogueEntry entry{id, service.name, service.publisher, service.current, {}, service.nodes};
    if (service.previous) entry.previous = service.previous->package;
    out.push_back(std::move(entry));
  }
  return out;
}

CatalogueItem Authority::catalogue_item() const {
  CatalogueItem out{catalogue_revision_, emit_catalogue(catalogue()), issuer_.delegation};
  const membership::CatalogueStatement body{trust_.layer(), catalogue_revision_,
                                            catalogue_issued_at_, crypto::sha256(out.catalogue),
                                            issuer_.key.public_key};
  const base::Bytes object = membership::sign(body, issuer_.key)->octets();
  out.statement.insert(out.statement.end(), object.begin(), object.end());
  return out;
}

void Authority::put(const ServiceRecord& record) {
  services_[record.id] = record;
  note_services();
}

void Authority::put(const DropService& drop) {
  services_.erase(drop.id);
  note_services();
}

void Authority::put(const PackageRecord& record) {
  packages_[record.hash] = record;
}

void Authority::put(const DropPackage& drop) {
  packages_.erase(drop.hash);
}

void Authority::note_services() {
  catalogue_revision_ = 0;
  catalogue_issued_at_ = 0;
  for (const auto& [id, service] : services_)
    if (service.revision > catalogue_revision_) {
      catalogue_revision_ = service.revision;
      catalogue_issued_at_ = service.changed_at;
    }
  hide({Subject::kServices, {}});
  if (catalogue_revision_ > 0) touch({Subject::kServices, {}});
}

}  // namespace entresol::layer::directory
