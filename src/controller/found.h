// A new layer: its root, the operator that the controller holds, the controller's TLS key, the store with the layer's
// settings and policy, and an API token that may do everything.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "http/identity.h"
#include "layer/directory/records.h"

namespace entresol::controller {

struct Founding {
  std::string label;   // "edge"
  std::string domain;  // "edge.internal"
  layer::directory::Ipv4Pool pool;
  base::UnixSeconds certificate_lifetime = 24 * 3600;
  std::string policy;
  base::UnixSeconds delegation_lifetime = 0;  // until the root's key is needed again
};

// Texts of files (docs/operations.md, Files). Those called secret are to be written with mode 0600.
struct Founded {
  std::string root_secret, root_public;
  std::string operator_secret, operator_public;
  std::string delegation;
  std::string tls_secret;
  std::string api_token_secret;
  layer::directory::LayerId layer{};
  http::Pin pin{};  // of the TLS key
  base::UnixSeconds delegation_end = 0;
};

// Makes the store at `store_path`, where there is nothing; the files are the caller's to write. With an error the store may
// be there in part. kConfigBadValue (settings), and the store's errors.
base::Result<Founded> found_layer(const Founding& founding, const std::string& store_path,
                                  base::RandomSource& random, base::UnixSeconds now);

}  // namespace entresol::controller
