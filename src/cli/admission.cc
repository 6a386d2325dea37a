#include "cli/admission.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error_codes.h"
#include "dns/message.h"
#include "layer/directory/base64url.h"
#include "layer/directory/records.h"
#include "layer/membership/armor.h"

namespace entresol::cli {
namespace {

using Json = nlohmann::json;
namespace directory = layer::directory;
namespace membership = layer::membership;

auto bad(const std::string& what) {
  return base::fail(base::code::kHttpBadAnswer, "the controller's answer is not usable: " + what);
}

const Json& at(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string text(const Json& object, const char* key) {
  const Json& found = at(object, key);
  return found.is_string() ? found.get<std::string>() : "";
}

base::Bytes octets(const Json& object, const char* key) {
  base::Bytes out;
  if (!directory::from_base64url(text(object, key), out)) out.clear();
  return out;
}

std::optional<AdmittedNode> node_of(const Json& one, const membership::Trust& trust,
                                    base::UnixSeconds now) {
  AdmittedNode node;
  node.certificate = octets(one, "certificate");
  node.registration = octets(one, "registration");
  auto certificate = trust.certificate(node.certificate, now);
  if (!certificate || certificate->role != membership::Role::kNode) return std::nullopt;
  auto registered = trust.registration(node.registration, *certificate, now);
  if (!registered || !directory::check_label(certificate->label)) return std::nullopt;
  node.label = certificate->label;
  node.name = certificate->name();
  node.registered = std::move(*registered);
  return node;
}

// A node that does not hold is left out: others may, and more are learnt when the member runs.
std::vector<AdmittedNode> believed_nodes(const Json& list, const membership::Trust& trust,
                                         base::UnixSeconds now) {
  std::vector<AdmittedNode> out;
  if (!list.is_array()) return out;
  const std::size_t looked_at = std::min(list.size(), kMaxAdmittedNodes);
  for (std::size_t i = 0; i < looked_at; ++i)
    if (auto node = node_of(list[i], trust, now)) out.push_back(std::move(*node));
  return out;
}

std::string_view block_label(membership::Kind kind) {
  switch (kind) {
    case membership::Kind::kCertificate:
      return membership::kCertificate;
    case membership::Kind::kDelegation:
      return membership::kDelegation;
    case membership::Kind::kRegistration:
      return membership::kRegistration;
    case membership::Kind::kGrant:
      return membership::kGrant;
    case membership::Kind::kPolicy:  // are in no file
    case membership::Kind::kNameCertificate:
    case membership::Kind::kMemberDelegation:
    case membership::Kind::kGuestPlace:
    case membership::Kind::kCatalogue:
      break;
  }
  return "";
}

}  // namespace

base::Result<Admission> parse_admission(std::string_view body, const membership::Key& identity,
                                        membership::Role role, base::UnixSeconds now) {
  const Json root = Json::parse(body, nullptr, false);
  const Json& layer = at(root, "layer");
  const Json& member = at(root, "member");
  if (!layer.is_object() || !member.is_object()) return bad("layer or member is missing");

  Admission out;
  const base::Bytes key = octets(layer, "root");
  if (key.size() != out.root.size()) return bad("layer.root is no key");
  std::copy(key.begin(), key.end(), out.root.begin());
  const membership::Trust trust(out.root);
  if (!std::ranges::equal(octets(layer, "id"), trust.layer()))
    return bad("layer.id is not that of layer.root");
  out.layer = text(layer, "label");
  if (!directory::check_label(out.layer)) return bad("layer.label is no label");
  if (const auto domain = dns::name_from_text(text(layer, "domain")))
    out.domain = dns::text_of(*domain);
  if (const std::string pool = text(layer, "ipv4_pool"); !pool.empty()) {
    auto prefix = io::parse_prefix(pool);
    if (!prefix || !io::is_v4(prefix->address)) return bad("layer.ipv4_pool is no IPv4 prefix");
    out.ipv4_pool = *prefix;
  }

  out.chain = octets(member, "certificate");
  auto certificate = trust.certificate(out.chain, now);
  if (!certificate) {
    certificate.error().message =
        "the certificate that the controller gave: " + certificate.error().message;
    return tl::unexpected(certificate.error());
  }
  if (certificate->identity != identity || certificate->role != role)
    return bad("the certificate is for another identity or role");
  if (!directory::check_label(certificate->label)) return bad("the certificate's label is none");
  out.certificate = std::move(*certificate);
  out.nodes = believed_nodes(at(root, "nodes"), trust, now);
  return out;
}

std::vector<AdmittedNode> nodes_of(std::string_view list, const membership::Trust& trust,
                                   base::UnixSeconds now) {
  return believed_nodes(Json::parse(list, nullptr, false), trust, now);
}

std::string armor_objects(base::ByteView objects) {
  std::string out;
  while (!objects.empty()) {
    const auto extent = membership::extent(objects);
    if (!extent) return {};
    out += membership::armor(block_label(extent->kind), objects.first(extent->size));
    objects = objects.subspan(extent->size);
  }
  return out;
}

}  // namespace entresol::cli
