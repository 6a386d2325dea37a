// What a controller answers to a member that joins: whoever made the token chose the controller.
// fuzzes: cli/admission.h
#include "cli/admission.h"

#include <cstdlib>
#include <string_view>

#include "layer/directory/records.h"
#include "layer/membership/test_authority.h"

using namespace entresol;

namespace {

// The identity that the corpus admits.
const layer::membership::Key& identity() {
  static const layer::membership::Key kKey = [] {
    layer::membership::test::Authority authority(1);
    return layer::membership::test::make_identity(authority.random).identity.public_key;
  }();
  return kKey;
}

void require(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto admission = cli::parse_admission(text, identity(), layer::membership::Role::kHost,
                                              layer::membership::test::kNow);
  if (!admission) return 0;
  require(admission->certificate.identity == identity());
  require(layer::directory::check_label(admission->layer).has_value());
  require(!cli::armor_objects(admission->chain).empty());
  require(admission->nodes.size() <= cli::kMaxAdmittedNodes);
  for (const cli::AdmittedNode& node : admission->nodes) {
    require(layer::directory::check_label(node.label).has_value());
    require(node.registered.name == node.name);
  }
  return 0;
}
