#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "crypto/x25519.h"
#include "io/entropy.h"
#include "io/files.h"
#include "layer/membership/armor.h"
#include "layer/membership/object.h"

namespace entresol::cli {
namespace {

namespace membership = layer::membership;

struct KeyFiles {
  std::string secret;
  std::string open;
  std::string shown;  // for people
};

KeyFiles make_signing(base::RandomSource& random, std::string_view secret_label,
                      std::string_view label) {
  const auto seed = random.bytes<32>();
  const auto key = crypto::ed25519_keypair(seed);
  return {membership::armor(secret_label, seed), membership::armor(label, key.public_key),
          base::to_hex(key.public_key)};
}

KeyFiles make_identity(base::RandomSource& random) {
  const auto bytes = random.bytes<64>();
  const std::span<const std::uint8_t, 64> view(bytes);
  const auto identity = crypto::ed25519_keypair(view.first<32>());
  const auto native = crypto::x25519_keypair(view.last<32>());
  base::Bytes open(identity.public_key.begin(), identity.public_key.end());
  open.insert(open.end(), native.public_key.begin(), native.public_key.end());
  return {membership::armor(membership::kIdentityKey, bytes),
          membership::armor(membership::kIdentityPublic, open), base::to_base64(native.public_key)};
}

}  // namespace

int keygen(const Global& global, const std::string& kind, const std::string& prefix) {
  io::SystemRandom random;
  KeyFiles files;
  if (kind == "root") {
    files = make_signing(random, membership::kRootKey, membership::kRootPublic);
  } else if (kind == "operator") {
    files = make_signing(random, membership::kOperatorKey, membership::kOperatorPublic);
  } else if (kind == "name") {
    files = make_signing(random, membership::kNameKey, membership::kNamePublic);
  } else {
    files = make_identity(random);
  }
  const std::string secret = prefix + ".key", open = prefix + ".pub";
  if (auto written = io::write_text_file(secret, files.secret, {0600, false}); !written)
    return report(global, written.error());
  if (auto written = io::write_text_file(open, files.open, {0644, true}); !written)
    return report(global, written.error());
  if (global.json) {
    Json out{{"kind", kind}, {"secret", secret}, {"public", open}};
    out[kind == "identity" ? "wireguard_public_key" : "public_key"] = files.shown;
    print(out);
    return runtime::kExitOk;
  }
  std::printf("%s (keep it secret) and %s\n", bold(secret).c_str(), bold(open).c_str());
  if (kind == "identity") {
    std::printf("a node's guests use the WireGuard public key %s\n", files.shown.c_str());
    next(global, "entresol sign certificate --help", "have it certified");
  } else if (kind == "root") {
    next(global, "entresol keygen identity NAME", "then sign a certificate for it");
  } else if (kind == "name") {
    next(global, "entresol name create LABEL --key " + open, "have it certified");
  } else {
    next(global, "entresol sign delegation --help", "let the root delegate to it");
  }
  return runtime::kExitOk;
}

}  // namespace entresol::cli
