// This machine as the command sees it: where files are by default, what it is called, where others reach it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace entresol::cli {

// $ENTRESOL_DIR, else /etc/entresol for the superuser, else $XDG_CONFIG_HOME/entresol or ~/.config/entresol.
std::string default_directory();
// The directory that --dir names, as an absolute path; default_directory() if it names none.
std::string directory_named(const std::string& option);

// The path of this binary.
std::string own_path();

// A configuration file in default_directory(), for commands that were not told of one.
struct Found {
  std::string role;  // "host" or "node"
  std::string file;
};
// host.yaml or node.yaml; else what `init --up` has made, node/node.yaml. kUsage if there is none, or more than one.
base::Result<Found> find_config();

// A machine's name as a label: "Alice_Laptop.example" is "alice-laptop". Empty if nothing of it can stay.
std::string label_of(std::string_view host_name);
std::string own_host_name();

// The address that others in this machine's network see, as far as its routes tell: that of the default route, else
// 127.0.0.1. No packet is sent.
std::string own_address();

// "90s", "15m", "24h", "30d". kUsage names the option.
base::Result<base::UnixSeconds> lifetime_of(std::string_view option, std::string_view text);

}  // namespace entresol::cli
