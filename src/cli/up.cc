#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "cli/place.h"
#include "cli/running.h"
#include "config/config.h"
#include "controller/controller.h"
#include "host/host.h"
#include "node/node.h"

namespace entresol::cli {
namespace {

int run_host(const Global& global, const std::string& file) {
  auto config = config::load_host(file);
  if (!config) return report(global, config.error());
  auto host = host::start(*config);
  if (!host) return report(global, host.error());
  host->runtime->run();
  return runtime::kExitOk;
}

int run_node(const Global& global, const std::string& file) {
  auto config = config::load_node(file);
  if (!config) return report(global, config.error());
  auto node = node::start(*config);
  if (!node) return report(global, node.error());
  node->runtime->run();
  return runtime::kExitOk;
}

int run_controller(const Global& global, const std::string& file) {
  auto config = config::load_controller(file);
  if (!config) return report(global, config.error());
  auto controller = controller::start(*config);
  if (!controller) return report(global, controller.error());
  (*controller)->run();
  return runtime::kExitOk;
}

// The configuration is read here too, so that a mistake in it is told at once.
base::Result<Service> service_of(const std::string& role, const std::string& file) {
  if (role == "node") {
    auto config = config::load_node(file);
    if (!config) return tl::unexpected(config.error());
    return Service{role, file, config->control};
  }
  if (role == "controller") {
    auto config = config::load_controller(file);
    if (!config) return tl::unexpected(config.error());
    return Service{role, file, config->control};
  }
  auto config = config::load_host(file);
  if (!config) return tl::unexpected(config.error());
  return Service{role, file, config->control};
}

void print_started(const Service& service, const Started& started) {
  for (const Json& layer : part_of(started.status, "layers"))
    std::printf("%s is in layer %s as %s %s\n", bold(text_of(layer, "name")).c_str(),
                text_of(layer, "label").c_str(), text_of(layer, "address").c_str(),
                text_of(layer, "ipv4").c_str());
  if (service.role == "controller")
    std::printf("the controller of layer %s listens at %s\n",
                bold(text_of(part_of(started.status, "layer"), "label")).c_str(),
                text_of(started.status, "listen").c_str());
}

}  // namespace

int run_role(const Global& global, const std::string& role, const std::string& file) {
  if (role == "controller") return run_controller(global, file);
  return role == "host" ? run_host(global, file) : run_node(global, file);
}

int up(const Global& global, const std::string& role, const std::string& file,
       const std::string& program) {
  Found found{role, file};
  if (file.empty()) {
    auto looked = find_config();
    if (!looked) return report(global, looked.error());
    found = *looked;
  }
  auto service = service_of(found.role, found.file);
  if (!service) return report(global, service.error());
  auto started = start_service(program, *service, service->role == "host" ? attached : answers);
  if (!started) return report(global, started.error());
  if (!started->ready) {
    report(global,
           {std::string(base::code::kUnreachable),
            "up, but its node does not answer yet; it goes on trying. Log: " + service->log()});
    return runtime::kExitDegraded;
  }
  if (global.json) {
    print(Json{{"up", true}, {"pid", started->pid}, {"control", service->control}});
  } else {
    print_started(*service, *started);
    next(global, "entresol status" + (file.empty() ? "" : " -c " + file), "links, sessions, drops");
  }
  return runtime::kExitOk;
}

}  // namespace entresol::cli
