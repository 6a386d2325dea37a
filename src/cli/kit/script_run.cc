#include "cli/kit/script_run.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>

#include "service/instance.h"
#include "service/verdict.h"

namespace entresol::cli::kit {
namespace {

using service::Instance;
using service::Manifest;
using service::Standing;

constexpr base::TimePoint kBegin{std::chrono::hours(1)};
constexpr std::int64_t kUnixAtBegin = 1'900'000'000'000'000'000;
constexpr unsigned kMostEventsOfAnAdvance = 100'000;

// Bytes that are the same in each run (SplitMix64).
class FixedRandom final : public base::RandomSource {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& octet : out) {
      std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
      z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
      z = (z ^ z >> 27) * 0x94d049bb133111ebu;
      octet = static_cast<std::uint8_t>(z >> 56);
    }
  }

 private:
  std::uint64_t state_ = 1;
};

// What came for one packet.
struct Answer {
  entresol_verdict verdict{};
  std::vector<entresol_name> names;  // of replicate
  std::string why;                   // the runner's own, for people
};

std::string text_of(const Answer& answer) {
  return to_text(answer.verdict, answer.names) + (answer.why.empty() ? "" : ": " + answer.why);
}

bool same(const std::vector<entresol_name>& a, const std::vector<entresol_name>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const entresol_name& x, const entresol_name& y) {
                      return service::from_author(x) == service::from_author(y);
                    });
}

bool fits(const Verdict& wanted, const Answer& came) {
  const entresol_verdict& v = came.verdict;
  return wanted.action == v.action && (!wanted.keep || *wanted.keep == (v.keep != 0)) &&
         (!wanted.reason || *wanted.reason == v.reason) &&
         (!wanted.lifetime_ms || *wanted.lifetime_ms == v.lifetime_ms) &&
         (wanted.to.empty() ||
          same(wanted.to,
               v.action == ENTRESOL_DELIVER ? std::vector<entresol_name>{v.to} : came.names));
}

entresol_packet shown(const SendPacket& send, const Manifest& manifest) {
  entresol_packet packet = send.packet;
  if (!manifest.asks_for(service::Field::kLength)) packet.length = 0;
  return packet;
}

class Run {
 public:
  Run(const Manifest& manifest, std::unique_ptr<service::Program> program)
      : manifest_(manifest),
        instance_(manifest, std::move(program), random_, nullptr,
                  [this](std::uint32_t, std::string_view line) { log_.emplace_back(line); }) {
    instance_.environment().open_stable({}, nullptr);
  }

  Outcome operator()(const Script& script) {
    std::size_t first = 0;
    while (first < script.steps.size() &&
           std::holds_alternative<SetConfig>(script.steps[first].action)) {
      const auto& config = std::get<SetConfig>(script.steps[first++].action);
      values_[config.name] = config.value;
    }
    instance_.configure(values_, now_, unix_nanos());
    instance_.start(now_, unix_nanos());
    after_call();
    unsigned last = 0;
    for (const Step& step : std::span(script.steps).subspan(first)) {
      last = step.place.line;
      if (!std::holds_alternative<ExpectFault>(step.action) && !faults_.empty()) {
        fail(step, "");
        break;
      }
      std::visit([&](const auto& action) { act(step, action); }, step.action);
      if (outcome_.failure) break;
    }
    if (!outcome_.failure && !faults_.empty()) outcome_.failure = fault_failure(last, "no fault");
    return std::move(outcome_);
  }

 private:
  std::int64_t unix_nanos() const { return kUnixAtBegin + (now_ - kBegin).count(); }

  // ---- what goes in

  void act(const Step&, const SetConfig& config) {
    values_[config.name] = config.value;
    instance_.configure(values_, now_, unix_nanos());
    after_call();
  }

  void act(const Step&, const SendPacket& send) {
    std::vector<entresol_packet> packets(send.times, shown(send, manifest_));
    std::vector<entresol_verdict> verdicts(send.times);
    base::Bytes payload;
    for (entresol_packet& packet : packets) {
      packet.handle = ++last_handle_;
      if (!send.payload) continue;
      packet.payload = static_cast<std::uint32_t>(payload.size());
      packet.payload_size = static_cast<std::uint32_t>(send.payload->size());
      payload.insert(payload.end(), send.payload->begin(), send.payload->end());
    }
    if (!send.label.empty()) labels_[send.label] = packets.front().handle;
    const std::uint64_t invalid = instance_.usage().invalid;
    asked_ = instance_.packets({send.times, static_cast<std::uint32_t>(payload.size()),
                                packets.data(), verdicts.data(), payload.data(), out_.data()},
                               now_, unix_nanos());
    sent_ = true;
    answers_.clear();
    for (std::uint32_t i = 0; asked_ && i < send.times; ++i)
      answers_.push_back(answer(verdicts[i], packets[i].handle));
    if (instance_.usage().invalid != invalid && !answers_.empty())
      answers_.front().why = "its verdict could not be carried out";
    after_call();
  }

  Answer answer(const entresol_verdict& verdict, std::uint32_t handle) {
    Answer out{verdict, {}, ""};
    if (verdict.action == ENTRESOL_REPLICATE)
      for (std::uint32_t i = 0; i < verdict.count; ++i) {
        entresol_name& name = out.names.emplace_back();
        std::copy_n(out_.data() + verdict.data + i * sizeof name, sizeof name, name.octets);
      }
    if (verdict.action != ENTRESOL_HOLD) return out;
    if (holds_.size() >= manifest_.limits.held)
      return {{}, {}, "it holds " + std::to_string(holds_.size()) + " packets, which is its limit"};
    holds_[handle] = service::hold_ends(verdict, now_);
    instance_.environment().held(handle);
    return out;
  }

  void act(const Step& step, const Advance& advance) {
    const base::TimePoint end = now_ + advance.by;
    for (unsigned events = 0;; ++events) {
      base::TimePoint next = instance_.next_timer();
      for (const auto& [handle, ends] : holds_) next = std::min(next, ends);
      if (next > end) break;
      if (events == kMostEventsOfAnAdvance)
        return fail(step, "timers follow one another without an end");
      now_ = std::max(now_, next);
      end_holds();
      instance_.run_due(now_, unix_nanos());
      after_call();
    }
    now_ = end;
  }

  void end_holds() {
    for (auto hold = holds_.begin(); hold != holds_.end();) {
      if (hold->second > now_) {
        ++hold;
        continue;
      }
      instance_.environment().held_no_more(hold->first);
      expired_.push_back(hold->first);
      hold = holds_.erase(hold);
    }
  }

  void after_call() {
    for (auto& release : instance_.environment().take_releases()) {
      holds_.erase(release.handle);
      instance_.check(release.verdict);
      releases_.push_back(release);
    }
    withdrawn_ |= instance_.environment().take_withdrawal();
    if (instance_.usage().faults != seen_faults_) {
      seen_faults_ = instance_.usage().faults;
      faults_.push_back(*instance_.last_fault());
    }
  }

  // ---- what must come out

  void fail(const Step& step, std::string came) {
    outcome_.failure = faults_.empty() ? Failure{step.place.line, step.text, std::move(came), {}}
                                       : fault_failure(step.place.line, step.text);
  }
  Failure fault_failure(unsigned line, std::string expected) const {
    return {line, std::move(expected), "a fault: " + to_text(faults_.front(), manifest_.limits),
            faults_.front().backtrace};
  }
  void require(const Step& step, bool held, std::string came) {
    if (held) {
      ++outcome_.expectations;
    } else {
      fail(step, std::move(came));
    }
  }

  void act(const Step& step, const ExpectVerdict& expected) {
    if (!asked_)
      return fail(step, sent_ ? "the fallback: the service could not be asked" : "no packet yet");
    const auto other = std::find_if(answers_.begin(), answers_.end(), [&](const Answer& came) {
      return !fits(expected.verdict, came);
    });
    const std::string which =
        answers_.size() > 1 ? "packet " + std::to_string(other - answers_.begin() + 1) + ": " : "";
    require(step, other == answers_.end(), other == answers_.end() ? "" : which + text_of(*other));
  }
  void act(const Step& step, const ExpectFallback&) {
    require(step, sent_ && !asked_, sent_ && asked_ ? text_of(answers_.front()) : "no packet yet");
  }
  void act(const Step& step, const ExpectRelease& expected) {
    const auto found = std::find_if(releases_.begin(), releases_.end(), [&](const auto& release) {
      return expected.label.empty() || is(expected.label, release.handle);
    });
    if (found == releases_.end()) return fail(step, "no release");
    const Answer came{found->verdict, {}, ""};
    releases_.erase(found);
    require(step, fits(expected.verdict, came), "release " + text_of(came));
  }
  void act(const Step& step, const ExpectExpired& expected) {
    const auto found = std::find_if(expired_.begin(), expired_.end(), [&](std::uint32_t handle) {
      return expected.label.empty() || is(expected.label, handle);
    });
    const bool held = found != expired_.end();
    if (held) expired_.erase(found);
    require(step, held, "no hold has ended");
  }
  void act(const Step& step, const ExpectLog& expected) {
    const auto found = std::find_if(log_.begin(), log_.end(), [&](const std::string& line) {
      return line.find(expected.text) != std::string::npos;
    });
    const bool held = found != log_.end();
    const std::string came = log_.empty() ? "nothing" : "\"" + log_.front() + "\"";
    if (held) log_.erase(log_.begin(), found + 1);
    require(step, held, came);
  }
  void act(const Step& step, const ExpectMetric& expected) {
    std::size_t at = 0;
    while (manifest_.metrics[at].name != expected.name) ++at;
    const service::MetricValue& metric = instance_.environment().metrics()[at];
    const double value = manifest_.metrics[at].kind == service::MetricKind::kHistogram
                             ? static_cast<double>(metric.count)
                             : metric.value;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%g", value);
    require(step, value == expected.value, expected.name + "=" + text.data());
  }
  void act(const Step& step, const ExpectFault& expected) {
    if (faults_.empty()) return require(step, false, "no fault");
    std::string whole = to_text(faults_.front(), manifest_.limits);
    for (const std::string& line : faults_.front().backtrace) whole += "\n" + line;
    if (whole.find(expected.text) == std::string::npos) return fail(step, "");
    faults_.pop_front();
    ++outcome_.expectations;
  }
  void act(const Step& step, const ExpectWithdrawal&) {
    require(step, std::exchange(withdrawn_, false), "no withdrawal");
  }
  void act(const Step& step, const ExpectStanding& expected) {
    const Standing standing = instance_.standing();
    const std::string came = standing == Standing::kRunning   ? "running"
                             : standing == Standing::kResting ? "resting"
                                                              : "quarantined";
    require(step, came == expected.standing, came);
  }
  void act(const Step& step, const ExpectNo& expected) {
    switch (expected.event) {
      case Event::kRelease:
        return require(step, releases_.empty(), "a release");
      case Event::kExpired:
        return require(step, expired_.empty(), "a hold has ended");
      case Event::kLog:
        return require(step, log_.empty(), log_.empty() ? "" : "\"" + log_.front() + "\"");
      case Event::kWithdrawal:
        return require(step, !withdrawn_, "a withdrawal");
    }
  }
  bool is(const std::string& label, std::uint32_t handle) const {
    const auto found = labels_.find(label);
    return found != labels_.end() && found->second == handle;
  }

  const Manifest& manifest_;
  FixedRandom random_;
  std::deque<std::string> log_;
  Instance instance_;
  base::TimePoint now_ = kBegin;
  service::ConfigValues values_;
  std::array<std::uint8_t, ENTRESOL_OUT_SIZE> out_{};
  std::uint32_t last_handle_ = 0;
  std::map<std::string, std::uint32_t> labels_;
  bool sent_ = false, asked_ = false;
  std::vector<Answer> answers_;
  std::map<std::uint32_t, base::TimePoint> holds_;
  std::deque<service::Environment::Release> releases_;
  std::deque<std::uint32_t> expired_;
  bool withdrawn_ = false;
  std::uint64_t seen_faults_ = 0;
  std::deque<service::Fault> faults_;
  Outcome outcome_;
};

}  // namespace

Outcome run_script(const Script& script, const Manifest& manifest,
                   std::unique_ptr<service::Program> program) {
  return Run(manifest, std::move(program))(script);
}

std::string to_text(const service::Fault& fault, const service::Limits& limits) {
  if (!fault.over_budget) return fault.what;
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(limits.batch).count();
  return "over its budget: one call took longer than " + std::to_string(us) + " us (limits: batch)";
}

}  // namespace entresol::cli::kit
