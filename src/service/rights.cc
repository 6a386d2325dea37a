#include "service/rights.h"

#include <algorithm>

namespace entresol::service {

using layer::policy::Subject;

namespace {

bool any_means(const std::vector<Subject>& subjects, const layer::policy::Party& party) {
  return std::ranges::any_of(
      subjects, [&](const Subject& each) { return layer::policy::means(each, party); });
}

}  // namespace

Violation may_send(const Rights& rights, const wire::Name& source, const wire::Name& destination,
                   const wire::Name& to, bool copy, const Parties& parties) {
  if (rights.tenant == Tenant::kOperator || to == destination) return Violation::kNone;
  const bool owns_any = rights.tenant == Tenant::kClient && !rights.owns.empty();
  if (owns_any || !rights.consent.empty()) {
    const layer::policy::Party party = parties(to);
    if (owns_any && any_means(rights.owns, party)) return Violation::kNone;
    if (any_means(rights.consent, party)) return Violation::kNone;
  }
  if (to != source || copy) return Violation::kDestination;
  return rights.replies ? Violation::kNone : Violation::kReply;
}

bool may_bind(const Rights& rights, const Subject& from, const Subject& to) {
  switch (rights.tenant) {
    case Tenant::kThirdParty:
      return false;
    case Tenant::kClient:
      return std::ranges::any_of(rights.owns,
                                 [&](const Subject& own) { return own == from || own == to; });
    case Tenant::kOperator:
      return true;
  }
  return false;
}

}  // namespace entresol::service
