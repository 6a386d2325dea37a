#include "layer/directory/batch.h"

namespace entresol::layer::directory {

void Batch::apply(std::vector<Change> changes) {
  for (Change& change : changes) {
    inverses_.push_back(authority_.inverse(change));
    authority_.apply({&change, 1});
    changes_.push_back(std::move(change));
  }
}

void Batch::undo() {
  for (; !inverses_.empty(); inverses_.pop_back()) authority_.apply(inverses_.back());
  changes_.clear();
}

base::Result<void> Batch::commit() {
  if (changes_.empty()) return {};
  auto committed = store_.commit(changes_);
  if (committed) inverses_.clear();
  undo();
  return committed;
}

}  // namespace entresol::layer::directory
