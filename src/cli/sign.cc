#include <algorithm>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "io/clock.h"
#include "io/endpoint_text.h"
#include "io/files.h"
#include "layer/membership/armor.h"
#include "layer/membership/trust.h"
#include "runtime/files.h"

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

// The delegation's block, to be written before what an operator signs.
base::Result<std::string> delegation_text(const SignOptions& options) {
  if (options.delegation.empty()) return std::string();
  auto blocks = runtime::read_blocks(options.delegation);
  if (!blocks) return tl::unexpected(blocks.error());
  for (const auto& block : *blocks)
    if (block.label == membership::kDelegation) return membership::armor(block.label, block.bytes);
  return base::fail(base::code::kKeyMalformed, options.delegation + ": has no delegation");
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

base::Result<void> check_texts(const SignOptions& options) {
  if (options.label.empty() || options.label.size() > 63)
    return base::fail(base::code::kUsage, "--label: give 1 to 63 characters");
  if (options.tags.size() > 32) return base::fail(base::code::kUsage, "--tag: at most 32");
  for (const auto& tag : options.tags)
    if (tag.empty() || tag.size() > 63)
      return base::fail(base::code::kUsage, "--tag: give 1 to 63 characters");
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
  auto root = runtime::read_root(options.root);
  auto key = runtime::read_signing_key(options.with);
  auto identity = public_key(options.subject, membership::kIdentityPublic, 64);
  auto ipv4 = ipv4_of(options.ipv4);
  auto delegation = delegation_text(options);
  auto texts = check_texts(options);
  for (const base::Error* error :
       {root ? nullptr : &root.error(), key ? nullptr : &key.error(),
        identity ? nullptr : &identity.error(), ipv4 ? nullptr : &ipv4.error(),
        delegation ? nullptr : &delegation.error(), texts ? nullptr : &texts.error()})
    if (error != nullptr) return report(global, *error);
  membership::Certificate body;
  body.layer = membership::layer_id_of(*root);
  body.identity = *identity;
  body.role = options.role == "node" ? membership::Role::kNode : membership::Role::kHost;
  body.ipv4 = *ipv4;
  body.validity = validity(options.days);
  body.label = options.label;
  body.tags = options.tags;
  body.issuer = key->public_key;
  const auto object = membership::sign(body, *key);
  const std::string text =
      *delegation + membership::armor(membership::kCertificate, object.octets());
  const int code = write(
      global, options, text,
      {{"label", body.label}, {"address", wire::to_string(body.name())}, {"days", options.days}});
  if (code == runtime::kExitOk)
    next(global, "entresol sign registration --help",
         "so that others can reach it without a controller");
  return code;
}

int sign_delegation(const Global& global, const SignOptions& options) {
  auto key = runtime::read_signing_key(options.with);
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
  return write(global, options, membership::armor(membership::kDelegation, object.octets()),
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
  auto certificate = trust.certificate(*chain, io::unix_now());
  if (!certificate) return report(global, certificate.error());
  membership::Membership member(trust, *identity);
  const auto now = io::unix_now();
  if (auto own = member.set_own(*chain, static_cast<std::uint64_t>(now), now + options.days * kDay,
                                *nodes, now);
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
  auto root = runtime::read_root(options.root);
  if (!root) return report(global, root.error());
  auto key = runtime::read_signing_key(options.with);
  if (!key) return report(global, key.error());
  auto ipv4 = ipv4_of(options.ipv4);
  if (!ipv4) return report(global, ipv4.error());
  auto delegation = delegation_text(options);
  if (!delegation) return report(global, delegation.error());
  if (auto texts = check_texts(options); !texts) return report(global, texts.error());
  auto nodes = node_names(options, membership::Trust(*root));
  if (!nodes) return report(global, nodes.error());
  base::Bytes wireguard;
  if (!base::from_base64(options.wireguard_key, wireguard) || wireguard.size() != 32)
    return report(global, {std::string(base::code::kKeyMalformed),
                           "--wireguard-key: give 32 bytes in base64, as `wg pubkey` prints them"});
  membership::Grant body;
  body.layer = membership::layer_id_of(*root);
  std::copy(wireguard.begin(), wireguard.end(), body.wireguard_key.begin());
  body.ipv4 = *ipv4;
  body.validity = validity(options.days);
  body.label = options.label;
  body.tags = options.tags;
  body.nodes = *nodes;
  body.issuer = key->public_key;
  const auto object = membership::sign(body, *key);
  return write(
      global, options, *delegation + membership::armor(membership::kGrant, object.octets()),
      {{"label", body.label}, {"address", wire::to_string(body.name())}, {"days", options.days}});
}

}  // namespace entresol::cli
