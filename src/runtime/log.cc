#include "runtime/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace entresol::runtime {
namespace {

constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::err, spdlog::level::warn,
                                                 spdlog::level::info, spdlog::level::debug};

spdlog::level::level_enum level_of(config::LogLevel level) {
  return kLevels[static_cast<int>(level)];
}

std::string words(std::string_view event) {
  std::string out(event);
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

// Text of others is quoted, and cannot pretend to be another line.
std::string shown(const nlohmann::ordered_json& value) {
  if (!value.is_string()) return value.dump();
  const auto& text = value.get_ref<const std::string&>();
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
  return plain ? text : value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace

bool LogBudget::take(base::TimePoint now) {
  if (at_ != base::TimePoint{}) {
    const double passed = std::chrono::duration<double>(now - at_).count();
    left_ = std::min(kBurst, left_ + passed * kPerSecond);
  }
  at_ = now;
  if (left_ < 1) {
    ++suppressed_;
    return false;
  }
  left_ -= 1;
  return true;
}

std::string log_text(std::string_view event, std::initializer_list<LogField> fields,
                     std::uint64_t suppressed) {
  std::string out = words(event);
  for (const LogField& field : fields)
    out += " " + std::string(field.key) + "=" + shown(field.value);
  if (suppressed > 0) out += " suppressed=" + std::to_string(suppressed);
  return out;
}

std::string log_members(std::string_view event, std::initializer_list<LogField> fields,
                        std::uint64_t suppressed) {
  nlohmann::ordered_json line = {{"event", event}, {"message", words(event)}};
  for (const LogField& field : fields) line[std::string(field.key)] = field.value;
  if (suppressed > 0) line["suppressed"] = suppressed;
  const std::string object = line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return object.substr(1, object.size() - 2);
}

Log::Log(const config::Process& process) : json_(process.log_json) {
  spdlog::drop("entresol");
  auto logger = spdlog::stderr_logger_mt("entresol");
  spdlog::set_default_logger(logger);
  spdlog::set_pattern(json_ ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"
                            : "%Y-%m-%d %H:%M:%S.%e %l %v");
  spdlog::set_level(level_of(process.log_level));
  spdlog::flush_on(spdlog::level::info);
}

void Log::write(config::LogLevel level, std::string_view event, base::TimePoint now,
                std::initializer_list<LogField> fields) {
  if (!spdlog::should_log(level_of(level))) return;
  auto budget = budgets_.find(event);
  if (budget == budgets_.end()) budget = budgets_.emplace(std::string(event), LogBudget{}).first;
  if (!budget->second.take(now)) return;
  const std::uint64_t suppressed = budget->second.take_suppressed();
  spdlog::log(level_of(level), "{}",
              json_ ? log_members(event, fields, suppressed) : log_text(event, fields, suppressed));
}

}  // namespace entresol::runtime
