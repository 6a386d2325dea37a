#include "layer/directory/request.h"

#include "base/error_codes.h"
#include "crypto/hash.h"

namespace entresol::layer::directory {
namespace {

namespace code = base::code;

constexpr std::string_view kContext = "entresol request v1";
constexpr std::string_view kScheme = "Entresol ";
constexpr std::size_t kProofSize = wire::kNameSize + 8 + crypto::kEd25519SignatureSize;

void append(base::Bytes& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

base::Bytes to_sign(const Request& request, const membership::LayerId& layer,
                    base::UnixSeconds time) {
  base::Bytes message;
  append(message, kContext);
  base::ByteWriter out(message);
  out.bytes(layer);
  append(message, request.method);
  append(message, " ");
  append(message, request.target);
  append(message, "\n");
  out.u64(static_cast<std::uint64_t>(time));
  out.bytes(crypto::sha256(request.body));
  return message;
}

}  // namespace

RequestProof prove(const Request& request, const membership::LayerId& layer, const wire::Name& name,
                   const crypto::Ed25519KeyPair& identity, base::UnixSeconds now) {
  return {name, now, crypto::ed25519_sign(identity, to_sign(request, layer, now))};
}

std::string emit_authorization(const RequestProof& proof) {
  base::Bytes octets;
  base::ByteWriter out(octets);
  out.bytes(proof.name.octets);
  out.u64(static_cast<std::uint64_t>(proof.time));
  out.bytes(proof.signature);
  return std::string(kScheme) + base::to_base64(octets);
}

base::Result<RequestProof> parse_authorization(std::string_view value) {
  base::Bytes octets;
  if (!value.starts_with(kScheme) || !base::from_base64(value.substr(kScheme.size()), octets) ||
      octets.size() != kProofSize)
    return base::fail(code::kRequestUnproved,
                      "the request's Authorization is not 'Entresol' and a proof in base64");
  base::ByteReader in(octets);
  RequestProof proof;
  proof.name = wire::Name{in.array<wire::kNameSize>()};
  proof.time = static_cast<base::UnixSeconds>(in.u64());
  proof.signature = in.array<crypto::kEd25519SignatureSize>();
  return proof;
}

base::Result<void> check(const RequestProof& proof, const Request& request,
                         const membership::LayerId& layer, const membership::Key& identity,
                         base::UnixSeconds now) {
  // Any 64 bits may stand there: no difference is formed.
  if (proof.time < now - kClockSkew || proof.time > now + kClockSkew)
    return base::fail(code::kRequestStale,
                      "the request's time differs from the controller's by more than " +
                          std::to_string(kClockSkew) + " s: set this machine's clock");
  if (!crypto::ed25519_verify(identity, to_sign(request, layer, proof.time), proof.signature))
    return base::fail(code::kRequestUnproved, "the request is not signed by the identity key of " +
                                                  wire::to_string(proof.name) + " for this layer");
  return {};
}

}  // namespace entresol::layer::directory
