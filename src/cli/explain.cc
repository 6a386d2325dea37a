#include "cli/explain.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"

namespace entresol::cli {
namespace {

namespace code = base::code;

constexpr Explanation kExplanations[] = {
    {code::kConfigSyntax, "The configuration file is not YAML",
     "The line and column are where the reader gave up; the mistake is there or just before. Tabs "
     "are not allowed for\n"
     "indentation, and a value with a colon and a space in it needs quotes."},
    {code::kConfigUnknownKey, "The configuration file has a key that nobody reads",
     "Unknown keys are refused, because a misspelt one would silently do nothing. The message "
     "names the nearest known\n"
     "key. docs/operations.md lists all of them."},
    {code::kConfigBadValue, "A value has the wrong form or is out of range",
     "The message says what was expected. An endpoint is ADDRESS:PORT ([ADDRESS]:PORT for IPv6), a "
     "prefix is\n"
     "ADDRESS/LENGTH with no bits set behind the length."},
    {code::kConfigMissingKey, "A required key is missing",
     "A layer needs root, identity and certificate; a host's layer also at least one entry under "
     "nodes."},
    {code::kFileUnreadable, "A file cannot be read",
     "Files that a configuration names are looked for beside the configuration file, unless their "
     "path is absolute."},
    {code::kFileUnwritable, "A file cannot be written", "The folder must exist and be writable."},
    {code::kKeyMalformed, "A key file is not what it should be",
     "Keys and objects are base64 between '-----BEGIN ENTRESOL ...-----' lines. A root's public "
     "key is in NAME.pub, its\n"
     "secret in NAME.key; the command's --help says which one an option wants."},
    {code::kCertificateMalformed, "A signed object does not parse",
     "The file was cut, edited, or holds another kind of object. docs/wire.md section 9 describes "
     "the form."},
    {code::kCertificateUntrusted,
     "A certificate, grant or registration is not signed by whom it should be",
     "A certificate leads to the layer's root: signed by the root's key, or by an operator whose "
     "delegation by the root\n"
     "stands in the same file. A registration is signed by the certified identity itself. Check "
     "that root, certificate\n"
     "and identity belong together."},
    {code::kCertificateExpired,
     "A certificate, delegation, grant or registration is not valid at this time",
     "Look at this machine's clock first. Then have it signed again: `entresol sign certificate` "
     "or `entresol sign\n"
     "registration`."},
    {code::kNameTaken, "A second key for a name, or a second member with an IPv4 address",
     "A name is bound to one identity key and an IPv4 address to one member. Give each member its "
     "own --ipv4."},
    {code::kWrongLayer, "The object belongs to another layer",
     "Its layer id is not the one of the configured root. A member has one certificate for each "
     "layer it is in."},
    {code::kKeyExists, "The key file exists already",
     "Keys are never overwritten: whoever relied on the old one would be locked out. Choose "
     "another name, or move the\n"
     "old file away."},
    {code::kNoTun, "There is no TUN device",
     "/dev/net/tun is missing. Load the module (`modprobe tun`); in a container, pass the device "
     "in."},
    {code::kNoPermission, "The rights do not suffice",
     "A host needs CAP_NET_ADMIN for its TUN device, addresses and routes: run it as root, or give "
     "the binary the\n"
     "capability (`setcap cap_net_admin+ep`). A node needs no rights unless its port is below "
     "1024."},
    {code::kPortTaken, "The port is in use",
     "Another process listens there: `ss -ulpn` names it. Choose another port under listen (node) "
     "or port (host)."},
    {code::kRouteOverlap, "A prefix of the layer overlaps a route of this host",
     "Traffic for one of them would go astray, so the host does not start. Choose another "
     "ipv4_pool for the layer, or\n"
     "remove the route that the message names."},
    {code::kUnderlayTooSmall, "The underlay's MTU is too small",
     "Applications always get at least 1280 octets, and seal and headers come on top. The message "
     "says how much is\n"
     "needed. If the path really carries more, set underlay_mtu."},
    {code::kAlreadyRunning, "It runs already",
     "A live process answers at the control socket. `entresol down` ends it; another one needs "
     "another control path."},
    {code::kSystemCall, "The system refused a call", "The message has the system's own words."},
    {code::kUnreachable, "The far end does not answer",
     "The name may not be known here (directory), its node may be away (`entresol status` shows "
     "the link), or its host\n"
     "may be down."},
    {code::kDenied, "The far end, or a node on the way, refused",
     "The answer names the rule or the service that refused."},
    {code::kNotRunning, "Nothing runs at this control socket",
     "Start it with `entresol up -c FILE` or `entresol run`, or name the right configuration with "
     "-c."},
    {code::kUsage, "The command was not understood",
     "`entresol --help` and `entresol COMMAND --help` show how it goes."},
};

}  // namespace

std::span<const Explanation> explanations() {
  return kExplanations;
}

const Explanation* find_explanation(std::string_view wanted) {
  std::string upper(wanted);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  auto found = std::find_if(std::begin(kExplanations), std::end(kExplanations),
                            [&](const Explanation& e) { return e.code == upper; });
  return found == std::end(kExplanations) ? nullptr : &*found;
}

int explain(const Global& global, const std::string& wanted) {
  if (wanted.empty()) {
    Json all = Json::array();
    for (const Explanation& e : kExplanations) {
      if (global.json) all.push_back({{"code", e.code}, {"title", e.title}});
      if (!global.json) std::printf("%s  %s\n", bold(e.code).c_str(), std::string(e.title).c_str());
    }
    if (global.json) print(all);
    return runtime::kExitOk;
  }
  const Explanation* found = find_explanation(wanted);
  if (found == nullptr)
    return report(global, {std::string(code::kUsage),
                           "no such code: '" + wanted + "'; `entresol explain` lists them all"});
  if (global.json) {
    print(Json{{"code", found->code}, {"title", found->title}, {"text", found->text}});
  } else {
    std::printf("%s: %s\n\n%s\n", bold(found->code).c_str(), std::string(found->title).c_str(),
                std::string(found->text).c_str());
  }
  return runtime::kExitOk;
}

}  // namespace entresol::cli
