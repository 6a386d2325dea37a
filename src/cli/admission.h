// What a controller answers to a member that joins (docs/api.md, join). Whoever made the token chose the controller, so
// nothing here is believed but what the root that comes with it has signed, and nothing becomes part of a path unchecked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/endpoint_text.h"
#include "layer/membership/trust.h"

namespace entresol::cli {

struct AdmittedNode {
  std::string label;
  wire::Name name;
  base::Bytes certificate;  // the chain
  base::Bytes registration;
  layer::membership::Registration registered;
};

struct Admission {
  layer::membership::Key root{};
  std::string layer;   // its label
  std::string domain;  // of its members' names in DNS; empty: none was said
  std::optional<io::Prefix> ipv4_pool;
  base::Bytes chain;  // the member's certificate, with the operator's delegation before it
  layer::membership::Certificate certificate;
  std::vector<AdmittedNode> nodes;  // those whose objects hold, at most kMaxAdmittedNodes
};

inline constexpr std::size_t kMaxAdmittedNodes = 64;

// kHttpBadAnswer for what is no such answer, or one for another identity or role; Trust's errors for a certificate that does
// not hold.
base::Result<Admission> parse_admission(std::string_view body,
                                        const layer::membership::Key& identity,
                                        layer::membership::Role role, base::UnixSeconds now);

// The nodes of a list of {"certificate", "registration"}, as above.
std::vector<AdmittedNode> nodes_of(std::string_view list, const layer::membership::Trust& trust,
                                   base::UnixSeconds now);

// Signed objects, one behind the other, as the blocks of a file. Empty if they are none.
std::string armor_objects(base::ByteView objects);

}  // namespace entresol::cli
