// Is what is sent end to end really on no link, and not in the nodes' memory? A marker is sent, and looked for; that the
// search would find it is shown where it must be found.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <vector>

#include "base/bytes.h"
#include "cli/demo/capture.h"
#include "cli/demo/steps.h"
#include "io/entropy.h"
#include "io/files.h"
#include "wire/name.h"

namespace entresol::cli::demo {
namespace {

constexpr std::size_t kChunk = 1 << 20;

// Reads all that can be read of a process's memory.
bool memory_has(pid_t pid, const std::string& marker) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  const int memory = open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (memory < 0) return false;
  bool found = false;
  std::string line, buffer;
  while (!found && std::getline(maps, line)) {
    unsigned long begin = 0, end = 0;
    char rights[8] = "";
    if (std::sscanf(line.c_str(), "%lx-%lx %7s", &begin, &end, rights) != 3 || rights[0] != 'r')
      continue;
    // Chunks overlap, so that a marker across a border is seen.
    for (unsigned long at = begin; !found && at < end; at += kChunk - marker.size()) {
      buffer.resize(std::min<unsigned long>(kChunk, end - at));
      const ssize_t n = pread(memory, buffer.data(), buffer.size(), static_cast<off_t>(at));
      if (n <= 0) break;
      found = std::string_view(buffer.data(), static_cast<std::size_t>(n)).find(marker) !=
              std::string::npos;
      if (end - at <= kChunk) break;
    }
  }
  close(memory);
  return found;
}

}  // namespace

Seen show_sealed(Scene& scene, bool leak) {
  io::SystemRandom random;
  const std::string marker = base::to_hex(random.bytes<16>());  // 32 octets
  std::vector<Link> links = {{"alice", "ent0"}};
  for (const Link& link : all_links()) links.push_back(link);
  if (!start_captures(scene, links, scene.folder()))
    return {false, "the links cannot be captured; is tcpdump there?", ""};

  // As an echo's content, 50 times: what ping sends comes back, so both directions carry it.
  scene.in("alice", {"ping", "-n", "-q", "-c", "50", "-i", "0.005", "-s", "56", "-p", marker,
                     scene.names["bob"]});
  base::Bytes raw;
  base::from_hex(marker, raw);
  std::string pattern(raw.begin(), raw.end());
  pattern += pattern;  // the pattern repeats: 32 octets of it
  if (leak)
    scene.in("alice",
             {"ping", "-n", "-q", "-c", "3", "-i", "0.05", "-s", "56", "-p", marker, "10.71.1.1"});
  if (!stop_captures(scene, links, scene.folder()))
    return {false, "tcpdump has missed packets", ""};

  const bool on_tun = file_has(capture_file(scene.folder(), "ent0"), pattern);
  std::string readable;
  for (const auto& [who, device] : all_links())
    if (file_has(capture_file(scene.folder(), device), pattern)) readable = device;
  const auto name = wire::name_from_text(scene.names["alice"]);
  const std::string name_octets(name->octets.begin(), name->octets.end());
  bool search_works = true, in_memory = false;
  for (const Service* node : {&scene.node, &scene.node2}) {
    search_works = search_works && memory_has(node->pid, name_octets);
    in_memory = in_memory || memory_has(node->pid, pattern);
  }
  if (!on_tun)
    return {false,
            "the capture of alice's own TUN device does not show the marker: the test is broken",
            ""};
  if (!search_works) return {false, "a node's memory cannot be searched", ""};
  if (!readable.empty()) return {false, "the marker is readable on the link " + readable, ""};
  if (in_memory) return {false, "the marker is in a node's memory", ""};
  return {true,
          "a 32-octet marker, sent 50 times and echoed: on alice's TUN device, on no link, in no "
          "node's memory",
          ""};
}

}  // namespace entresol::cli::demo
