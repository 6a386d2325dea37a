// When a member asks its controller for what: a new certificate before the old one ends, to be registered whenever its own
// registration has changed, which nodes there are, and (a node) what has changed in the layer to keep what it has lost, packages of
// services, and to hear what became of them. Whoever runs it makes the
// requests and says how they went.
//
// Pure. Each kind of request is made once at a time; one that failed is made again after a time that doubles, from a second
// to a minute, with a part that the member's name decides, so that a thousand members do not come back together.
#pragma once

#include <array>
#include <vector>

#include "layer/directory/records.h"

namespace entresol::layer::directory {

enum class Ask : std::uint8_t { kRenew, kRegister, kNodes, kWatch, kHandIn, kPackage, kReport };
inline constexpr std::size_t kAsks = 7;

class Registrar {
 public:
  // `watches`: a node, which is told what changes. `nodes_known`: a host that knows whom to dial.
  Registrar(const wire::Name& name, bool watches, bool nodes_known, base::UnixSeconds now);

  // The certificate that is used now: at two thirds of its time a new one is asked for, within a tenth of its time sooner
  // or later by name. `issued` is when, `end` its end.
  void certified(base::UnixSeconds issued, base::UnixSeconds end);
  // The own registration is another one.
  void registration_changed() { want(Ask::kRegister); }
  // A node's: the controller has lost registrations that are known here.
  void hand_in_wanted() { want(Ask::kHandIn); }
  // A node's: a package of a service is lacking; what its services do is another thing than it has said.
  void package_wanted() { want(Ask::kPackage); }
  void report_wanted() { want(Ask::kReport); }
  // None of the nodes that are known can be reached.
  void nodes_wanted() { want(Ask::kNodes); }

  // What is to be asked now; each is then under way until done().
  std::vector<Ask> due(base::UnixSeconds now);
  // `ok`: there was an answer and it could be used. A watch that ended well begins again at once.
  void done(Ask ask, bool ok, base::UnixSeconds now);
  base::UnixSeconds next_timer() const;  // kNever if nothing is to be asked

  static constexpr base::UnixSeconds kNever = INT64_MAX;
  // Failures in a row; for people.
  unsigned failures(Ask ask) const { return of(ask).failures; }
  base::UnixSeconds renews_at() const { return renew_at_; }

 private:
  struct State {
    base::UnixSeconds at = kNever;
    bool running = false;
    bool again = false;  // wanted once more while it ran
    unsigned failures = 0;
  };
  State& of(Ask ask) { return states_[static_cast<std::size_t>(ask)]; }
  const State& of(Ask ask) const { return states_[static_cast<std::size_t>(ask)]; }
  void want(Ask ask);
  base::UnixSeconds pause(unsigned failures) const;

  std::uint64_t spread_;  // of the name
  std::array<State, kAsks> states_{};
  base::UnixSeconds renew_at_ = kNever, end_ = kNever;
};

}  // namespace entresol::layer::directory
