// Those who watch the layer's directory: requests that are kept until there is something to tell, and what each member that
// watches has said of itself when it asked last: from that it is known whom a change has reached.
//
// One thread. What was said is soft: it is gone after a restart, and is said again with the next request.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.h"
#include "http/server.h"
#include "layer/directory/authority.h"

namespace entresol::controller {

namespace directory = layer::directory;

// A request to be answered when there is something that it has not seen, or at `until`.
struct Watch {
  std::shared_ptr<http::Responder> responder;
  std::optional<directory::Revision> since;
  std::size_t limit = 0;
  base::UnixSeconds until = 0;
  std::optional<wire::Name> member;              // who signed the request; nobody: a person asks
  std::optional<std::uint64_t> policy_revision;  // that it says it holds; nothing: it says nothing
};

// What a member has said.
struct Heard {
  base::UnixSeconds at = 0;  // of its last request
  std::optional<std::uint64_t> policy_revision;
};

class Watchers {
 public:
  void add(Watch watch, base::UnixSeconds now);
  // Tells those for whom there is something new, or whose time has come.
  void tell(const directory::Authority& authority, base::UnixSeconds now);
  // Forgets what was heard of those that are members no more.
  void prune(const directory::Authority& authority);

  std::optional<base::UnixSeconds> next_timer() const;
  std::size_t size() const { return watches_.size(); }
  // Null for one that has never watched since this controller started.
  const Heard* heard(const wire::Name& member) const;
  // It has a request here that waits, and its connection is open.
  bool watching(const wire::Name& member) const;

 private:
  std::vector<Watch> watches_;
  std::map<wire::Name, Heard> heard_;
  std::optional<directory::Revision> told_;  // what watches were last compared with
  std::size_t fresh_ = 0;                    // at the end of watches_, and not compared yet
};

}  // namespace entresol::controller
