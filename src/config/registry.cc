#include "config/registry.h"

#include <algorithm>

#include "base/error_codes.h"
#include "config/yaml.h"
#include "io/files.h"

namespace entresol::config {
namespace {

namespace code = base::code;

constexpr std::size_t kMaxFile = std::size_t{1} << 20;

void read_entry(YamlMap& map, std::vector<RegistryEntry>& out) {
  RegistryEntry entry;
  entry.id = static_cast<service::ServiceId>(map.number("id", 0, 1, service::kPrivateIds - 1));
  entry.name = map.required_text("name");
  base::Bytes key;
  if (!base::from_hex(map.required_text("publisher"), key) || key.size() != entry.publisher.size())
    map.fail(code::kConfigBadValue, "publisher",
             "is no key: `entresol service inspect` shows a package's, 64 hexadecimal digits");
  else
    std::copy(key.begin(), key.end(), entry.publisher.begin());
  if (!map.has("id")) map.fail(code::kConfigMissingKey, "id", "this key is required");
  if (std::ranges::any_of(out, [&](const auto& each) { return each.id == entry.id; }))
    map.fail(code::kConfigBadValue, "id", "another service has this id");
  out.push_back(std::move(entry));
}

}  // namespace

base::Result<std::vector<RegistryEntry>> parse_registry(std::string_view yaml,
                                                        const std::string& file) {
  auto root = parse_yaml(yaml, file);
  if (!root) return tl::unexpected(root.error());
  YamlContext context{file, std::nullopt};
  YamlMap map(context, *root, "");
  std::vector<RegistryEntry> out;
  map.each("services", [&](YamlMap& entry) { read_entry(entry, out); });
  map.finish();
  if (context.error) return tl::unexpected(*context.error);
  return out;
}

base::Result<std::vector<RegistryEntry>> load_registry(const std::string& file) {
  auto text = io::read_text_file(file, kMaxFile);
  if (!text) return tl::unexpected(text.error());
  return parse_registry(*text, file);
}

}  // namespace entresol::config
