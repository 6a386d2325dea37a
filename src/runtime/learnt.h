// What a member has learnt from its controller, on disk: so that one that starts while the controller is away knows the
// layer as it was. Everything in it is signed, and verified again when it is read.
//
//   STATE/nodes/LABEL.member   certificate and registration of each node (also a host's way into the layer)
//   STATE/directory.json       a node's: all that it was told, and up to which revision
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace entresol::runtime {

using Json = nlohmann::ordered_json;

// A certificate chain with its own block for the delegation before it, as files hold it.
std::string armored_chain(std::string_view label, base::ByteView chain);

class Learnt {
 public:
  explicit Learnt(std::string directory) : directory_(std::move(directory)) {}

  // Member files of nodes; those that cannot be read are left out.
  std::vector<std::string> node_files() const;
  // Replaces the file of the node with this label. kLabelMalformed, and those of writing.
  base::Result<void> keep_node(const std::string& label, base::ByteView certificate,
                               base::ByteView registration) const;

  // Items of the API's directory (docs/api.md) by what they are about; a newer one replaces an older one. False if the item
  // is none of those known.
  bool keep_item(const Json& item, std::string_view about);
  void forget_items() { items_.clear(); }
  void set_revision(std::string revision) { revision_ = std::move(revision); }
  const std::string& revision() const { return revision_; }
  std::vector<Json> items() const;  // members first, then guests, what was revoked last
  // A file that is missing or broken is an empty one. One of an older version of the program has no revision: it may lack
  // items of kinds that were not known then.
  void load();
  void take(std::string_view text);  // the same of text() instead of the file
  base::Result<void> save() const { return write(directory_, text()); }
  // The same in two steps: writing waits for the disk, and may be done by another thread.
  std::string text() const;
  const std::string& directory() const { return directory_; }
  static base::Result<void> write(const std::string& directory, std::string_view text);

 private:
  void forget(std::string_view about);
  std::string directory_;
  std::string revision_;
  // As text: all of it is written again and again, and read once.
  std::map<std::pair<int, std::string>, std::string> items_;
};

}  // namespace entresol::runtime
