#include <algorithm>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "cli/join.h"
#include "io/clock.h"
#include "io/files.h"
#include "layer/membership/armor.h"
#include "layer/membership/trust.h"
#include "runtime/files.h"
#include "wire/utf8.h"

namespace entresol::cli {
namespace {

namespace membership = layer::membership;
using membership::Key;

constexpr base::UnixSeconds kDay = 24 * 3600;
constexpr base::UnixSeconds kSkew = 300;  // clocks of other members

membership::Validity validity(int days) {
  const base::UnixSeconds now = io::unix_now();
  return {now - kSkew, now + days * kDay};
}

base::Result<membership::Ipv4> ipv4_of(const std::string& text) {
  membership::Ipv4 out{};
  if (text.empty()) return out;
  auto address = io::parse_address(text);
  if (!address || !io::is_v4(*address))
    return base::fail(base::code::kConfigBadValue, "--ipv4: '" + text + "' is not an IPv4 address");
  std::copy_n(address->begin() + 12, 4, out.begin());
  return out;
}

// Delegations are the root's alone: one that an operator signed leads to no layer.
base::Result<crypto::Ed25519KeyPair> root_key(const std::string& file) {
  auto blocks = runtime::read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  for (const auto& block : *blocks)
    if (block.label == membership::kOperatorKey)
      return base::fail(base::code::kUsage,
                        file + ": is an operator's key; the root's signs delegations");
  return runtime::read_signing_key(file);
}

base::Result<Key> public_key(const std::string& file, std::string_view label, std::size_t size) {
  auto blocks = runtime::read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  for (const auto& block : *blocks) {
    if (block.label != label || block.bytes.size() != size) continue;
    Key key;
    std::copy_n(block.bytes.begin(), 32, key.begin());
    return key;
  }
  return base::fail(base::code::kKeyMalformed,
                    file + ": has no 'BEGIN ENTRESOL " + std::string(label) + "' block");
}

// The delegation's octets, to be written before what an operator signs; none without --delegation.
base::Result<base::Bytes> delegation_of(const SignOptions& options) {
  if (options.delegation.empty()) return base::Bytes();
  auto blocks = runtime::read_blocks(options.delegation);
  if (!blocks) return tl::unexpected(blocks.error());
  for (const auto& block : *blocks)
    if (block.label == membership::kDelegation) return block.bytes;
  return base::fail(base::code::kKeyMalformed, options.delegation + ": has no delegation");
}

// What root or operator has to say before they sign.
struct Issuing {
  membership::Key root;
  crypto::Ed25519KeyPair key;
  base::Bytes delegation;
  membership::Ipv4 ipv4;
};

base::Result<Issuing> read_issuing(const SignOptions& options) {
  auto root = runtime::read_root(options.root);
  if (!root) return tl::unexpected(root.error());
  auto key = runtime::read_signing_key(options.with);
  if (!key) return tl::unexpected(key.error());
  auto ipv4 = ipv4_of(options.ipv4);
  if (!ipv4) return tl::unexpected(ipv4.error());
  auto delegation = delegation_of(options);
  if (!delegation) return tl::unexpected(delegation.error());
  if (delegation->empty() && key->public_key != *root)
    return base::fail(base::code::kUsage,
                      options.with + " is not the key of " + options.root +
                          ": an operator needs --delegation, which `entresol sign delegation` "
                          "makes with the root's key");
  return Issuing{*root, *key, *delegation, *ipv4};
}

// Chain and armour of what was signed, if everybody else will believe it: `believe` is Trust's question about it.
template <typename Object, typename Believe>
base::Result<std::string> armored(const Issuing& issuing, std::string_view title,
                                  const base::Result<Object>& object, Believe believe) {
  if (!object) return tl::unexpected(object.error());
  base::Bytes chain = issuing.delegation;
  const base::Bytes octets = object->octets();
  chain.insert(chain.end(), octets.begin(), octets.end());
  const membership::Trust trust(issuing.root);
  if (auto believed = (trust.*believe)(chain, io::unix_now(), nullptr); !believed) {
    believed.error().message =
        "nothing is written, for nobody would believe it: " + believed.error().message;
    return tl::unexpected(believed.error());
  }
  std::string text;
  if (!issuing.delegation.empty())
    text = membership::armor(membership::kDelegation, issuing.delegation);
  return text + membership::armor(title, octets);
}

base::Result<std::vector<wire::Name>> node_names(const SignOptions& options,
                                                 const membership::Trust& trust) {
  std::vector<wire::Name> out;
  for (const std::string& file : options.nodes) {
    auto chain = runtime::read_certificate(file);
    if (!chain) return tl::unexpected(chain.error());
    auto certificate = trust.certificate(*chain, io::unix_now());
    if (!certificate) {
      certificate.error().message = file + ": " + certificate.error().message;
      return tl::unexpected(certificate.error());
    }
    out.push_back(certificate->name());
  }
  return out;
}

bool is_text(const std::string& text) {
  return !text.empty() && text.size() <= 63 &&
         wire::is_utf8({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

base::Result<void> check_texts(const SignOptions& options) {
  if (!is_text(options.label))
    return base::fail(base::code::kUsage, "--label: give 1 to 63 octets of UTF-8");
  if (options.tags.size() > 32) return base::fail(base::code::kUsage, "--tag: at most 32");
  for (const auto& tag : options.tags)
    if (!is_text(tag)) return base::fail(base::code::kUsage, "--tag: give 1 to 63 octets of UTF-8");
  return {};
}

int write(const Global& global, const SignOptions& options, const std::string& text, Json said) {
  if (auto written = io::write_text_file(options.out, text, {0644, true}); !written)
    return report(global, written.error());
  said["file"] = options.out;
  if (global.json) {
    print(said);
    return runtime::kExitOk;
  }
  std::printf("%s", bold(options.out).c_str());
  if (said.contains("address")) std::printf("  %s", said["address"].get<std::string>().c_str());
  std::printf("\n");
  return runtime::kExitOk;
}

}  // namespace

int sign_certificate(const Global& global, const SignOptions& options) {
  auto issuing = read_issuing(options);
  if (!issuing) return report(global, issuing.error());
  auto identity = public_key(options.subject, membership::kIdentityPublic, 64);
  if (!identity) return report(global, identity.error());
  if (auto texts = check_texts(options); !texts) return report(global, texts.error());
  membership::Certificate body;
  body.layer = membership::layer_id_of(issuing->root);
  body.identity = *identity;
  body.role = options.role == "node" ? membership::Role::kNode : membership::Role::kHost;
  body.ipv4 = issuing->ipv4;
  body.validity = validity(options.days);
  body.label = options.label;
  body.tags = options.tags;
  body.issuer = issuing->key.public_key;
  auto text = armored(*issuing, membership::kCertificate, membership::sign(body, issuing->key),
                      &membership::Trust::certificate);
  if (!text) return report(global, text.error());
  const int code = write(
      global, options, *text,
      {{"label", body.label}, {"address", wire::to_string(body.name())}, {"days", options.days}});
  if (code == runtime::kExitOk)
    next(global, "entresol sign registration --help",
         "so that others can reach it without a controller");
  return code;
}

int sign_delegation(const Global& global, const SignOptions& options) {
  auto key = root_key(options.with);
  if (!key) return report(global, key.error());
  auto subject = public_key(options.subject, membership::kOperatorPublic, 32);
  if (!subject) return report(global, subject.error());
  if (auto texts = check_texts(options); !texts) return report(global, texts.error());
  membership::Delegation body;
  body.layer = membership::layer_id_of(key->public_key);
  body.operator_key = *subject;
  body.validity = validity(options.days);
  body.label = options.label;
  const auto object = membership::sign(body, *key);
  if (!object) return report(global, object.error());
  return write(global, options, membership::armor(membership::kDelegation, object->octets()),
               {{"label", body.label}, {"days", options.days}});
}

int sign_registration(const Global& global, const SignOptions& options) {
  auto root = runtime::read_root(options.root);
  if (!root) return report(global, root.error());
  const membership::Trust trust(*root);
  auto identity = runtime::read_identity(options.with);
  if (!identity) return report(global, identity.error());
  auto chain = runtime::read_certificate(options.certificate);
  if (!chain) return report(global, chain.error());
  auto nodes = node_names(options, trust);
  if (!nodes) return report(global, nodes.error());
  auto endpoints = endpoints_of(options.endpoints);
  if (!endpoints) return report(global, endpoints.error());
  auto certificate = trust.certificate(*chain, io::unix_now());
  if (!certificate) return report(global, certificate.error());
  if (!endpoints->empty() && certificate->role != membership::Role::kNode)
    return report(global, {std::string(base::code::kUsage), "--endpoint: '" + certificate->label +
                                                                "' is a host; nodes are dialled"});
  membership::Membership member(trust, *identity);
  const auto now = io::unix_now();
  if (auto own = member.set_own(*chain, static_cast<std::uint64_t>(now), now + options.days * kDay,
                                *nodes, now, *endpoints);
      !own)
    return report(global, own.error());
  auto blocks = runtime::read_blocks(options.certificate);
  std::string text;
  for (const auto& block : *blocks)
    if (block.label == membership::kDelegation || block.label == membership::kCertificate)
      text += membership::armor(block.label, block.bytes);
  text += membership::armor(membership::kRegistration, member.own_registration());
  return write(global, options, text,
               {{"label", certificate->label}, {"address", wire::to_string(certificate->name())}});
}

int sign_grant(const Global& global, const SignOptions& options) {
  auto issuing = read_issuing(options);
  if (!issuing) return report(global, issuing.error());
  if (auto texts = check_texts(options); !texts) return report(global, texts.error());
  auto nodes = node_names(options, membership::Trust(issuing->root));
  if (!nodes) return report(global, nodes.error());
  base::Bytes wireguard;
  if (!base::from_base64(options.wireguard_key, wireguard) || wireguard.size() != 32)
    return report(global, {std::string(base::code::kKeyMalformed),
                           "--wireguard-key: give 32 bytes in base64, as `wg pubkey` prints them"});
  membership::Grant body;
  body.layer = membership::layer_id_of(issuing->root);
  std::copy(wireguard.begin(), wireguard.end(), body.wireguard_key.begin());
  body.ipv4 = issuing->ipv4;
  body.validity = validity(options.days);
  body.label = options.label;
  body.tags = options.tags;
  body.nodes = *nodes;
  body.issuer = issuing->key.public_key;
  auto text = armored(*issuing, membership::kGrant, membership::sign(body, issuing->key),
                      &membership::Trust::grant);
  if (!text) return report(global, text.error());
  return write(
      global, options, *text,
      {{"label", body.label}, {"address", wire::to_string(body.name())}, {"days", options.days}});
}

}  // namespace entresol::cli
