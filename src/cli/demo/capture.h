// Captures of the scene's links, by tcpdump: FOLDER/DEVICE.pcap, and what tcpdump says in FOLDER/DEVICE.log.
#pragma once

#include <string>
#include <vector>

#include "cli/demo/scene.h"

namespace entresol::cli::demo {

struct Link {
  std::string who;
  std::string device;
};

// The links between the machines, at a node's end.
std::vector<Link> all_links();

std::string capture_file(const std::string& folder, const std::string& device);

// Returns once all are captured; false if that cannot be.
bool start_captures(Scene& scene, const std::vector<Link>& links, const std::string& folder);
// The files are whole afterwards; false if tcpdump has missed packets.
bool stop_captures(Scene& scene, const std::vector<Link>& links, const std::string& folder);

bool file_has(const std::string& path, const std::string& octets);

}  // namespace entresol::cli::demo
