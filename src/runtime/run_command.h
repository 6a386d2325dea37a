// Runs one of the system's commands to its end. Blocks, for kCommandTime at most: only while a role starts and ends.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace entresol::runtime {

inline constexpr base::Duration kCommandTime = std::chrono::seconds(5);

// Where the system's commands are; empty if it is not there.
std::string find_command(std::string_view name);

// kSystemCall if it is not there, does not end in time or does not end with 0; the message has what it said.
base::Result<void> run_command(const std::vector<std::string>& words, std::string_view input = {});

}  // namespace entresol::runtime
