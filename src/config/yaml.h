// Reads a YAML mapping strictly: a key that nobody asks for is an error, with line, column and the nearest known key; so
// is a value of the wrong form. The first error is kept, but an unknown key takes the place of a required one that is
// absent: it may be that one, misspelt. Reading goes on with defaults, so that callers check once.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace entresol::config {

struct YamlContext {
  std::string file;
  std::optional<base::Error> error;
};

class YamlMap {
 public:
  // `path` is what errors call this mapping: "layers[0].tun".
  YamlMap(YamlContext& context, const YAML::Node& node, std::string path);

  // Each names a key as known. Absent: the default, or kConfigMissingKey for the required ones.
  std::string required_text(std::string_view key);
  std::string text(std::string_view key, std::string fallback);
  std::uint64_t number(std::string_view key, std::uint64_t fallback, std::uint64_t least,
                       std::uint64_t most);
  bool boolean(std::string_view key, bool fallback);
  // One of `choices`; its index.
  std::size_t choice(std::string_view key, std::vector<std::string> choices, std::size_t fallback);
  std::vector<std::string> texts(std::string_view key);
  // A mapping of texts, whatever its keys.
  std::map<std::string, std::string> pairs(std::string_view key);
  void each(std::string_view key, const std::function<void(YamlMap&)>& element,
            bool required = false);
  void map(std::string_view key, const std::function<void(YamlMap&)>& element);
  bool has(std::string_view key);

  // Refuses keys that nobody asked for. Call it last.
  void finish();
  // An error at `key`'s value (or at the mapping, if there is no such key).
  void fail(std::string_view code, std::string_view key, const std::string& what);

 private:
  YAML::Node find(std::string_view key);
  void fail_at(const YAML::Mark& mark, std::string_view code, const std::string& what);
  std::string name_of(std::string_view key) const;

  YamlContext& context_;
  YAML::Node node_;
  std::string path_;
  std::vector<std::string> known_;
};

// The document's root, or kConfigSyntax with line and column.
base::Result<YAML::Node> parse_yaml(std::string_view text, const std::string& file);

// Smallest number of insertions, deletions, replacements and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace entresol::config
