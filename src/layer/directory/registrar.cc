#include "layer/directory/registrar.h"

#include <algorithm>
#include <utility>

namespace entresol::layer::directory {
namespace {

constexpr base::UnixSeconds kLongestPause = 60;

}  // namespace

Registrar::Registrar(const wire::Name& name, bool watches, bool nodes_known, base::UnixSeconds now)
    : spread_(std::hash<wire::Name>{}(name)) {
  of(Ask::kRegister).at = now;
  if (watches) of(Ask::kWatch).at = now;
  if (!watches && !nodes_known) of(Ask::kNodes).at = now;
}

void Registrar::certified(base::UnixSeconds issued, base::UnixSeconds end) {
  const base::UnixSeconds life = std::max<base::UnixSeconds>(end - issued, 3);
  const base::UnixSeconds room = life / 5 + 1;  // a tenth before, a tenth behind
  renew_at_ = issued + life * 2 / 3 - life / 10 +
              static_cast<base::UnixSeconds>(spread_ % static_cast<std::uint64_t>(room));
  end_ = end;
  of(Ask::kRenew).at = renew_at_;
}

void Registrar::want(Ask ask) {
  State& state = of(ask);
  if (state.running) {
    state.again = true;
  } else if (state.failures == 0) {
    state.at = 0;
  }
}

std::vector<Ask> Registrar::due(base::UnixSeconds now) {
  std::vector<Ask> out;
  for (std::size_t i = 0; i < kAsks; ++i) {
    State& state = states_[i];
    if (state.running || state.at > now) continue;
    state.running = true;
    state.at = kNever;
    out.push_back(static_cast<Ask>(i));
  }
  return out;
}

base::UnixSeconds Registrar::pause(unsigned failures) const {
  const base::UnixSeconds whole =
      std::min(kLongestPause, base::UnixSeconds{1} << std::min(failures, 6u));
  const auto half = static_cast<std::uint64_t>(whole / 2);
  return whole - half + static_cast<base::UnixSeconds>((spread_ >> failures % 32) % (half + 1));
}

void Registrar::done(Ask ask, bool ok, base::UnixSeconds now) {
  State& state = of(ask);
  state.running = false;
  const bool again = std::exchange(state.again, false);
  if (ok) {
    state.failures = 0;
    if (again || ask == Ask::kWatch) state.at = now;
    // certified() has said when next, or says so soon; if it does not, the same certificate was given again.
    if (ask == Ask::kRenew && state.at == kNever && renew_at_ <= now)
      state.at = std::min(now + kLongestPause, std::max(now + 1, (now + end_) / 2));
    return;
  }
  base::UnixSeconds wait = pause(++state.failures);
  // What is left of the certificate's time allows ten tries at least.
  if (ask == Ask::kRenew && end_ > now)
    wait = std::clamp<base::UnixSeconds>((end_ - now) / 10, 1, wait);
  state.at = now + wait;
}

base::UnixSeconds Registrar::next_timer() const {
  base::UnixSeconds next = kNever;
  for (const State& state : states_)
    if (!state.running) next = std::min(next, state.at);
  return next;
}

}  // namespace entresol::layer::directory
