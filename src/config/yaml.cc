#include "config/yaml.h"

#include <algorithm>
#include <charconv>

#include "base/error_codes.h"

namespace entresol::config {
namespace {

namespace code = base::code;

std::string at(const YAML::Mark& mark, const std::string& file) {
  if (mark.is_null())
    return file + ":1:1";  // a document without a node: nothing, or comments alone
  return file + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

base::Result<YAML::Node> parse_yaml(std::string_view text, const std::string& file) {
  try {
    YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap())
      return base::fail(code::kConfigSyntax,
                        at(root.Mark(), file) + ": expected a mapping of keys");
    return root;
  } catch (const YAML::Exception& error) {
    return base::fail(code::kConfigSyntax, at(error.mark, file) + ": " + error.msg);
  }
}

YamlMap::YamlMap(YamlContext& context, const YAML::Node& node, std::string path)
    : context_(context), node_(node), path_(std::move(path)) {
  if (!node_.IsMap())
    fail_at(node_.Mark(), code::kConfigBadValue, path_ + ": expected a mapping of keys");
}

std::string YamlMap::name_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void YamlMap::fail_at(const YAML::Mark& mark, std::string_view error_code,
                      const std::string& what) {
  // Whoever misspells a required key is told of what stands there, not of what does not.
  const bool displaces = error_code == code::kConfigUnknownKey && context_.error &&
                         context_.error->code == code::kConfigMissingKey;
  if (context_.error && !displaces) return;
  context_.error = base::Error{std::string(error_code), at(mark, context_.file) + ": " + what};
}

void YamlMap::fail(std::string_view error_code, std::string_view key, const std::string& what) {
  const YAML::Node value = node_.IsMap() ? node_[std::string(key)] : YAML::Node();
  fail_at(value ? value.Mark() : node_.Mark(), error_code, name_of(key) + ": " + what);
}

YAML::Node YamlMap::find(std::string_view key) {
  known_.emplace_back(key);
  if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  return node_[std::string(key)];
}

bool YamlMap::has(std::string_view key) {
  return static_cast<bool>(find(key));
}

std::string YamlMap::required_text(std::string_view key) {
  const YAML::Node value = find(key);
  if (!value) {
    fail(code::kConfigMissingKey, key, "this key is required");
    return {};
  }
  if (!value.IsScalar() || value.Scalar().empty()) {
    fail(code::kConfigBadValue, key, "expected text");
    return {};
  }
  return value.Scalar();
}

std::string YamlMap::text(std::string_view key, std::string fallback) {
  const YAML::Node value = find(key);
  if (!value) return fallback;
  if (!value.IsScalar()) {
    fail(code::kConfigBadValue, key, "expected text");
    return fallback;
  }
  return value.Scalar();
}

std::uint64_t YamlMap::number(std::string_view key, std::uint64_t fallback, std::uint64_t least,
                              std::uint64_t most) {
  const YAML::Node value = find(key);
  if (!value) return fallback;
  std::uint64_t out = 0;
  const std::string digits = value.IsScalar() ? value.Scalar() : "";
  const bool hexadecimal = digits.starts_with("0x");
  const char* const last = digits.data() + digits.size();
  const auto [end, error] =
      std::from_chars(digits.data() + (hexadecimal ? 2 : 0), last, out, hexadecimal ? 16 : 10);
  if (error != std::errc{} || end != last || out < least || out > most) {
    fail(code::kConfigBadValue, key,
         "expected a number from " + std::to_string(least) + " to " + std::to_string(most) +
             ", not '" + digits + "'");
    return fallback;
  }
  return out;
}

bool YamlMap::boolean(std::string_view key, bool fallback) {
  const YAML::Node value = find(key);
  if (!value) return fallback;
  bool out = fallback;
  if (!value.IsScalar() || !YAML::convert<bool>::decode(value, out))
    fail(code::kConfigBadValue, key, "expected true or false");
  return out;
}

std::size_t YamlMap::choice(std::string_view key, std::vector<std::string> choices,
                            std::size_t fallback) {
  const std::string value = text(key, choices[fallback]);
  const auto found = std::find(choices.begin(), choices.end(), value);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  std::string all;
  for (const std::string& choice : choices) all += (all.empty() ? "" : ", ") + choice;
  fail(code::kConfigBadValue, key, "'" + value + "' is none of " + all);
  return fallback;
}

std::vector<std::string> YamlMap::texts(std::string_view key) {
  const YAML::Node value = find(key);
  std::vector<std::string> out;
  if (!value) return out;
  if (!value.IsSequence()) {
    fail(code::kConfigBadValue, key, "expected a list");
    return out;
  }
  for (const auto& element : value) {
    if (!element.IsScalar()) {
      fail_at(element.Mark(), code::kConfigBadValue, name_of(key) + ": expected text in this list");
      return out;
    }
    out.push_back(element.Scalar());
  }
  return out;
}

std::map<std::string, std::string> YamlMap::pairs(std::string_view key) {
  const YAML::Node value = find(key);
  std::map<std::string, std::string> out;
  if (!value) return out;
  if (!value.IsMap()) {
    fail(code::kConfigBadValue, key, "expected a mapping");
    return out;
  }
  for (const auto& entry : value) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    if (!entry.first.IsScalar() || !entry.second.IsScalar() ||
        !out.emplace(name, entry.second.Scalar()).second) {
      fail_at(entry.first.Mark(), code::kConfigBadValue,
              name_of(key) + "." + name + ": expected one text or number");
      return out;
    }
  }
  return out;
}

void YamlMap::each(std::string_view key, const std::function<void(YamlMap&)>& element,
                   bool required) {
  const YAML::Node value = find(key);
  if (!value) {
    if (required) fail(code::kConfigMissingKey, key, "this key is required");
    return;
  }
  if (!value.IsSequence() || (required && value.size() == 0)) {
    fail(code::kConfigBadValue, key,
         required ? "expected a list of at least one" : "expected a list");
    return;
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    YamlMap map(context_, value[i], name_of(key) + "[" + std::to_string(i) + "]");
    if (!value[i].IsMap()) return;
    element(map);
    map.finish();
  }
}

void YamlMap::map(std::string_view key, const std::function<void(YamlMap&)>& element) {
  const YAML::Node value = find(key);
  if (!value) return;
  YamlMap inner(context_, value, name_of(key));
  if (!value.IsMap()) return;
  element(inner);
  inner.finish();
}

void YamlMap::finish() {
  if (!node_.IsMap()) return;
  std::vector<std::string> seen;
  for (const auto& entry : node_) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      fail_at(entry.first.Mark(), code::kConfigBadValue, name_of(key) + ": this key is here twice");
    seen.push_back(key);
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const auto nearest =
        std::min_element(known_.begin(), known_.end(), [&](const auto& a, const auto& b) {
          return edit_distance(a, key) < edit_distance(b, key);
        });
    std::string hint;
    if (nearest != known_.end()) hint = ": did you mean '" + *nearest + "'?";
    fail_at(entry.first.Mark(), code::kConfigUnknownKey,
            "unknown key '" + name_of(key) + "'" + hint);
  }
}

}  // namespace entresol::config
