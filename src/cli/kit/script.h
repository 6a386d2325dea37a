// A test script of a service: what goes in, what must come out, one step a line. docs/services.md has the language.
//
// Pure. Steps keep their place and their text, so that what fails can be shown as it was written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "entresol/service.h"
#include "service/manifest.h"

namespace entresol::cli::kit {

struct Place {
  unsigned line = 0, column = 0;  // from 1
};

struct SetConfig {
  std::string name, value;
};

struct SendPacket {
  entresol_packet packet{};
  service::Fields given = 0;  // fields that the line sets
  std::optional<base::Bytes> payload;
  std::uint32_t times = 1;  // so many, in one batch
  std::string label;        // `as`; for a later release
};

struct Advance {
  base::Duration by{};
};

// What is not given is not compared.
struct Verdict {
  std::uint8_t action = ENTRESOL_DROP;
  std::vector<entresol_name> to;  // of deliver at most one
  std::optional<bool> keep;
  std::optional<std::uint16_t> reason;
  std::optional<std::uint32_t> lifetime_ms;
};

struct ExpectVerdict {
  Verdict verdict;
};
struct ExpectFallback {};
struct ExpectRelease {
  std::string label;  // empty: the oldest
  Verdict verdict;
};
struct ExpectExpired {  // a hold has ended by itself
  std::string label;
};
struct ExpectLog {
  std::string text;  // a part of the line
};
struct ExpectMetric {
  std::string name;
  double value = 0;
};
struct ExpectFault {
  std::string text;  // a part of what or where
};
struct ExpectWithdrawal {};
struct ExpectStanding {
  std::string standing;  // running, resting, quarantined
};
enum class Event : std::uint8_t { kRelease, kExpired, kLog, kWithdrawal };
struct ExpectNo {
  Event event = Event::kLog;
};

using Action = std::variant<SetConfig, SendPacket, Advance, ExpectVerdict, ExpectFallback,
                            ExpectRelease, ExpectExpired, ExpectLog, ExpectMetric, ExpectFault,
                            ExpectWithdrawal, ExpectStanding, ExpectNo>;

struct Step {
  Place place;
  std::string text;  // of the line, without comment
  Action action;
};

struct Script {
  static constexpr std::size_t kMaxSteps = 10'000;
  std::vector<Step> steps;
};

// Errors: kKitScript with file:line:column.
base::Result<Script> parse_script(std::string_view text, const std::string& file);
// Against the manifest: values of the configuration, metrics, and fields that the service would not see.
base::Result<void> check_script(const Script& script, const service::Manifest& manifest,
                                const std::string& file);
// Against a module's room for the payloads of one batch, in octets.
base::Result<void> check_payloads(const Script& script, std::size_t room, const std::string& file);

// "deliver to=fd35::2 keep", as a script says it.
std::string to_text(const entresol_verdict& verdict, const std::vector<entresol_name>& names);

}  // namespace entresol::cli::kit
