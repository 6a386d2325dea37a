// resolv.conf as text (resolv.conf(5)): which servers it names, and the same with one more before them. Where it lies and
// who else writes it is resolv_file.h's business.
//
// Pure and re-entrant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.h"
#include "io/endpoint_text.h"

namespace entresol::runtime {

// What names the servers, in order. Those with a zone ("fe80::1%eth0") are left out: none is asked across a zone here.
std::vector<base::Endpoint> parse_servers(std::string_view text);

// A text of ours: it begins with the line by which it is known.
bool is_ours(std::string_view text);
// `original` with `server` asked first. All else stays as it was.
std::string with_server(std::string_view original, const io::Address& server,
                        const std::vector<std::string>& domains);
// The original of such a text, should it be the only one left; other texts as they are.
std::string without_server(std::string_view text);

enum class Manager { kPlain, kResolvconf, kSystemdResolved };
// Who writes a machine's resolv.conf, by its text and by where it leads ("" if it is no symbolic link).
Manager manager_of(std::string_view text, std::string_view link);

// The server as resolvconf is told of it. Both programs of that name leave out all servers behind one of 127.0.0.0/8, and
// then nobody would be asked once this process is gone: written as IPv6 address it is the same one.
std::string for_resolvconf(const io::Address& server);

}  // namespace entresol::runtime
