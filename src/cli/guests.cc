// WireGuard clients without software of ours: a grant at the controller, and the file that configures the client.
#include <algorithm>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/admission.h"
#include "cli/commands.h"
#include "cli/place.h"
#include "cli/qr.h"
#include "crypto/x25519.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/files.h"
#include "layer/directory/address_pool.h"
#include "layer/directory/base64url.h"

namespace entresol::cli {
namespace {

namespace code = base::code;
namespace directory = layer::directory;
namespace membership = layer::membership;

constexpr int kGuestMtu = 1420;   // WireGuard's own over an underlay of 1500
constexpr int kKeepalive = 25;    // s; holds a NAT's mapping open
constexpr int kNamesLength = 32;  // fd35:LLLL::/32

struct WireguardKeys {
  membership::Key open{};
  std::string secret;  // base64; empty: somewhere else
};

base::Result<WireguardKeys> keys_of(const GuestOptions& options) {
  WireguardKeys out;
  if (options.wireguard_key.empty()) {
    io::SystemRandom random;
    const auto pair = crypto::x25519_keypair(random.bytes<32>());
    out.open = pair.public_key;
    out.secret = base::to_base64(pair.secret);
    return out;
  }
  base::Bytes key;
  if (!base::from_base64(options.wireguard_key, key) || key.size() != out.open.size())
    return base::fail(code::kKeyMalformed,
                      "--wireguard-key: give 32 bytes in base64, as `wg pubkey` prints them");
  std::copy(key.begin(), key.end(), out.open.begin());
  return out;
}

base::Result<membership::Trust> trust_of(const Json& layer) {
  base::Bytes key;
  membership::Key root{};
  if (!directory::from_base64url(text_of(layer, "root"), key) || key.size() != root.size())
    return base::fail(code::kHttpBadAnswer, "the controller's answer names no root");
  std::copy(key.begin(), key.end(), root.begin());
  return membership::Trust(root);
}

bool serves(const AdmittedNode& node, const std::vector<std::string>& wanted) {
  return wanted.empty() || std::ranges::any_of(wanted, [&](const std::string& who) {
           return who == node.label || who == wire::to_string(node.name);
         });
}

// The node that the file names: one that the grant allows, and that says where it is.
const AdmittedNode* choose(const std::vector<AdmittedNode>& nodes,
                           const std::vector<std::string>& wanted) {
  const auto found = std::ranges::find_if(nodes, [&](const AdmittedNode& node) {
    return !node.registered.endpoints.empty() && serves(node, wanted);
  });
  return found == nodes.end() ? nullptr : &*found;
}

std::string native_key_of(const membership::Registration& registration) {
  for (const auto& key : registration.keys)
    if (key.protocol == membership::kProtocolNative) return base::to_base64(key.key);
  return "";
}

std::string names_prefix(const std::string& name) {
  io::Prefix prefix;
  const auto own = wire::name_from_text(name).value_or(wire::Name{});
  std::copy_n(own.octets.begin(), kNamesLength / 8, prefix.address.begin());
  prefix.length = kNamesLength;
  return io::to_text(prefix);
}

// Where the guest asks for names: the node that it is attached to answers there.
std::string resolvers(const Json& layer, const std::string& name) {
  const auto own = wire::name_from_text(name).value_or(wire::Name{});
  std::string out;
  if (const auto prefix = io::parse_prefix(text_of(layer, "ipv4_pool"));
      prefix && io::is_v4(prefix->address)) {
    directory::Ipv4Pool pool;
    std::copy_n(prefix->address.begin() + 12, 4, pool.first.begin());
    pool.length = prefix->length;
    if (const auto address = directory::resolver_address(pool)) {
      io::Address mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
      std::ranges::copy(*address, mapped.begin() + 12);
      out = io::to_text(mapped) + ", ";
    }
  }
  return out + wire::to_string(directory::resolver_name(own));
}

// A file for wg-quick.
std::string wireguard_file(const Json& guest, const WireguardKeys& keys, const AdmittedNode* node) {
  const Json& layer = part_of(guest, "layer");
  const std::string ipv4 = text_of(guest, "ipv4"), name = text_of(guest, "name");
  std::string out = "# " + text_of(guest, "label") + ", guest of layer " + text_of(layer, "label");
  if (node != nullptr) out += ", through node " + node->label;
  out += "\n[Interface]\n";
  out += keys.secret.empty()
             ? "# PrivateKey = the secret half of " + base::to_base64(keys.open) + "\n"
             : "PrivateKey = " + keys.secret + "\n";
  out += "Address = " + ipv4 + "/32, " + name + "/128\n";
  out += "DNS = " + resolvers(layer, name);
  if (const std::string domain = text_of(layer, "domain"); !domain.empty()) out += ", " + domain;
  out += "\nMTU = " + std::to_string(kGuestMtu) + "\n\n[Peer]\n";
  if (node == nullptr) {
    out +=
        "# no node has said yet where it is: `entresol node list`\n# PublicKey =\n# Endpoint =\n";
  } else {
    out += "PublicKey = " + native_key_of(node->registered) + "\n";
    out += "Endpoint = " + io::to_text(node->registered.endpoints.front()) + "\n";
  }
  out += "AllowedIPs = ";
  if (const std::string pool = text_of(layer, "ipv4_pool"); !pool.empty()) out += pool + ", ";
  out += names_prefix(name) + "\n";
  return out + "PersistentKeepalive = " + std::to_string(kKeepalive) + "\n";
}

base::UnixSeconds time_of(const Json& guest, const char* key) {
  return static_cast<base::UnixSeconds>(number_of(guest, key));
}

// For a phone's camera; a file or a program gets none.
void show_code(const std::string& configuration) {
  std::fflush(stdout);
  if (!on_terminal()) return;
  if (const auto code = qr_code(configuration)) std::printf("\n%s", code->c_str());
  std::fflush(stdout);
}

int say_added(const Global& global, const GuestOptions& options, Json guest,
              const std::string& configuration, bool reachable) {
  if (!options.out.empty())
    if (auto written = io::write_text_file(options.out, configuration, {0600, false}); !written) {
      written.error().message = "the guest is added, but " + written.error().message +
                                "; `entresol guest revoke " + options.label + "` takes it back";
      return report(global, written.error());
    }
  if (global.json) {
    guest.erase("known_nodes");
    guest["config"] = configuration;
    print(guest);
  } else if (options.out.empty()) {
    // The file alone on standard output.
    std::printf("%s", configuration.c_str());
    show_code(configuration);
    std::fprintf(
        stderr, "\nnext: wg-quick up FILE on the guest's device, with what stands above in FILE\n");
  } else {
    std::printf("%s is a guest of the layer: %s %s, until %s\n", bold(options.label).c_str(),
                text_of(guest, "name").c_str(), text_of(guest, "ipv4").c_str(),
                human_date(time_of(guest, "not_after")).c_str());
    show_code(configuration);
    next(global, "wg-quick up " + options.out, "on the guest's device");
  }
  if (reachable) return runtime::kExitOk;
  if (!global.json)
    std::fprintf(stderr,
                 "entresol: no node has said where it is, so the file lacks its key and "
                 "endpoint: `entresol node list`\n");
  return runtime::kExitDegraded;
}

}  // namespace

int add_guest(const Global& global, const std::string& admin, const GuestOptions& options) {
  auto lifetime = lifetime_of("--lifetime", options.lifetime);
  if (!lifetime) return report(global, lifetime.error());
  auto keys = keys_of(options);
  if (!keys) return report(global, keys.error());
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto guest = ask_controller(*access, "POST", "/v1/guests",
                              {{"wireguard_key", directory::to_base64url(keys->open)},
                               {"label", options.label},
                               {"tags", options.tags},
                               {"nodes", options.nodes},
                               {"lifetime", *lifetime}});
  if (!guest) return report(global, guest.error());
  auto trust = trust_of(part_of(*guest, "layer"));
  if (!trust) return report(global, trust.error());
  const auto nodes = nodes_of(part_of(*guest, "known_nodes").dump(), *trust, io::unix_now());
  const AdmittedNode* node = choose(nodes, options.nodes);
  return say_added(global, options, *guest, wireguard_file(*guest, *keys, node), node != nullptr);
}

int list_guests(const Global& global, const std::string& admin) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto answer = ask_controller(*access, "GET", "/v1/guests");
  if (!answer) return report(global, answer.error());
  if (global.json) {
    print(*answer);
    return runtime::kExitOk;
  }
  std::vector<std::vector<std::string>> rows{
      {"LABEL", "IPV4", "NAME", "TAGS", "STATE", "GRANT ENDS"}};
  for (const Json& guest : part_of(*answer, "guests"))
    rows.push_back({text_of(guest, "label"), text_of(guest, "ipv4"), text_of(guest, "name"),
                    texts_of(guest, "tags"),
                    number_of(guest, "revoked_at") > 0 ? "revoked" : "granted",
                    human_time(time_of(guest, "not_after"))});
  print_table(rows);
  next(global, "entresol guest add LABEL", "one more WireGuard client");
  return runtime::kExitOk;
}

int show_guest(const Global& global, const std::string& admin, const std::string& who) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto guest = ask_controller(*access, "GET", "/v1/guests/" + segment(who));
  if (!guest) return report(global, guest.error());
  if (global.json) {
    print(*guest);
    return runtime::kExitOk;
  }
  const std::string tags = texts_of(*guest, "tags"), nodes = texts_of(*guest, "nodes");
  std::printf("%s  guest of the layer\n", bold(text_of(*guest, "label")).c_str());
  std::printf("  name   %s\n", text_of(*guest, "name").c_str());
  std::printf("  ipv4   %s\n", text_of(*guest, "ipv4").c_str());
  std::printf("  tags   %s\n", tags.empty() ? "-" : tags.c_str());
  std::printf("  nodes  %s\n", nodes.empty() ? "all" : nodes.c_str());
  std::printf("  grant  ends %s\n", human_time(time_of(*guest, "not_after")).c_str());
  next(global, "entresol guest revoke " + text_of(*guest, "label"), "puts it out of the layer");
  return runtime::kExitOk;
}

int revoke_guest(const Global& global, const std::string& admin, const std::string& who) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto guest = ask_controller(*access, "DELETE", "/v1/guests/" + segment(who));
  if (!guest) return report(global, guest.error());
  if (global.json) {
    print(*guest);
    return runtime::kExitOk;
  }
  std::printf("%s is revoked: its node ends the tunnel as soon as it hears of it\n",
              bold(text_of(*guest, "label")).c_str());
  next(global, "entresol guest list", "those that are left");
  return runtime::kExitOk;
}

}  // namespace entresol::cli
