#include "controller/found.h"

#include "layer/directory/authority.h"
#include "layer/membership/armor.h"
#include "store/sqlite.h"

namespace entresol::controller {
namespace {

namespace directory = layer::directory;
namespace membership = layer::membership;

constexpr std::string_view kApiTokenLabel = "admin";

base::Result<base::Bytes> delegate(const Founding& founding, const crypto::Ed25519KeyPair& root,
                                   const membership::Key& to, base::UnixSeconds now) {
  membership::Delegation body;
  body.layer = membership::layer_id_of(root.public_key);
  body.operator_key = to;
  body.validity = {now - directory::kClockSkew, now + founding.delegation_lifetime};
  body.label = founding.label;
  auto object = membership::sign(body, root);
  if (!object) return tl::unexpected(object.error());
  return object->octets();
}

directory::Settings settings_of(const Founding& founding, const directory::LayerId& layer) {
  directory::Settings settings;
  settings.layer = layer;
  settings.label = founding.label;
  settings.domain = founding.domain;
  settings.pool = founding.pool;
  settings.lifetime = founding.certificate_lifetime;
  return settings;
}

// The layer's first commit, and the API token that its founder has.
base::Result<std::string> fill_store(const std::string& path, const Founding& founding,
                                     const directory::Issuer& issuer, base::RandomSource& random,
                                     base::UnixSeconds now) {
  const auto layer = membership::layer_id_of(issuer.root);
  auto first = directory::Authority::found(settings_of(founding, layer), founding.policy, now);
  if (!first) return tl::unexpected(first.error());
  auto store = store::SqliteStore::open({.path = path, .vfs = {}, .synchronous = true});
  if (!store) return tl::unexpected(store.error());
  if (auto kept = (*store)->commit(*first); !kept) return tl::unexpected(kept.error());
  auto snapshot = (*store)->load();
  if (!snapshot) return tl::unexpected(snapshot.error());
  auto authority = directory::Authority::open(issuer, *snapshot, random);
  if (!authority) return tl::unexpected(authority.error());
  directory::ApiTokenRequest request;
  request.label = kApiTokenLabel;
  request.scopes = static_cast<directory::Scopes>(directory::Scope::kAdmin);
  auto made = authority->create_api_token(request, now);
  if (!made.answer) return tl::unexpected(made.answer.error());
  if (auto kept = (*store)->commit(made.changes); !kept) return tl::unexpected(kept.error());
  return made.answer->text;
}

}  // namespace

base::Result<Founded> found_layer(const Founding& founding, const std::string& store_path,
                                  base::RandomSource& random, base::UnixSeconds now) {
  const crypto::SecretBytes<32> root_seed(random.bytes<32>());
  const crypto::SecretBytes<32> operator_seed(random.bytes<32>());
  const auto root = crypto::ed25519_keypair(root_seed);
  directory::Issuer issuer;
  issuer.root = root.public_key;
  issuer.key = crypto::ed25519_keypair(operator_seed);
  auto delegation = delegate(founding, root, issuer.key.public_key, now);
  if (!delegation) return tl::unexpected(delegation.error());
  issuer.delegation = std::move(*delegation);
  auto tls = http::make_identity();
  if (!tls) return tl::unexpected(tls.error());
  auto api_token = fill_store(store_path, founding, issuer, random, now);
  if (!api_token) return tl::unexpected(api_token.error());

  Founded out;
  out.root_secret = membership::armor(membership::kRootKey, root_seed);
  out.root_public = membership::armor(membership::kRootPublic, root.public_key);
  out.operator_secret = membership::armor(membership::kOperatorKey, operator_seed);
  out.operator_public = membership::armor(membership::kOperatorPublic, issuer.key.public_key);
  out.delegation = membership::armor(membership::kDelegation, issuer.delegation);
  out.tls_secret = std::move(tls->pem);
  out.api_token_secret = std::move(*api_token);
  out.layer = membership::layer_id_of(root.public_key);
  out.pin = tls->pin;
  out.delegation_end = now + founding.delegation_lifetime;
  return out;
}

}  // namespace entresol::controller
