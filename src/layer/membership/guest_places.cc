// Where guests are, as their nodes say. A guest signs nothing: what counts is a node that its grant names, and the order in
// which such nodes have had it.
#include <algorithm>

#include "base/error_codes.h"
#include "layer/membership/membership.h"

namespace entresol::layer::membership {
namespace {

namespace code = base::code;

constexpr std::int64_t kNanos = 1'000'000'000;

std::vector<wire::Name> places(const Member& guest) {
  return guest.placed() ? std::vector{guest.place} : std::vector<wire::Name>{};
}

}  // namespace

base::Result<wire::Name> Membership::learn_place(base::ByteView octets, std::int64_t unix_nanos) {
  auto object = parse_guest_place(octets);
  if (!object) return tl::unexpected(object.error());
  const GuestPlace& place = object->body;
  const auto known = members_.find(place.guest);
  if (known == members_.end() || !known->second.guest)
    return base::fail(code::kMemberUnknown,
                      wire::to_string(place.guest) + " is no guest that is known");
  Member& guest = known->second;
  // Cheaper to see than signatures.
  if (place.sequence <= guest.sequence)
    return base::fail(code::kRegistrationOld,
                      "registration of guest '" + guest.label + "' is not new");
  const auto latest = static_cast<std::uint64_t>(unix_nanos + kPlaceSkew);
  if (place.sequence > latest)
    return base::fail(code::kCertificateUntrusted,
                      "registration of guest '" + guest.label + "' is of a time to come");
  if (!lets_speak(guest.attachments, place.node))
    return base::fail(code::kCertificateUntrusted,
                      "grant of guest '" + guest.label + "' is for other nodes");
  const Member* node = find(place.node);
  if (node == nullptr || !node->is_node())
    return base::fail(code::kMemberUnknown, "the node of guest '" + guest.label + "' is not known");
  const base::UnixSeconds now = unix_nanos / kNanos;
  auto certificate = trust_.certificate(objects(place.node).certificate, now);
  if (!certificate) return tl::unexpected(certificate.error());
  if (auto believed = trust_.guest_place(octets, *certificate, now); !believed)
    return tl::unexpected(believed.error());
  set_place(guest, place, octets);
  return place.guest;
}

base::Result<void> Membership::place_here(const wire::Name& name, base::UnixSeconds lease_end,
                                          std::int64_t unix_nanos) {
  const auto known = members_.find(name);
  if (known == members_.end() || !known->second.guest)
    return base::fail(code::kMemberUnknown, wire::to_string(name) + " is no guest that is known");
  Member& guest = known->second;
  GuestPlace place;
  place.layer = trust_.layer();
  place.guest = name;
  place.node = own_.name;
  place.sequence = std::max(guest.sequence + 1, static_cast<std::uint64_t>(unix_nanos));
  place.not_after = std::min({lease_end, guest.until, own_end_});
  auto object = sign(place, identity_.identity);
  if (!object) return tl::unexpected(object.error());
  set_place(guest, place, object->octets());
  return {};
}

void Membership::set_place(Member& guest, const GuestPlace& place, base::ByteView octets) {
  const std::vector<wire::Name> from = places(guest);
  place_ends_.erase({guest.placed_until, guest.name});
  guest.place = place.node;
  guest.placed_until = place.not_after;
  guest.sequence = place.sequence;
  place_ends_.insert({guest.placed_until, guest.name});
  objects_.at(guest.name).registration.assign(octets.begin(), octets.end());
  const Key key = find(place.node)->native_key;
  if (guest.native_key != key) {
    guest.native_key = key;
    ++key_changes_;
  }
  if (from != places(guest)) note_moved(guest.name, from);
}

// Its lease has ended. The sequence stays: older registrations do not come back.
void Membership::forget_place(Member& guest) {
  place_ends_.erase({guest.placed_until, guest.name});
  note_moved(guest.name, places(guest));
  guest.place = {};
  objects_.at(guest.name).registration.clear();
}

}  // namespace entresol::layer::membership
