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
     "nodes, or a\n"
     "controller, which knows them. `entresol join` and `entresol init` write files that are "
     "whole."},
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
     "old file away. `entresol init` and `entresol join` want a directory without a layer or "
     "member "
     "of that kind in it:\n"
     "--dir names another one."},
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
     "Start it with `entresol up` or `entresol run`, or name the right configuration with -c."},
    {code::kUsage, "The command was not understood",
     "`entresol --help` and `entresol COMMAND --help` show how it goes."},
    {code::kDemoExists, "A demo is on this machine already",
     "Its namespaces have fixed names, so there is one at a time. `entresol demo --clean` ends it, "
     "whether it runs or was\n"
     "kept by --keep, and removes what it has made."},
    {code::kTokenMalformed, "This is not a join token",
     "A token is one line that begins with 'ent1.'; copy all of it. `entresol token create` prints "
     "a new one. It is\n"
     "given on standard input or with --token-file, not on the command line."},
    {code::kTokenUnknown, "The controller does not know the token",
     "It was revoked, it ended more than a day ago, or another controller made it. `entresol token "
     "list` shows those that\n"
     "there are."},
    {code::kTokenExpired, "The token has expired", "Ask for a new one: `entresol token create`."},
    {code::kTokenUsed, "The token was used already",
     "Each token admits one member. If nobody of yours used it, somebody else did: `entresol token "
     "list` says who, and `host\n"
     "revoke` or `node revoke` puts that member out."},
    {code::kTokenRefused, "The token admits something else",
     "It is for the other role (a node joins with --endpoint, a host without), or for another "
     "label "
     "than was asked for.\n"
     "`entresol token list` shows what it is for."},
    {code::kLabelMalformed, "A label or tag has the wrong form",
     "Labels become DNS names: 1 to 63 of a-z, 0-9 and '-', with no '-' at either end. A tag has "
     "the same form and at most\n"
     "31; a member has at most 8 tags."},
    {code::kLabelTaken, "Another member has this label",
     "Choose another one. If the member that has it is gone, revoke it (`entresol host revoke "
     "LABEL`): its label is then\n"
     "free at once."},
    {code::kPoolExhausted, "The layer has no free IPv4 address",
     "An address is free again when the last certificate with it has ended. Revoke members that "
     "are gone, or give the layer\n"
     "a larger pool."},
    {code::kMemberUnknown, "There is no such member",
     "Nobody with this label or name was admitted here, or it was silent for so long that it was "
     "forgotten. It joins with a\n"
     "token."},
    {code::kMemberRevoked, "The member was revoked",
     "It gets no certificate and no place in the directory. When its last certificate has ended, "
     "the same identity may join\n"
     "again with a new token; a new identity may at once."},
    {code::kRequestUnproved, "The request is not signed by the member's identity key",
     "Identity, certificate and layer do not belong together, or the request was altered on its "
     "way. A member that joins\n"
     "again with a new token signs that request, too."},
    {code::kRequestStale, "The clocks of member and controller differ",
     "A signed request is accepted for 300 s. Set the clock of this machine (`timedatectl`), then "
     "of the controller's."},
    {code::kRegistrationOld, "The directory has a newer registration of this name",
     "Sequences only rise. Either the same identity runs on two machines, or its state was "
     "restored from an older copy."},
    {code::kObjectsTooLarge, "Certificate and registration are too large",
     "Together they have to fit a handshake's datagram: 1200 octets. Shorten label and tags, or "
     "attach to fewer nodes."},
    {code::kDelegationEnded, "The controller may not issue certificates now",
     "The root's delegation to it has ended, or has not begun: look at the controller's clock, "
     "then sign a new one with the\n"
     "root's key (`entresol sign delegation`). Members go on until their certificates end."},
    {code::kApiTokenUnknown, "The API token is not known",
     "It was revoked, has expired, or belongs to another controller. It stands in the admin file "
     "(--admin)."},
    {code::kScopeMissing, "The API token lacks the scope",
     "read lists, admit makes tokens and guests and revokes members, policy sets the policy, admin "
     "does all of it. The\n"
     "message names the token."},
    {code::kNameKeyElsewhere, "The controller has not this name's key",
     "Its owner made the key and keeps it: `entresol name delegate` and `withdraw` sign with it, "
     "--with NAME.key. Without\n"
     "that file the name can only be revoked (`entresol name revoke`) and created anew."},
    {code::kStoreLocked, "Another process has the store open",
     "One controller, or one node, runs for a store. `ss -tlnp` or `fuser FILE` names the other "
     "one."},
    {code::kStoreFull, "The disk of the store is full",
     "Nothing of the request was kept, and nothing else was lost. Make room, and repeat it; a "
     "node's "
     "services store\n"
     "again by themselves."},
    {code::kStoreNewer, "A newer version of the program made the store",
     "Run that version, or restore the copy from before the upgrade."},
    {code::kStoreBroken, "The store is damaged, or is something else",
     "The message says what was found. Restore a copy; a controller's members whose certificates "
     "are newer than "
     "the copy bring them back\n"
     "when they register."},
    {code::kStoreFailed, "The store cannot be read or written",
     "The message has the system's own words. Nothing of the request was kept."},
    {code::kHttpUnreachable, "The server cannot be reached",
     "The message lists every address that was tried and what came of it. Check that the "
     "controller "
     "runs, that its port is\n"
     "open between here and there, and that a token or configuration names an address that leads "
     "to it."},
    {code::kHttpWrongKey, "The server has another key than expected",
     "A token carries the hash of the controller's key, and nobody else is believed. Either the "
     "controller was set up anew\n"
     "(ask its operator for a new token), or something else answers at its address."},
    {code::kHttpTimeout, "A request was not done in time",
     "The other side is there, but slow or stuck, or the way to it loses much. Asking again does "
     "no "
     "harm."},
    {code::kHttpBadAnswer, "The server's answer is not usable",
     "It was cut, is too large, or is no HTTP. If that happens again, a proxy in between or "
     "another "
     "program at this address\n"
     "is likely."},
    {code::kHttpBadRequest, "The server did not understand the request",
     "It is not HTTP/1.1, or its target or body has the wrong form. docs/api.md describes the "
     "API."},
    {code::kHttpTooLarge, "The request is too large",
     "A request's header has at most 8 KiB, its body 2 MiB, and 16 KiB where the request does not "
     "say who asks."},
    {code::kHttpInternal, "The server failed at this request",
     "Its log says why. Other requests are not touched by it."},
    {code::kHttpBusy, "The server has no room at the moment, or is stopping",
     "Ask again in a moment. Members that have proved who they are keep their place when strangers "
     "crowd in."},
    {code::kHttpTooManyFailures, "Too many requests from this address have failed",
     "They had wrong, used or expired tokens, or signatures that do not hold. Others from this "
     "address wait too: the controller\n"
     "looks at one more each second. Stop what fails (its log says from where it came), and ask "
     "again after a minute. Who has\n"
     "proved who he is on the same connection is not held up."},
    {code::kModuleMalformed, "The file is no WebAssembly module that runs here",
     "Either it is damaged, or it uses what is off: threads, several memories, 64-bit memories, "
     "exceptions, tail calls, garbage collection; or its memory is larger than an instance's may "
     "be. The "
     "message has the compiler's own reason. Build it with clang 19 for wasm32."},
    {code::kModuleCode, "Compiled code in the cache is not to be run",
     "It is damaged, or was made by another version, for another CPU, or by another node. Nothing "
     "of "
     "it was run; the module is compiled anew."},
    {code::kModuleUnfit, "The module does not fit what this node offers or expects",
     "The message lists each import that is not granted, and each function that the module has to "
     "export and does not, or with another type."},
    {code::kServiceUnknown, "No module with that name or id runs there",
     "`entresol service top` lists the services of a node, and whether each is a module. What is "
     "part of\nthe program itself, such as ip-delivery, is not restarted alone."},
    {code::kBindingNotOwned, "The service may not be bound to this traffic",
     "In the node's configuration `tenant` says whose a service is. A third party's gets "
     "packets that name it, and no others; a client's\nalso flows to or from what stands in its "
     "`owns`, written the same way in the binding; an operator's any."},
    {code::kBindingPayload, "A service that reads payload cannot be bound to sealed traffic",
     "Flows are sealed from end to end, and a binding is nothing that an end has agreed to. Bind a "
     "service whose manifest does not say\n`payload: true`: header fields are enough for many."},
    {code::kKitTools, "What compiles services is not on this machine",
     "Services are compiled by clang 19 for wasm32-wasi. On Debian: apt install clang-19 lld-19 "
     "wasi-libc\n"
     "libclang-rt-19-dev-wasm32 libc++-19-dev-wasm32 (the last for C++ alone). "
     "The message names what is missing."},
    {code::kKitBuild, "The service does not compile",
     "The compiler's own messages stand above, with file and line. A service includes "
     "entresol/service.h (C) or\n"
     "entresol/service.hpp (C++) and its language's library, and nothing of the machine."},
    {code::kKitModule, "The module and its manifest do not go together",
     "service.yaml promises what the source does not do, or the other way round: a service that "
     "says `payload: true`\n"
     "has to define ENTRESOL_PAYLOAD_ROOM before it includes service.h, and every service has a "
     "packets()."},
    {code::kKitScript, "A test script cannot be read",
     "File, line and column say where. docs/services.md lists the steps: config, packet, advance, "
     "expect."},
    {code::kKitFault, "The service faulted",
     "It trapped, or took longer than its limits allow. The message has the reason, and where it "
     "happened, innermost\n"
     "first. Put the packets into a test script, and `entresol service test` will show it again."},
    {code::kKitExists, "There is something in the new service's place already",
     "`entresol service new` makes a folder and never writes into one that is there. Choose "
     "another name or --dir."},
    {code::kKitPackage, "The file is no package of a service, or not as its publisher signed it",
     "It was cut, changed, or signed with another key. Nothing of it is used; get it again from "
     "its publisher."},
    {code::kServiceUnpublished, "The layer has no service of this name",
     "It was never published, or was removed. `entresol service list` shows those that there are."},
    {code::kServiceTaken, "The service's id or name belongs to another publisher or service",
     "Packets name a service by its id, so an id has one owner: who published it first, also after "
     "a removal. Give the service another `id` or name in service.yaml, or sign with the key that "
     "published it first."},
    {code::kServiceVersion,
     "The version is not higher than what was published, or there is none to go back to",
     "A version's content never changes: raise `version` in service.yaml for another one. "
     "`entresol service rollback` goes back to the version before, if there was one."},
    {code::kServiceId, "The id is public, and the registry does not give it to this publisher",
     "Ids below 0x80000000 are for services that the operator's registry file (`registry` in the "
     "controller's configuration) names with their publisher. Use a private id, or have it entered "
     "there."},
    {code::kServiceFull, "The service is more than a layer has room for",
     "A package has at most 4 MiB, all of them 256 MiB; a layer has at most 256 services. Remove "
     "what is not used, or leave debugging information out of the module."},
    {code::kServiceStart, "The service faulted at its start on the node",
     "The node goes on with the version before, if there was one; its reason names the author's "
     "file and line. `entresol service test` runs the same start."},
    {code::kServicePackage, "The package is not the one that the layer's catalogue names",
     "The controller had none, or another one: it may have been restored from an old copy. Publish "
     "the service again."},
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
