// A machine's resolv.conf, whoever wrote it: ours before it can be told apart and taken away again.
// fuzzes: runtime/resolv.h
#include "runtime/resolv.h"

#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entresol;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto servers = runtime::parse_servers(text);
  (void)runtime::manager_of(text, text);
  io::Address own{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 53, 53};
  const std::string ours = runtime::with_server(text, own, {"edge.internal"});
  if (!runtime::is_ours(ours) || runtime::without_server(ours) != text) std::abort();
  const auto now = runtime::parse_servers(ours);
  if (now.size() != servers.size() + 1 || now[0].address != own) std::abort();
  (void)runtime::without_server(text);
  return 0;
}
