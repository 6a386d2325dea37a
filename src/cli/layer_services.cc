// Services of a layer: published, listed, rolled back, removed; and what each node says of them.
#include <algorithm>
#include <cstdio>
#include <thread>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/commands.h"
#include "io/clock.h"
#include "io/files.h"
#include "layer/directory/base64url.h"
#include "service/packages/package.h"

namespace entresol::cli {
namespace {

namespace code = base::code;
using service::packages::Package;

constexpr base::Duration kSpread = std::chrono::seconds(30);  // compiling takes most of it
constexpr base::Duration kLookAgain = std::chrono::milliseconds(50);

// What a node has said of the version that is wanted now.
bool has_answered(const Json& node, double revision) {
  const std::string state = text_of(node, "state");
  return number_of(node, "revision") >= revision && state != "waiting" && state != "unheard";
}

bool accepts(const Json& node, double revision) {
  return has_answered(node, revision) && text_of(node, "state") == "accepted";
}

std::string word_for(const Json& node, double revision) {
  const std::string state = text_of(node, "state");
  if (accepts(node, revision)) return green("accepted");
  if (has_answered(node, revision)) return red(state);
  if (number_of(node, "heard_at") == 0) return red("not heard of");
  if (!truth_of(node, "watching") && number_of(node, "revision") < revision)
    return red("not reached");
  return "waiting";
}

std::string reason_of(const Json& node) {
  const std::string why = text_of(node, "code");
  return why.empty() ? "" : why + " " + text_of(node, "reason");
}

std::string version_of(double number) {
  return number == 0 ? "-" : std::to_string(static_cast<std::uint32_t>(number));
}

struct Spread {
  Json service;
  std::vector<std::string> unreached;
  std::size_t accepted = 0, refused = 0;
};

Spread spread_of(Json service, double revision) {
  Spread out;
  for (const Json& node : part_of(service, "nodes")) {
    if (accepts(node, revision)) {
      ++out.accepted;
    } else if (has_answered(node, revision)) {
      ++out.refused;
    } else {
      out.unreached.push_back(text_of(node, "label"));
    }
  }
  out.service = std::move(service);
  return out;
}

// A line for each node as soon as it has answered; `told` are those that have.
void show_progress(const Json& service, double revision, std::vector<std::string>& told) {
  for (const Json& node : part_of(service, "nodes")) {
    const std::string label = text_of(node, "label");
    if (!has_answered(node, revision) || std::ranges::find(told, label) != told.end()) continue;
    told.push_back(label);
    std::printf("  %s  %s%s%s\n", label.c_str(), word_for(node, revision).c_str(),
                reason_of(node).empty() ? "" : "  ", reason_of(node).c_str());
    std::fflush(stdout);
  }
}

// Until every node that the controller hears has answered.
base::Result<Spread> await_spread(const Global& global, const AdminAccess& access,
                                  const std::string& name, double revision) {
  const base::TimePoint end = io::now() + kSpread;
  std::vector<std::string> told;
  while (true) {
    auto service = ask_controller(access, "GET", "/v1/services/" + segment(name));
    if (!service) return tl::unexpected(service.error());
    if (!global.json) show_progress(*service, revision, told);
    const bool more = std::ranges::any_of(part_of(*service, "nodes"), [&](const Json& node) {
      return !has_answered(node, revision) && number_of(node, "heard_at") > 0;
    });
    if (!more || io::now() >= end) return spread_of(std::move(*service), revision);
    std::this_thread::sleep_for(kLookAgain);
  }
}

int exit_of(const Spread& spread) {
  return spread.refused > 0 || !spread.unreached.empty() ? runtime::kExitDegraded
                                                         : runtime::kExitOk;
}

int tell_spread(const Global& global, const AdminAccess& access, const Json& service) {
  const std::string name = text_of(service, "name");
  const double revision = number_of(service, "revision");
  if (!global.json)
    std::printf("%s version %s is the layer's; its nodes:\n", bold(name).c_str(),
                version_of(number_of(service, "version")).c_str());
  auto spread = await_spread(global, access, name, revision);
  if (!spread) {
    spread.error().message =
        "it is published, but who runs it is not known: " + spread.error().message;
    return report(global, spread.error());
  }
  if (global.json) {
    spread->service["unreachable"] = spread->unreached;
    print(spread->service);
    return exit_of(*spread);
  }
  for (const std::string& label : spread->unreached)
    std::printf("  %s  %s: what it had before holds there until the controller is heard again\n",
                label.c_str(), red("not reached").c_str());
  std::printf("accepted by %zu, refused by %zu, not reached %zu\n", spread->accepted,
              spread->refused, spread->unreached.size());
  if (spread->refused > 0) {
    next(global, "entresol service rollback " + name, "the version before, everywhere");
  } else {
    next(global, "entresol service show " + name, "each node, with its standing");
  }
  return exit_of(*spread);
}

base::Result<Json> config_of(const std::vector<std::string>& pairs) {
  Json out = Json::object();
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos)
      return base::fail(code::kUsage, "--config '" + pair + "': write NAME=VALUE");
    out[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return out;
}

}  // namespace

int publish_service(const Global& global, const std::string& admin, const PublishOptions& options) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto octets = io::read_file(options.file, Package::kMaxSize);
  if (!octets) return report(global, octets.error());
  // What is damaged is said here, before it travels.
  if (auto package = service::packages::parse_package(*octets); !package) {
    package.error().message = options.file + ": " + package.error().message;
    return report(global, package.error());
  }
  auto values = config_of(options.config);
  if (!values) return report(global, values.error());
  Json body{{"package", layer::directory::to_base64url(*octets)}, {"config", *values}};
  if (!options.nodes.empty()) body["nodes"] = options.nodes;
  if (options.upgrade) body["upgrade"] = true;
  auto service = ask_controller(*access, "POST", "/v1/services", body);
  if (!service) {
    service.error().message = options.file + ": " + service.error().message;
    return report(global, service.error());
  }
  return tell_spread(global, *access, *service);
}

int roll_back_service(const Global& global, const std::string& admin, const std::string& name) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto service =
      ask_controller(*access, "PUT", "/v1/services/" + segment(name), {{"rollback", true}});
  if (!service) return report(global, service.error());
  return tell_spread(global, *access, *service);
}

int remove_service(const Global& global, const std::string& admin, const std::string& name) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto service = ask_controller(*access, "DELETE", "/v1/services/" + segment(name));
  if (!service) return report(global, service.error());
  if (global.json) {
    print(*service);
    return runtime::kExitOk;
  }
  std::printf("%s is no service of the layer any more; its id %.0f stays its publisher's\n",
              bold(name).c_str(), number_of(*service, "id"));
  next(global, "entresol service list", "what is left");
  return runtime::kExitOk;
}

int list_services(const Global& global, const std::string& admin) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto all = ask_controller(*access, "GET", "/v1/services");
  if (!all) return report(global, all.error());
  if (global.json) {
    print(*all);
    return runtime::kExitOk;
  }
  std::vector<std::vector<std::string>> rows = {
      {"service", "version", "before", "id", "nodes", "accepted", "refused", "not reached"}};
  for (const Json& service : part_of(*all, "services")) {
    const Spread spread = spread_of(service, number_of(service, "revision"));
    char id[16];
    std::snprintf(id, sizeof id, "0x%08x", static_cast<std::uint32_t>(number_of(service, "id")));
    rows.push_back({text_of(service, "name"), version_of(number_of(service, "version")),
                    version_of(number_of(part_of(service, "previous"), "version")), id,
                    truth_of(service, "every_node") ? "every" : "named",
                    std::to_string(spread.accepted), std::to_string(spread.refused),
                    std::to_string(spread.unreached.size())});
  }
  print_table(rows);
  next(global,
       rows.size() > 1 ? "entresol service show " + rows[1][0]
                       : "entresol service publish FILE.esvc",
       rows.size() > 1 ? "each node, and its reason if it refuses" : "the first one");
  return runtime::kExitOk;
}

int show_service(const Global& global, const std::string& admin, const std::string& name) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto service = ask_controller(*access, "GET", "/v1/services/" + segment(name));
  if (!service) return report(global, service.error());
  if (global.json) {
    print(*service);
    return runtime::kExitOk;
  }
  const double revision = number_of(*service, "revision");
  std::printf(
      "%s  version %s, id 0x%08x, published %s\n", bold(name).c_str(),
      version_of(number_of(*service, "version")).c_str(),
      static_cast<std::uint32_t>(number_of(*service, "id")),
      human_time(static_cast<base::UnixSeconds>(number_of(*service, "changed_at"))).c_str());
  std::printf("  publisher  %s\n  module     %s\n", text_of(*service, "publisher").c_str(),
              text_of(*service, "module").c_str());
  if (service->contains("previous"))
    std::printf("  before     version %s\n",
                version_of(number_of(part_of(*service, "previous"), "version")).c_str());
  for (const auto& [key, value] : part_of(*service, "config").items())
    std::printf("  config     %s=%s\n", key.c_str(), value.get<std::string>().c_str());
  std::vector<std::vector<std::string>> rows = {
      {"node", "acceptance", "runs", "runner", "standing", "module", "reason"}};
  for (const Json& node : part_of(*service, "nodes"))
    rows.push_back({text_of(node, "label"), word_for(node, revision),
                    version_of(number_of(node, "runs")), text_of(node, "runner"),
                    text_of(node, "standing"), text_of(node, "module").substr(0, 12),
                    reason_of(node)});
  print_table(rows);
  next(global,
       service->contains("previous") ? "entresol service rollback " + name
                                     : "entresol service publish FILE.esvc",
       service->contains("previous") ? "the version before" : "a higher version");
  return runtime::kExitOk;
}

}  // namespace entresol::cli
