#include "service/manifest.h"

#include <algorithm>
#include <charconv>

namespace entresol::service {

std::string ConfigKey::wrong(std::string_view value) const {
  switch (type) {
    case ConfigType::kBoolean:
      return value == "true" || value == "false"
                 ? ""
                 : "expected true or false, not '" + std::string(value) + "'";
    case ConfigType::kInteger: {
      std::uint64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error == std::errc{} && end == value.data() + value.size() && number >= least &&
          number <= most)
        return "";
      return "expected a number from " + std::to_string(least) + " to " + std::to_string(most) +
             ", not '" + std::string(value) + "'";
    }
    case ConfigType::kText:
      if (value.size() <= std::min<std::uint64_t>(most, kMaxConfigText) && value.size() >= least)
        return "";
      return "expected a text of " + std::to_string(least) + " to " +
             std::to_string(std::min<std::uint64_t>(most, kMaxConfigText)) +
             " octets, not one of " + std::to_string(value.size());
  }
  return "";
}

const ConfigKey* Manifest::find_config(std::string_view key) const {
  const auto found = std::find_if(config.begin(), config.end(),
                                  [&](const ConfigKey& each) { return each.name == key; });
  return found == config.end() ? nullptr : &*found;
}

std::string Manifest::wrong(const ConfigValues& values) const {
  for (const auto& [key, value] : values) {
    const ConfigKey* known = find_config(key);
    if (known == nullptr) {
      std::string all;
      for (const ConfigKey& each : config) all += (all.empty() ? "" : ", ") + each.name;
      return "service '" + name + "' has no configuration '" + key + "'" +
             (all.empty() ? ", and no other" : ": it has " + all);
    }
    if (const std::string what = known->wrong(value); !what.empty()) return key + ": " + what;
  }
  return "";
}

}  // namespace entresol::service
