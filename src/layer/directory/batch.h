// Several requests in one commit: where a disk takes 10 ms for each, a thousand joins one after the other would take ten
// seconds.
//
//   Batch batch(authority, store);
//   auto first = batch.add(authority.join(one, now));  // each sees what those before it have changed
//   auto second = batch.add(authority.join(two, now));
//   auto done = batch.commit();  // an error: it is the answer to all of them
//
// Between add() and commit() the Authority is ahead of its store: nobody is answered, watchers included. After a commit that
// fails, or none, it knows what it knew before; only its revision has moved, so that watchers hear some things twice.
#pragma once

#include <utility>
#include <vector>

#include "layer/directory/authority.h"

namespace entresol::layer::directory {

class Batch {
 public:
  Batch(Authority& authority, Store& store) : authority_(authority), store_(store) {}
  ~Batch() { undo(); }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  template <typename T>
  base::Result<T> add(Outcome<T> outcome) {
    if (outcome.answer) apply(std::move(outcome.changes));
    return std::move(outcome.answer);
  }
  bool empty() const { return changes_.empty(); }  // nothing to commit
  // Afterwards it is empty, whatever happened.
  base::Result<void> commit();

 private:
  void apply(std::vector<Change> changes);
  void undo();

  Authority& authority_;
  Store& store_;
  std::vector<Change> changes_;
  std::vector<std::vector<Change>> inverses_;  // of each of them
};

}  // namespace entresol::layer::directory
