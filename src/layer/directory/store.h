// Where an Authority's records outlive it. Declared here, provided above (src/store/, tests, a simulation).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "layer/directory/records.h"

namespace entresol::layer::directory {

struct Snapshot {
  std::optional<Settings> settings;  // none: a new store
  std::vector<MemberRecord> members;
  std::vector<GuestRecord> guests;
  std::vector<NameRecord> names;
  std::vector<TokenRecord> tokens;
  std::vector<ApiTokenRecord> api_tokens;
  std::vector<RegistrationRecord> registrations;  // those that were not lost
  std::optional<PolicyRecord> policy;
  std::vector<ServiceRecord> services;  // those that were removed among them
  std::vector<PackageRecord> packages;
};

class Store {
 public:
  virtual ~Store() = default;
  virtual base::Result<Snapshot> load() = 0;
  // All of them or, with an error, none. What is_durable() is on disk when this returns; the rest is ordered with it, and
  // may be lost with the machine's power.
  virtual base::Result<void> commit(std::span<const Change> changes) = 0;
};

}  // namespace entresol::layer::directory
