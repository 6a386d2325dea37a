#include "runtime/files.h"

#include <algorithm>

#include "base/error_codes.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"
#include "io/files.h"
#include "layer/membership/armor.h"

namespace entresol::runtime {
namespace {

namespace code = base::code;
namespace membership = layer::membership;

constexpr std::size_t kMaxFile = 1 << 20;
constexpr base::UnixSeconds kLease = 24 * 3600;

auto lacks(const std::string& file, std::string_view label) {
  return base::fail(code::kKeyMalformed, file + ": has no 'BEGIN ENTRESOL " + std::string(label) +
                                             "' block of the right size");
}

const Block* find(const std::vector<Block>& blocks, std::string_view label, std::size_t size) {
  auto found = std::find_if(blocks.begin(), blocks.end(), [&](const Block& block) {
    return block.label == label && (size == 0 || block.bytes.size() == size);
  });
  return found == blocks.end() ? nullptr : &*found;
}

base::Bytes chain_of(const std::vector<Block>& blocks, std::string_view label) {
  base::Bytes chain;
  const Block* object = find(blocks, label, 0);
  if (object == nullptr) return chain;
  if (const Block* delegation = find(blocks, membership::kDelegation, 0)) chain = delegation->bytes;
  chain.insert(chain.end(), object->bytes.begin(), object->bytes.end());
  return chain;
}

template <typename T>
base::Result<T> in_file(base::Result<T> result, const std::string& file) {
  if (!result) result.error().message = file + ": " + result.error().message;
  return result;
}

}  // namespace

base::Result<std::vector<Block>> read_blocks(const std::string& file) {
  auto text = io::read_text_file(file, kMaxFile);
  if (!text) return tl::unexpected(text.error());
  return membership::parse_armor(*text, file);
}

base::Result<base::Bytes> read_certificate(const std::string& file) {
  auto blocks = read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  base::Bytes chain = chain_of(*blocks, membership::kCertificate);
  if (chain.empty()) return lacks(file, membership::kCertificate);
  return chain;
}

base::Result<base::Bytes> read_grant(const std::string& file) {
  auto blocks = read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  base::Bytes chain = chain_of(*blocks, membership::kGrant);
  if (chain.empty()) return lacks(file, membership::kGrant);
  return chain;
}

base::Result<membership::Key> read_root(const std::string& file) {
  auto blocks = read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  const Block* block = find(*blocks, membership::kRootPublic, 32);
  if (block == nullptr) return lacks(file, membership::kRootPublic);
  membership::Key key;
  std::copy(block->bytes.begin(), block->bytes.end(), key.begin());
  return key;
}

base::Result<membership::Identity> read_identity(const std::string& file) {
  auto blocks = read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  const Block* block = find(*blocks, membership::kIdentityKey, 64);
  if (block == nullptr) return lacks(file, membership::kIdentityKey);
  membership::Identity identity;
  const std::span<const std::uint8_t, 64> bytes(block->bytes.data(), 64);
  identity.identity = crypto::ed25519_keypair(bytes.first<32>());
  crypto::X25519KeyPair native = crypto::x25519_keypair(bytes.last<32>());
  identity.native_private = native.secret;
  identity.native_public = native.public_key;
  return identity;
}

base::Result<crypto::Ed25519KeyPair> read_signing_key(const std::string& file) {
  auto blocks = read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  const Block* block = find(*blocks, membership::kRootKey, 32);
  if (block == nullptr) block = find(*blocks, membership::kOperatorKey, 32);
  if (block == nullptr) return lacks(file, membership::kRootKey);
  return crypto::ed25519_keypair(std::span<const std::uint8_t, 32>(block->bytes.data(), 32));
}

base::Result<crypto::Ed25519KeyPair> read_name_key(const std::string& file) {
  auto blocks = read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  const Block* block = find(*blocks, membership::kNameKey, 32);
  if (block == nullptr) return lacks(file, membership::kNameKey);
  return crypto::ed25519_keypair(std::span<const std::uint8_t, 32>(block->bytes.data(), 32));
}

base::Result<membership::Key> read_name_public(const std::string& file) {
  auto blocks = read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  const Block* block = find(*blocks, membership::kNamePublic, 32);
  if (block == nullptr) return lacks(file, membership::kNamePublic);
  membership::Key key;
  std::copy(block->bytes.begin(), block->bytes.end(), key.begin());
  return key;
}

base::Result<crypto::SecretBytes<32>> read_preshared_key(const std::string& file) {
  auto text = io::read_text_file(file, 4096);
  if (!text) return tl::unexpected(text.error());
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  base::Bytes bytes;
  if (!base::from_base64(*text, bytes) || bytes.size() != 32)
    return base::fail(code::kKeyMalformed,
                      file + ": a preshared key is 32 bytes in base64, as `wg genpsk` prints");
  return crypto::SecretBytes<32>(std::span<const std::uint8_t, 32>(bytes.data(), 32));
}

base::Result<MemberFile> read_member(const std::string& file) {
  auto blocks = read_blocks(file);
  if (!blocks) return tl::unexpected(blocks.error());
  MemberFile out;
  out.grant = chain_of(*blocks, membership::kGrant);
  if (!out.grant.empty()) return out;
  out.certificate = chain_of(*blocks, membership::kCertificate);
  if (out.certificate.empty()) return lacks(file, membership::kCertificate);
  const Block* registration = find(*blocks, membership::kRegistration, 0);
  if (registration == nullptr) return lacks(file, membership::kRegistration);
  out.registration = registration->bytes;
  return out;
}

base::Result<layer::member::LayerSetup> read_layer(const config::LayerIdentity& layer,
                                                   base::UnixSeconds now, std::int64_t unix_nanos) {
  auto root = read_root(layer.root);
  if (!root) return tl::unexpected(root.error());
  auto identity = read_identity(layer.identity);
  if (!identity) return tl::unexpected(identity.error());
  auto certificate = read_certificate(layer.certificate);
  if (!certificate) return tl::unexpected(certificate.error());
  layer::member::LayerSetup setup{.label = layer.label,
                                  .trust = membership::Trust(*root),
                                  .identity = std::move(*identity),
                                  .certificate_chain = std::move(*certificate),
                                  .sequence = static_cast<std::uint64_t>(unix_nanos),
                                  .lease_end = now + kLease,
                                  .attachments = {},
                                  .suite = layer.suite,
                                  .reset_secret = {},
                                  .timing = {}};
  // Survives a restart because the identity does.
  const std::string_view context = "entresol reset secret";
  const auto secret =
      crypto::hmac_sha256(setup.identity.native_private,
                          {reinterpret_cast<const std::uint8_t*>(context.data()), context.size()});
  setup.reset_secret = crypto::SecretBytes<32>(secret);
  auto trusted = setup.trust.certificate(setup.certificate_chain, now);
  if (!trusted) {
    trusted.error().message = layer.certificate + ": " + trusted.error().message;
    return tl::unexpected(trusted.error());
  }
  return setup;
}

base::Result<void> learn_directory(layer::member::Member& member, layer::member::LayerIndex index,
                                   const std::vector<std::string>& files, base::UnixSeconds now) {
  std::vector<std::string> guests;
  for (const std::string& file : files) {
    auto read = read_member(file);
    if (!read) return tl::unexpected(read.error());
    if (!read->grant.empty()) {
      guests.push_back(file);  // after the nodes that speak for them
      continue;
    }
    if (auto name = in_file(member.learn(index, read->certificate, read->registration, now), file);
        !name)
      return tl::unexpected(name.error());
  }
  for (const std::string& file : guests) {
    auto grant = read_grant(file);
    if (!grant) return tl::unexpected(grant.error());
    if (auto name = in_file(member.learn_guest(index, std::move(*grant), now), file); !name)
      return tl::unexpected(name.error());
  }
  return {};
}

}  // namespace entresol::runtime
