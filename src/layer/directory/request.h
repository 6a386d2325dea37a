// A member's request to the controller, signed by its identity key: the header
//
//   Authorization: Entresol BASE64(name (128) | unix time (64) | Ed25519 signature (512))
//
// with the signature over "entresol request v1" | layer id | METHOD SP TARGET LF | time (64) | SHA-256(body). Accepted while
// the clocks differ by 300 s at most; within that time a repeat is accepted too, so requests are idempotent.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/ed25519.h"
#include "layer/membership/object.h"
#include "wire/name.h"

namespace entresol::layer::directory {

inline constexpr base::UnixSeconds kClockSkew = 300;

struct Request {
  std::string_view method;  // "PUT"
  std::string_view target;  // "/v1/registrations", with its query
  base::ByteView body;
};

struct RequestProof {
  wire::Name name;
  base::UnixSeconds time = 0;
  crypto::Ed25519Signature signature{};
};

// The member's side.
RequestProof prove(const Request& request, const membership::LayerId& layer, const wire::Name& name,
                   const crypto::Ed25519KeyPair& identity, base::UnixSeconds now);
std::string emit_authorization(const RequestProof& proof);  // the header's value

// kRequestUnproved if it is not of this form.
base::Result<RequestProof> parse_authorization(std::string_view value);
// kRequestStale if the clocks differ too much, kRequestUnproved if the key did not sign this request.
base::Result<void> check(const RequestProof& proof, const Request& request,
                         const membership::LayerId& layer, const membership::Key& identity,
                         base::UnixSeconds now);

}  // namespace entresol::layer::directory
