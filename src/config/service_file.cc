#include "config/service_file.h"

#include <algorithm>
#include <charconv>

#include "base/error_codes.h"
#include "config/config.h"
#include "config/yaml.h"
#include "io/files.h"

namespace entresol::config {
namespace {

namespace code = base::code;
using service::ConfigKey;
using service::ConfigType;
using service::Limits;
using service::Manifest;
using service::Metric;

constexpr std::size_t kMaxFile = 64 << 10;
constexpr std::size_t kMaxName = 32;
constexpr std::size_t kMaxMetrics = 64;
constexpr std::size_t kMaxConfig = 64;
constexpr std::size_t kMaxLicence = 256;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr Unit kSizes[] = {{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}};
constexpr Unit kTimes[] = {{"us", 1000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
constexpr Unit kShares[] = {{"%", 10}};

// "64 KiB", "200 us", "5 %": a whole number and one of the units, from `least` to `most` of the smallest.
std::uint64_t quantity(YamlMap& map, std::string_view key, std::uint64_t fallback,
                       std::span<const Unit> units, std::uint64_t least, std::uint64_t most) {
  if (!map.has(key)) return fallback;
  const std::string text = map.text(key, "");
  std::uint64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  const char* unit = end;
  while (unit != last && *unit == ' ') ++unit;
  const std::string_view name(unit, static_cast<std::size_t>(last - unit));
  const auto found =
      std::find_if(units.begin(), units.end(), [&](const Unit& each) { return each.name == name; });
  if (error == std::errc{} && found != units.end() && number <= most / found->factor &&
      number * found->factor >= least)
    return number * found->factor;
  std::string all;
  for (const Unit& each : units)
    if (!each.name.empty()) all += (all.empty() ? "" : ", ") + std::string(each.name);
  const auto largest = units.back();
  map.fail(code::kConfigBadValue, key,
           "'" + text + "' is no amount of " + all + " up to " +
               std::to_string(most / largest.factor) + " " + std::string(largest.name));
  return fallback;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

std::string name(YamlMap& map, std::string_view key) {
  const std::string text = map.required_text(key);
  if (!text.empty() && !is_name(text))
    map.fail(code::kConfigBadValue, key,
             "'" + text + "' is no name: 1 to 32 of a-z, 0-9, '-' and '_', the first not '-'");
  return text;
}

// A list of words, each a bit by its place among `known`.
std::uint32_t bits(YamlMap& map, std::string_view key, std::span<const std::string_view> known) {
  std::uint32_t out = 0;
  for (const std::string& text : map.texts(key)) {
    const auto found = std::find(known.begin(), known.end(), text);
    if (found == known.end()) {
      std::string all;
      for (const std::string_view each : known)
        all += (all.empty() ? "" : ", ") + std::string(each);
      map.fail(code::kConfigBadValue, key, "'" + text + "' is none of " + all);
      return out;
    }
    out |= 1u << (found - known.begin());
  }
  return out;
}

void read_limits(YamlMap& map, Limits& out) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  out.memory = quantity(map, "memory", out.memory, kSizes, 64 << 10, 16 << 20);
  out.batch = base::Duration(static_cast<std::int64_t>(quantity(
      map, "batch", static_cast<std::uint64_t>(out.batch.count()), kTimes, 1000, kSecond / 10)));
  out.cpu_permille =
      static_cast<std::uint32_t>(quantity(map, "cpu", out.cpu_permille, kShares, 10, 1000));
  out.ephemeral = quantity(map, "ephemeral", out.ephemeral, kSizes, 0, 16 << 20);
  out.stable = quantity(map, "stable", out.stable, kSizes, 0, 64 << 20);
  const auto count = [&](std::string_view key, std::uint32_t& value, std::uint64_t most) {
    value = static_cast<std::uint32_t>(map.number(key, value, 0, most));
  };
  count("timers", out.timers, 4096);
  count("held", out.held, 4096);
  count("log_lines", out.log_lines, 1000);
  count("withdrawals", out.withdrawals, 1000);
  count("waiting", out.waiting, 65536);
  count("packets", out.packets, 10'000'000);
  out.octets = quantity(map, "octets", out.octets, kSizes, 0, std::uint64_t{10} << 30);
}

void read_metric(YamlMap& map, Manifest& out) {
  Metric metric;
  metric.name = name(map, "name");
  metric.kind =
      static_cast<service::MetricKind>(map.choice("kind", {"counter", "gauge", "histogram"}, 0));
  metric.help = map.text("help", "");
  const bool twice = std::any_of(out.metrics.begin(), out.metrics.end(),
                                 [&](const Metric& each) { return each.name == metric.name; });
  if (twice || out.metrics.size() >= kMaxMetrics)
    map.fail(code::kConfigBadValue, "name",
             twice ? "'" + metric.name + "' is here twice"
                   : "at most " + std::to_string(kMaxMetrics) + " metrics");
  out.metrics.push_back(std::move(metric));
}

void read_config_key(YamlMap& map, Manifest& out) {
  ConfigKey key;
  key.name = name(map, "name");
  key.type = static_cast<ConfigType>(map.choice("type", {"text", "integer", "boolean"}, 0));
  key.least = map.number("minimum", 0, 0, UINT64_MAX);
  key.most = map.number("maximum", UINT64_MAX, 0, UINT64_MAX);
  key.help = map.text("help", "");
  constexpr std::string_view kOtherwise[] = {"", "0", "false"};
  key.otherwise = map.text("default", std::string(kOtherwise[static_cast<std::size_t>(key.type)]));
  if (out.find_config(key.name) != nullptr || out.config.size() >= kMaxConfig)
    map.fail(code::kConfigBadValue, "name",
             out.find_config(key.name) != nullptr
                 ? "'" + key.name + "' is here twice"
                 : "at most " + std::to_string(kMaxConfig) + " values");
  if (const std::string wrong = key.wrong(key.otherwise); !wrong.empty())
    map.fail(code::kConfigBadValue, "default", wrong);
  out.config.push_back(std::move(key));
}

}  // namespace

base::Result<ServiceFile> parse_service(std::string_view yaml, const std::string& file) {
  auto root = parse_yaml(yaml, file);
  if (!root) return tl::unexpected(root.error());
  YamlContext context{file, std::nullopt};
  YamlMap map(context, *root, "");
  ServiceFile out;
  Manifest& manifest = out.manifest;
  manifest.name = name(map, "service");
  if (!map.has("id")) map.fail(code::kConfigMissingKey, "id", "this key is required");
  manifest.id = static_cast<service::ServiceId>(map.number("id", 0, 1, UINT32_MAX));
  manifest.version = static_cast<std::uint32_t>(map.number("version", 1, 1, UINT32_MAX));
  manifest.fields = bits(map, "fields", service::kFieldNames);
  manifest.uses = bits(map, "uses", service::kUseNames);
  manifest.payload = map.boolean("payload", false);
  manifest.fallback =
      static_cast<service::Fallback>(map.choice("fallback", {"drop", "deliver"}, 0));
  out.module = beside(file, map.text("module", manifest.name + ".wasm"));
  out.licence = map.text("licence", "");
  if (out.licence.size() > kMaxLicence)
    map.fail(code::kConfigBadValue, "licence",
             "at most " + std::to_string(kMaxLicence) + " octets: name the licence");
  map.map("limits", [&](YamlMap& limits) { read_limits(limits, manifest.limits); });
  map.each("metrics", [&](YamlMap& metric) { read_metric(metric, manifest); });
  map.each("config", [&](YamlMap& key) { read_config_key(key, manifest); });
  map.finish();
  if (context.error) return tl::unexpected(*context.error);
  return out;
}

base::Result<ServiceFile> load_service(const std::string& file) {
  auto text = io::read_text_file(file, kMaxFile);
  if (!text) return tl::unexpected(text.error());
  return parse_service(*text, file);
}

}  // namespace entresol::config
