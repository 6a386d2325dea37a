// Makes the machine ask a server of ours first, and takes that back: through systemd-resolved, through resolvconf, or in
// the file itself. What stood in the file is kept on disk (content, mode, owner; a symbolic link as such) before another
// takes its place, so that it also comes back after the process was killed: by the next one's end.
//
// System calls and commands that wait, at most for a few seconds: only while a role starts and ends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "runtime/resolv.h"

namespace entresol::runtime {

struct ResolvPlan {
  config::ResolvConf how = config::ResolvConf::kAuto;
  std::string file = "/etc/resolv.conf";
  std::string state;  // directory
  base::Endpoint server;
  std::string interface;
  std::vector<std::string> domains;
};

class ResolvFile {
 public:
  // Looks at who manages the file; changes nothing yet.
  static base::Result<std::unique_ptr<ResolvFile>> look(ResolvPlan plan);

  config::ResolvConf how() const { return how_; }  // never kAuto
  // The servers that are asked without us, as the file has them now.
  std::vector<base::Endpoint> servers() const;
  base::Result<void> install();
  // True if what had stood in the file is there again; false if somebody else has rewritten it, which is left alone.
  base::Result<bool> put_back();
  // Whether the machine still asks us.
  bool in_place() const;

 private:
  explicit ResolvFile(ResolvPlan plan) : plan_(std::move(plan)) {}
  base::Result<void> install_plain();
  base::Result<bool> put_back_plain();

  ResolvPlan plan_;
  config::ResolvConf how_ = config::ResolvConf::kOff;
  std::string original_;  // text
  bool installed_ = false;
};

}  // namespace entresol::runtime
