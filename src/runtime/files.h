// Keys, certificates and other members, from the files that a configuration names. Errors name the file and what is wrong
// with it.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "layer/member/member.h"
#include "layer/membership/armor.h"

namespace entresol::runtime {

using layer::membership::Block;

base::Result<std::vector<Block>> read_blocks(const std::string& file);
// The blocks of one label, in order, put together: a certificate with its delegation before it.
base::Result<base::Bytes> read_certificate(const std::string& file);
base::Result<layer::membership::Key> read_root(const std::string& file);
base::Result<layer::membership::Identity> read_identity(const std::string& file);
base::Result<crypto::Ed25519KeyPair> read_signing_key(const std::string& file);
// Of a name that members share: secret and public half.
base::Result<crypto::Ed25519KeyPair> read_name_key(const std::string& file);
base::Result<layer::membership::Key> read_name_public(const std::string& file);
// The chain of a guest's grant.
base::Result<base::Bytes> read_grant(const std::string& file);
base::Result<crypto::SecretBytes<32>> read_preshared_key(const std::string& file);

struct MemberFile {
  base::Bytes certificate;  // empty for a guest
  base::Bytes registration;
  base::Bytes grant;  // empty for a member
};
base::Result<MemberFile> read_member(const std::string& file);

base::Result<layer::member::LayerSetup> read_layer(const config::LayerIdentity& layer,
                                                   base::UnixSeconds now, std::int64_t unix_nanos);
// Teaches the member the layer's directory. Members whose validity has ended are an error, like any other bad file.
base::Result<void> learn_directory(layer::member::Member& member, layer::member::LayerIndex index,
                                   const std::vector<std::string>& files, base::UnixSeconds now);

}  // namespace entresol::runtime
