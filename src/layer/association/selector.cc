#include "layer/association/selector.h"

#include <algorithm>
#include <tuple>

#include "base/bytes.h"

namespace entresol::layer::association {
namespace {

using base::Duration;
using base::TimePoint;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A round: so many probes to each candidate, to eight at once.
constexpr int kProbes = 3;
constexpr Duration kGap = milliseconds(30);
constexpr std::size_t kWave = 8;
constexpr Duration kWaveGap = milliseconds(10);
constexpr Duration kTail = seconds(1);  // for late answers
constexpr Duration kLeastInterval = seconds(180);
constexpr std::uint64_t kIntervalSpreadMs = 120'000;

// The choice: how long others are waited for when one has answered, and if none does.
constexpr Duration kLeastWindow = milliseconds(5), kMostWindow = milliseconds(200);
constexpr Duration kNoAnswer = milliseconds(500);

// Clearly nearer, and for how many rounds.
constexpr Duration kNearerBy = milliseconds(2);
constexpr int kNearerPart = 5;  // a fifth
constexpr int kNearerRounds = 3;
constexpr Duration kShunned = std::chrono::hours(1);  // who answers probes but gave no keys

// The link's silence.
constexpr Duration kLook = seconds(1);
constexpr Duration kCheck = milliseconds(300);
constexpr int kDoubtProbes = 5;
constexpr Duration kDoubtGap = milliseconds(200);
constexpr Duration kDoubtTail = milliseconds(400);
constexpr Duration kDoubtPause = seconds(2);  // when nobody answered
constexpr int kSilentAfter = 3;               // probes

constexpr Duration kPatience = seconds(6);  // with a node that gives no keys
constexpr Duration kFailureHeld = seconds(60);
constexpr std::size_t kMaxWaiting = 256;

}  // namespace

Selector::Selector(base::RandomSource& random, std::uint64_t seed)
    : random_(random),
      interval_(kLeastInterval +
                milliseconds(static_cast<std::int64_t>(seed % kIntervalSpreadMs))) {}

bool Selector::answers(const Tracked& candidate) {
  return candidate.rtt && candidate.unanswered < kSilentAfter;
}

Selector::Tracked* Selector::find(const Candidate& candidate) {
  const auto found = std::find_if(candidates_.begin(), candidates_.end(),
                                  [&](const Tracked& each) { return each.at == candidate; });
  return found == candidates_.end() ? nullptr : &*found;
}

void Selector::set_candidates(std::span<const Candidate> candidates, TimePoint now) {
  std::vector<Tracked> fresh;
  bool others = false;
  for (const Candidate& each : candidates) {
    const bool twice = std::any_of(fresh.begin(), fresh.end(),
                                   [&](const Tracked& known) { return known.at == each; });
    if (twice || fresh.size() >= kMaxCandidates) continue;
    const Tracked* known = find(each);
    others |= known == nullptr;
    if (known != nullptr) {
      fresh.push_back(*known);
    } else {
      fresh.emplace_back().at = each;
      fresh.back().sent = kDoubtProbes;
    }
  }
  others |= fresh.size() != candidates_.size();
  candidates_ = std::move(fresh);
  next_ = now;
  if (!others) return;
  // Who is new is asked in a round of its own; a choice that somebody has answered to is not held up.
  if (!round_) {
    next_round_ = now;
  } else if (round_->purpose == Purpose::kCompare ||
             (round_->purpose == Purpose::kChoose && round_->close == base::kNever)) {
    begin(round_->purpose, now);
  }
}

// ---- probes --------------------------------------------------------------------------------------------------------

void Selector::begin(Purpose purpose, TimePoint now) {
  ++rounds_;
  const bool doubt = purpose == Purpose::kDoubt;
  Round round;
  round.purpose = purpose;
  round.began = now;
  round.gap = doubt ? kDoubtGap : kGap;
  round.probes = doubt ? kDoubtProbes : kProbes;
  round_ = round;
  if (!doubt) next_round_ = base::kNever;
  for (Tracked& each : candidates_) each.sent = 0;
}

void Selector::end_round(TimePoint now) {
  round_.reset();
  if (next_round_ == base::kNever) next_round_ = now + interval_;
}

TimePoint Selector::due(std::size_t i) const {
  if (candidates_[i].sent >= round_->probes) return base::kNever;
  return round_->began + static_cast<std::int64_t>(i / kWave) * kWaveGap +
         candidates_[i].sent * round_->gap;
}

void Selector::ask(Tracked& candidate, TimePoint now, Step& out) {
  const std::uint64_t nonce = base::load_be64(random_.bytes<8>().data());
  if (waiting_.size() >= kMaxWaiting) waiting_.erase(waiting_.begin());
  waiting_.push_back({candidate.at, nonce, now, rounds_});
  ++candidate.unanswered;
  out.probes.push_back({candidate.at, nonce});
}

void Selector::send_due(TimePoint now, Step& out) {
  bool all = true;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (due(i) <= now) {
      ask(candidates_[i], now, out);
      ++candidates_[i].sent;
    }
    all &= candidates_[i].sent >= round_->probes;
  }
  if (!all || round_->ends != base::kNever) return;
  const Tracked* dialled = current();
  const bool doubt = round_->purpose == Purpose::kDoubt;
  round_->ends =
      now + (!doubt                               ? kTail
             : dialled != nullptr && dialled->rtt ? std::max(kDoubtTail, 2 * *dialled->rtt)
                                                  : kDoubtTail);
}

void Selector::answered(std::uint64_t nonce, TimePoint at) {
  const auto asked = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& each) { return each.nonce == nonce; });
  if (asked == waiting_.end()) return;
  const Waiting question = *asked;
  waiting_.erase(asked);
  Tracked* candidate = find(question.at);
  if (candidate == nullptr) return;
  const Duration rtt = at - question.sent;
  const bool same_round = candidate->rtt && candidate->round == question.round;
  candidate->rtt = same_round ? std::min(*candidate->rtt, rtt) : rtt;
  candidate->round = question.round;
  candidate->answered_at = at;
  candidate->unanswered = 0;
  if (dialled_ == candidate->at) checking_.reset();
  next_ = at;
  if (!round_ || round_->purpose != Purpose::kChoose || round_->close != base::kNever) return;
  const auto waves = static_cast<std::int64_t>((candidates_.size() - 1) / kWave);
  round_->close = std::max(at + std::clamp(4 * rtt, kLeastWindow, kMostWindow),
                           round_->began + waves * kWaveGap + kLeastWindow);
}

// ---- who is dialled ------------------------------------------------------------------------------------------------

Step Selector::step(const LinkState& link, TimePoint now) {
  Step out;
  stepped_at_ = now;
  if (candidates_.empty()) {
    want_nodes(now, out);
  } else if (current() != nullptr) {
    if (!round_ && now >= next_round_) begin(Purpose::kCompare, now);
  } else if (candidates_.size() == 1) {
    dial(candidates_.front(), Why::kOnly, now, out);
    begin(Purpose::kCompare, now);
  } else if (!round_ || round_->purpose != Purpose::kChoose) {
    begin(Purpose::kChoose, now);
  }
  if (round_) {
    send_due(now, out);
    switch (round_->purpose) {
      case Purpose::kChoose:
        choose(now, out);
        break;
      case Purpose::kCompare:
        compare(now, out);
        break;
      case Purpose::kDoubt:
        doubt(link, now, out);
        break;
    }
  }
  if (!out.dial && current() != nullptr) watch(link, now, out);
  set_next(now);
  return out;
}

// Failed ones last, and of them the one that failed first; then those that answer, the nearest first; then the preferred.
bool Selector::before(const Tracked& a, const Tracked& b, TimePoint now) const {
  const auto rank = [&](const Tracked& each) {
    const bool failed = each.failed && now < each.failed_at + kFailureHeld;
    const int silent = answers(each) ? 0 : each.unanswered < kSilentAfter ? 1 : 2;
    return std::tuple(failed, failed ? each.failed_at : TimePoint{}, silent,
                      silent == 0 ? *each.rtt : Duration{}, &each);
  };
  return rank(a) < rank(b);
}

const Selector::Tracked* Selector::best(TimePoint now, const Tracked* but, TimePoint since) const {
  const Tracked* found = nullptr;
  for (const Tracked& each : candidates_)
    if (&each != but && each.answered_at >= since &&
        (found == nullptr || before(each, *found, now)))
      found = &each;
  return found;
}

void Selector::dial(const Tracked& candidate, Why why, TimePoint now, Step& out) {
  dialled_ = candidate.at;
  out.dial = candidate.at;
  why_ = why;
  chosen_of_ = candidates_.size();
  link_ = {};
  heard_ = false;
  down_since_ = now;
  look_at_ = now + kLook;
  checking_.reset();
  if (round_ && round_->purpose == Purpose::kDoubt) end_round(now);  // it was about another
  for (Tracked& each : candidates_) each.better = 0;
}

void Selector::choose(TimePoint now, Step& out) {
  if (current() != nullptr) {  // it has come back
    round_->purpose = Purpose::kCompare;
    return;
  }
  const bool all = std::all_of(candidates_.begin(), candidates_.end(), [&](const Tracked& each) {
    return each.answered_at >= round_->began;
  });
  if (all || now >= round_->close) {
    dial(*best(now, nullptr, round_->began), Why::kNearest, now, out);
  } else if (round_->close == base::kNever && now >= round_->began + kNoAnswer) {
    dial(*best(now), Why::kInOrder, now, out);
  } else {
    return;
  }
  round_->purpose = Purpose::kCompare;
}

void Selector::compare(TimePoint now, Step& out) {
  if (now < round_->ends) return;
  const Tracked* dialled = current();
  const bool measured = dialled != nullptr && dialled->round == rounds_ && link_.up;
  const Tracked* nearer = nullptr;
  for (Tracked& each : candidates_) {
    const bool better =
        measured && each.round == rounds_ && now >= each.shunned_until &&
        *each.rtt + std::max(*dialled->rtt / kNearerPart, kNearerBy) <= *dialled->rtt;
    each.better = better ? each.better + 1 : 0;
    if (each.better >= kNearerRounds && (nearer == nullptr || *each.rtt < *nearer->rtt))
      nearer = &each;
  }
  end_round(now);
  if (nearer != nullptr) dial(*nearer, Why::kNearer, now, out);
}

// ---- silence -------------------------------------------------------------------------------------------------------

Duration Selector::patience_of_check() const {
  Duration out = kCheck;
  for (const Tracked& each : candidates_)
    if (dialled_ == each.at && each.rtt) out = std::max(out, 4 * *each.rtt);
  return out;
}

// What was sent on the link since the last look and not answered by anything, and a link that has just fallen silent, are
// no proof: one probe asks, then several,
// and others too. Nodes that have never answered one are judged by their keys alone.
void Selector::watch(const LinkState& link, TimePoint now, Step& out) {
  if (link_.up && !link.up) down_since_ = now;
  // It may have started after it was asked.
  if (!link_.up && link.up && !answers(*current())) next_round_ = now;
  link_.up = link.up;
  if (!link.up && now >= down_since_ + kPatience) return without_keys(now, out);
  if (checking_ && link.received != link_.received) checking_.reset();
  if (checking_ && now >= *checking_ + patience_of_check()) {
    checking_.reset();
    begin(Purpose::kDoubt, now);
    round_->received = link.received;
    send_due(now, out);
  }
  if (now < look_at_) return;
  const bool heard = link.received != link_.received;
  const bool quiet =
      link.up ? !heard && (link.sent != link_.sent || heard_) : now >= down_since_ + kLook;
  heard_ = heard;
  link_ = link;
  look_at_ = now + kLook;
  const bool doubted = round_ && round_->purpose == Purpose::kDoubt;
  Tracked& dialled = *current();
  if (!quiet || checking_ || doubted || now < not_before_ || dialled.answered_at == TimePoint{})
    return;
  checking_ = now;
  ask(dialled, now, out);
}

void Selector::doubt(const LinkState& link, TimePoint now, Step& out) {
  Tracked* dialled = current();
  if (dialled == nullptr || dialled->answered_at >= round_->began ||
      link.received != round_->received)
    return end_round(now);
  if (now < round_->ends) return;
  const Tracked* other = best(now, dialled, round_->began);
  end_round(now);
  if (other == nullptr) {
    // More likely the network here.
    not_before_ = now + kDoubtPause;
    return want_nodes(now, out);
  }
  dialled->failed = true;
  dialled->failed_at = now;
  dial(*other, Why::kSilent, now, out);
}

void Selector::without_keys(TimePoint now, Step& out) {
  Tracked& dialled = *current();
  dialled.failed = true;
  dialled.failed_at = down_since_ = now;
  if (answers(dialled)) dialled.shunned_until = now + kShunned;
  want_nodes(now, out);
  const Tracked* next = best(now);
  if (next != &dialled) dial(*next, Why::kNoKeys, now, out);
}

void Selector::want_nodes(TimePoint now, Step& out) {
  // They are asked for when a host starts, in any case.
  if (!wanted_at_) wanted_at_ = now + kLook - kPatience;
  if (now < *wanted_at_ + kPatience) return;
  wanted_at_ = now;
  out.nodes_wanted = true;
}

void Selector::set_next(TimePoint now) {
  next_ = candidates_.empty() ? *wanted_at_ + kPatience : base::kNever;
  const auto by = [&](TimePoint at) { next_ = std::min(next_, at); };
  if (round_) {
    for (std::size_t i = 0; i < candidates_.size(); ++i) by(due(i));
    by(round_->ends);
    if (round_->purpose == Purpose::kChoose)
      by(std::min(round_->close,
                  round_->close == base::kNever ? round_->began + kNoAnswer : base::kNever));
  } else if (!candidates_.empty()) {
    by(next_round_);
  }
  if (current() != nullptr) {
    by(look_at_);
    if (checking_) by(*checking_ + patience_of_check());
    if (!link_.up) by(down_since_ + kPatience);
  }
  next_ = std::max(next_, now + milliseconds(1));
}

// ---- for people ----------------------------------------------------------------------------------------------------

std::vector<Report> Selector::reports() const {
  const Tracked* dialled = nullptr;
  for (const Tracked& each : candidates_)
    if (dialled_ == each.at) dialled = &each;
  const Tracked* next = best(stepped_at_, dialled);
  std::vector<Report> out;
  for (const Tracked& each : candidates_) {
    const bool silent = each.unanswered >= kSilentAfter;
    const Standing standing = &each == dialled ? Standing::kAttached
                              : silent         ? Standing::kSilent
                              : &each == next  ? Standing::kNext
                              : each.rtt       ? Standing::kAnswers
                                               : Standing::kUnmeasured;
    out.push_back({each.at, standing, silent ? std::nullopt : each.rtt});
  }
  return out;
}

}  // namespace entresol::layer::association
