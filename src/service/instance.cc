#include "service/instance.h"

#include <algorithm>
#include <cstring>

namespace entresol::service {
namespace {
constexpr base::Duration kThrottledPause = std::chrono::milliseconds(10);
}

std::string_view to_string(Standing standing) {
  switch (standing) {
    case Standing::kRunning:
      return "running";
    case Standing::kResting:
      return "resting";
    case Standing::kQuarantined:
      return "quarantined";
  }
  return "?";
}

Instance::Instance(Manifest manifest, std::unique_ptr<Program> program, base::RandomSource& random,
                   Clock clock, Environment::LogSink log)
    : program_(std::move(program)),
      manifest_(std::make_unique<const Manifest>(std::move(manifest))),
      cpu_(1e6 * manifest_->limits.cpu_permille),
      may_keep_(manifest_->may_keep()),
      clock_(std::move(clock)),
      environment_(*manifest_, random, std::move(log)) {}

// Runs what calls the program, on its time. False: it faulted, or may not be called now.
template <typename Call>
bool Instance::call(Call&& call, base::TimePoint now, std::int64_t unix_nanos, Lap* lap) {
  if (standing_ != Standing::kRunning) return false;
  environment_.at(now, unix_nanos);
  base::TimePoint began = now;
  if (clock_) began = lap != nullptr && *lap ? **lap : clock_();
  std::optional<Fault> fault = call();
  if (!fault) environment_.commit();
  if (clock_) {
    const base::TimePoint ended = clock_();
    if (lap != nullptr) *lap = ended;
    const base::Duration took = ended - began;
    usage_.busy += took;
    cpu_.charge(now, static_cast<double>(took.count()));
  }
  if (!fault) return true;
  faulted(std::move(*fault), now);
  return false;
}

void Instance::start(base::TimePoint now, std::int64_t unix_nanos) {
  standing_ = Standing::kRunning;
  start_at_ = base::kNever;
  ++usage_.starts;
  call([&] { return program_->start(environment_); }, now, unix_nanos);
}

void Instance::restart(base::TimePoint now, std::int64_t unix_nanos) {
  faults_.clear();
  environment_.restart();
  start(now, unix_nanos);
}

void Instance::lost(base::TimePoint now, std::int64_t unix_nanos) {
  ++usage_.lost;
  environment_.revert();
  if (standing_ != Standing::kRunning) return;
  environment_.restart();
  start(now, unix_nanos);
}

void Instance::configure(const ConfigValues& values, base::TimePoint now, std::int64_t unix_nanos) {
  environment_.configure(values);
  call([&] { return program_->configure(); }, now, unix_nanos);
}

bool Instance::packets(const entresol_batch& batch, base::TimePoint now, std::int64_t unix_nanos,
                       Lap* lap) {
  const bool in_time = !clock_ || cpu_.left(now);
  if (!in_time) usage_.throttled += batch.count;
  if (!in_time || !call([&] { return program_->packets(batch); }, now, unix_nanos, lap)) {
    usage_.fallbacks += batch.count;
    if (lap != nullptr) lap->reset();  // what became of it is nobody's time
    return false;
  }
  usage_.packets += batch.count;
  ++usage_.batches;
  for (std::uint32_t i = 0; i < batch.count; ++i) usage_.invalid += !check(batch.verdicts[i]);
  return true;
}

void Instance::run_due(base::TimePoint now, std::int64_t unix_nanos) {
  if (start_at_ <= now) start(now, unix_nanos);
  // A timer that sets itself again for now has its turn next time.
  for (std::uint32_t i = 0; i < manifest_->limits.timers && standing_ == Standing::kRunning; ++i) {
    if (clock_ && !cpu_.left(now)) {
      not_before_ = now + kThrottledPause;
      return;
    }
    const auto name = environment_.take_timer(now);
    if (!name) return;
    call([&] { return program_->timer(*name); }, now, unix_nanos);
  }
}

base::TimePoint Instance::next_timer() const {
  return standing_ == Standing::kRunning ? std::max(environment_.next_timer(), not_before_)
                                         : start_at_;
}

void Instance::faulted(Fault fault, base::TimePoint now) {
  ++usage_.faults;
  last_fault_ = std::move(fault);
  environment_.restart();
  while (!faults_.empty() && faults_.front() + kFaultsWithin <= now) faults_.pop_front();
  faults_.push_back(now);
  if (faults_.size() >= kFaultsBeforeQuarantine) {
    standing_ = Standing::kQuarantined;
    start_at_ = base::kNever;
    return;
  }
  standing_ = Standing::kResting;
  start_at_ = now + kFirstRest * (1 << (faults_.size() - 1));
}

Report Instance::report() const {
  Report out{manifest_->id,
             manifest_->name,
             manifest_->version,
             standing_,
             usage_,
             last_fault_,
             environment_.held(),
             program_->memory(),
             environment_.ephemeral().used(),
             environment_.stable().used(),
             environment_.stable().refused(),
             environment_.lines_left_out(),
             {},
             manifest_->limits,
             false,
             0,
             0,
             {}};
  for (std::size_t i = 0; i < manifest_->metrics.size(); ++i)
    out.metrics.emplace_back(manifest_->metrics[i], environment_.metrics()[i]);
  return out;
}

// What is not plainly one destination, or none: such a verdict is not kept.
bool Instance::check_rare(entresol_verdict& verdict) const {
  const bool names_fit =
      verdict.data <= ENTRESOL_OUT_SIZE &&
      verdict.count <= (ENTRESOL_OUT_SIZE - verdict.data) / sizeof(entresol_name);
  if (verdict.action > ENTRESOL_HOLD || (verdict.action == ENTRESOL_REPLICATE && !names_fit)) {
    verdict = {};
    return false;
  }
  verdict.keep = 0;
  return true;
}

}  // namespace entresol::service
