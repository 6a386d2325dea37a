// Any octets as each of the nine signed objects: what parses is made of exactly these octets, has one form only, and is
// believed by nobody without its signature.
// fuzzes: layer/membership/object.h
#include "layer/membership/object.h"

#include <cstdlib>
#include <vector>

#include "layer/membership/trust.h"

namespace {

using namespace entresol;
using namespace entresol::layer::membership;

void require(bool holds) {
  if (!holds) std::abort();
}

const crypto::Ed25519KeyPair& key() {
  static const crypto::Ed25519KeyPair pair =
      crypto::ed25519_keypair(std::array<std::uint8_t, 32>{1, 2, 3});
  return pair;
}

template <typename Parse>
void one(Parse parse, base::ByteView octets) {
  const auto object = parse(octets);
  if (!object) return;
  const base::Bytes back = object->octets();
  require(std::equal(back.begin(), back.end(), octets.begin(), octets.end()));
  require(!object->signed_by(key().public_key));
  const auto again = sign(object->body, key());
  require(again.has_value() && again->covered == object->covered);
  require(parse(again->octets()) && again->signed_by(key().public_key));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> exact(data, data + size);
  one(parse_certificate, exact);
  one(parse_delegation, exact);
  one(parse_registration, exact);
  one(parse_grant, exact);
  one(parse_policy, exact);
  one(parse_name_certificate, exact);
  one(parse_member_delegation, exact);
  one(parse_guest_place, exact);
  one(parse_catalogue_statement, exact);
  if (const auto parts = split_delegations(exact)) {
    std::size_t sum = 0;
    for (const base::ByteView part : *parts) sum += part.size();
    require(sum == size);
  }
  if (auto found = extent(exact)) require(found->size <= size);
  const Trust trust(key().public_key);
  require(!trust.certificate(exact, 0));
  require(!trust.grant(exact, 0));
  require(!trust.policy(exact, "", 0));
  require(!trust.catalogue(exact, {}, 0));
  require(!trust.name_certificate(exact, 0));
  NameCertificate of;
  of.key = key().public_key;
  require(!trust.member_delegation(exact, of, 0));
  Certificate node;
  node.role = Role::kNode;
  node.identity = key().public_key;
  require(!trust.guest_place(exact, node, 0));
  return 0;
}
