// Which node a host attaches to: it probes those that it may, dials the nearest, notices when the one that it has is silent,
// and changes when another has been clearly nearer for some time (docs/decisions/0011-association.md).
//
// Pure: candidates, answers, what the link to the dialled node shows, and `now` in; probes to send and a node to dial out.
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/endpoint.h"
#include "base/random.h"
#include "base/time.h"
#include "wire/name.h"

namespace entresol::layer::association {

// A node at one of its endpoints.
struct Candidate {
  wire::Name node;
  base::Endpoint endpoint;
  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// Of the node that was dialled last.
struct LinkState {
  bool up = false;                       // has keys to send with
  std::uint64_t received = 0, sent = 0;  // packets, keepalives too
};

struct Question {
  Candidate at;
  std::uint64_t nonce = 0;
};

struct Step {
  std::vector<Question> probes;
  std::optional<Candidate> dial;  // instead of the one before
  bool nodes_wanted = false;      // who else there is should be asked for
};

// Why the dialled node was.
enum class Why : std::uint8_t {
  kNone,     // nothing is dialled
  kOnly,     // there was no other
  kNearest,  // of those that answered in time
  kInOrder,  // none answered in time: the first
  kNearer,   // for three rounds, than the one before
  kSilent,   // the one before was, and this one answered
  kNoKeys,   // the one before gave none in time
};

enum class Standing : std::uint8_t { kAttached, kNext, kAnswers, kSilent, kUnmeasured };

struct Report {
  Candidate at;
  Standing standing = Standing::kUnmeasured;
  std::optional<base::Duration> rtt;  // least of the last round that was answered
};

class Selector {
 public:
  // `random` outlives this. `seed`: hosts with different ones measure at different times.
  Selector(base::RandomSource& random, std::uint64_t seed);

  // All that there are, the preferred first; beyond kMaxCandidates they are not looked at.
  void set_candidates(std::span<const Candidate> candidates, base::TimePoint now);
  void answered(std::uint64_t nonce, base::TimePoint at);
  // Call it at next(), after answered() and set_candidates().
  Step step(const LinkState& link, base::TimePoint now);
  base::TimePoint next() const { return next_; }

  const std::optional<Candidate>& dialled() const { return dialled_; }
  Why why() const { return why_; }
  std::size_t chosen_of() const { return chosen_of_; }  // how many there were to choose from
  std::vector<Report> reports() const;                  // in the order of the candidates

  static constexpr std::size_t kMaxCandidates = 64;

 private:
  struct Tracked {
    Candidate at;
    std::optional<base::Duration> rtt;
    std::uint64_t round = 0;  // in which rtt was measured
    base::TimePoint answered_at{};
    int unanswered = 0;  // probes since the last answer
    int better = 0;      // rounds in a row in which it was clearly nearer than the dialled one
    bool failed = false;
    base::TimePoint failed_at{};
    base::TimePoint shunned_until{};  // it answers, but gave no keys: not for being near
    int sent = 0;                     // probes of the round that is under way
  };
  struct Waiting {
    Candidate at;
    std::uint64_t nonce = 0;
    base::TimePoint sent{};
    std::uint64_t round = 0;
  };
  enum class Purpose : std::uint8_t { kChoose, kCompare, kDoubt };
  struct Round {
    Purpose purpose = Purpose::kCompare;
    base::TimePoint began{};
    int probes = 0;  // to each
    base::Duration gap{};
    base::TimePoint ends = base::kNever;   // kNever: some probes are not sent yet
    base::TimePoint close = base::kNever;  // choose: the time is over
    std::uint64_t received = 0;            // doubt: of the link, when it began
  };

  static bool answers(const Tracked& candidate);
  Tracked* find(const Candidate& candidate);
  Tracked* current() { return dialled_ ? find(*dialled_) : nullptr; }
  void begin(Purpose purpose, base::TimePoint now);
  void end_round(base::TimePoint now);
  base::TimePoint due(std::size_t candidate) const;
  void ask(Tracked& candidate, base::TimePoint now, Step& out);
  void send_due(base::TimePoint now, Step& out);
  void choose(base::TimePoint now, Step& out);
  void compare(base::TimePoint now, Step& out);
  void doubt(const LinkState& link, base::TimePoint now, Step& out);
  void watch(const LinkState& link, base::TimePoint now, Step& out);
  base::Duration patience_of_check() const;
  void without_keys(base::TimePoint now, Step& out);
  void dial(const Tracked& candidate, Why why, base::TimePoint now, Step& out);
  bool before(const Tracked& a, const Tracked& b, base::TimePoint now) const;
  // The one to go to. Of those that have answered since then, or of all; never `but`.
  const Tracked* best(base::TimePoint now, const Tracked* but = nullptr,
                      base::TimePoint since = {}) const;
  void want_nodes(base::TimePoint now, Step& out);
  void set_next(base::TimePoint now);

  base::RandomSource& random_;
  base::Duration interval_;  // between rounds
  std::vector<Tracked> candidates_;
  std::vector<Waiting> waiting_;
  std::optional<Round> round_;
  std::uint64_t rounds_ = 0;
  base::TimePoint next_round_ = base::kNever;

  std::optional<Candidate> dialled_;
  Why why_ = Why::kNone;
  std::size_t chosen_of_ = 0;
  // The link, as it was looked at last.
  LinkState link_;
  bool heard_ = false;  // between the two looks before
  base::TimePoint look_at_{};
  base::TimePoint down_since_{};
  std::optional<base::TimePoint>
      checking_;                  // since then one probe to the dialled node is under way
  base::TimePoint not_before_{};  // it is checked again
  std::optional<base::TimePoint> wanted_at_;
  base::TimePoint stepped_at_{};
  base::TimePoint next_{};
};

}  // namespace entresol::layer::association
