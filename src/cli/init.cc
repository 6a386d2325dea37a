// A new layer on this machine: keys, store and configuration of its controller, and with --up everything that it takes until
// the first two hosts can join.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/commands.h"
#include "cli/join.h"
#include "cli/new_files.h"
#include "cli/place.h"
#include "controller/default_policy.h"
#include "controller/found.h"
#include "io/clock.h"
#include "io/endpoint_text.h"
#include "io/entropy.h"
#include "io/files.h"

namespace entresol::cli {
namespace {

namespace code = base::code;

constexpr base::UnixSeconds kDelegationLifetime = 5L * 365 * 24 * 3600;
constexpr std::uint16_t kNodePort = config::kDefaultPort;
constexpr const char* kFirstNode = "node1";
constexpr int kFirstTokens = 2;
constexpr auto kRegistrationTime = std::chrono::seconds(15);
constexpr auto kPollInterval = std::chrono::milliseconds(50);

struct InitPlan {
  std::string directory;
  base::Endpoint listen;
  std::vector<config::Address> advertise;
  controller::Founding founding;
  std::string controller() const { return directory + "/controller"; }
  std::string root_key() const { return directory + "/root.key"; }
  std::string admin() const { return directory + "/admin.json"; }
  Service service() const {
    return {"controller", controller() + "/controller.yaml", controller() + "/controller.sock"};
  }
};

base::Error of_option(const char* option, const base::Error& error) {
  return {std::string(code::kUsage), std::string(option) + ": " + error.message};
}

base::Result<controller::Founding> founding_of(const InitOptions& options) {
  controller::Founding out;
  out.label = options.label;
  out.domain = options.domain.empty() ? options.label + ".internal" : options.domain;
  out.policy = controller::kDefaultPolicy;
  out.delegation_lifetime = kDelegationLifetime;
  auto lifetime = lifetime_of("--certificate-lifetime", options.certificate_lifetime);
  if (!lifetime) return tl::unexpected(lifetime.error());
  out.certificate_lifetime = *lifetime;
  auto pool = io::parse_prefix(options.ipv4_pool);
  if (!pool) return tl::unexpected(of_option("--ipv4-pool", pool.error()));
  if (!io::is_v4(pool->address))
    return base::fail(code::kUsage, "--ipv4-pool: '" + options.ipv4_pool + "' is no IPv4 prefix");
  std::copy_n(pool->address.begin() + 12, 4, out.pool.first.begin());
  out.pool.length = pool->length;
  // Looked at here, before anything is made; the layer's id has no say in it.
  layer::directory::Settings settings;
  settings.label = out.label;
  settings.domain = out.domain;
  settings.pool = out.pool;
  settings.lifetime = out.certificate_lifetime;
  if (auto fits = layer::directory::check_settings(settings); !fits)
    return base::fail(code::kUsage, fits.error().message);
  return out;
}

base::Result<InitPlan> plan_of(const InitOptions& options) {
  InitPlan plan;
  plan.directory = directory_named(options.directory);
  auto founding = founding_of(options);
  if (!founding) return tl::unexpected(founding.error());
  plan.founding = std::move(*founding);
  auto listen = io::parse_endpoint(options.listen);
  if (!listen) return tl::unexpected(of_option("--listen", listen.error()));
  if (listen->port == 0)
    return base::fail(code::kUsage, "--listen: give a port, which tokens then carry");
  plan.listen = *listen;
  for (const std::string& text : options.advertise) {
    auto address = config::parse_address(text);
    if (!address) return tl::unexpected(of_option("--advertise", address.error()));
    plan.advertise.push_back(std::move(*address));
  }
  if (plan.advertise.size() > config::kMaxAddresses)
    return base::fail(code::kUsage, "--advertise: a token carries at most " +
                                        std::to_string(config::kMaxAddresses));
  if (plan.advertise.empty())
    plan.advertise.push_back(
        {io::is_unspecified(listen->address) ? own_address() : io::to_text(listen->address),
         listen->port});
  return plan;
}

std::string controller_yaml(const InitPlan& plan) {
  std::string advertise;
  for (const config::Address& address : plan.advertise)
    advertise += (advertise.empty() ? "\"" : ", \"") + config::to_text(address) + "\"";
  const std::string listen = io::is_unspecified(plan.listen.address)
                                 ? ":" + std::to_string(plan.listen.port)
                                 : io::to_text(plan.listen);
  return "# Written by `entresol init`; docs/operations.md lists every key.\nlisten: \"" + listen +
         "\"\nadvertise: [" + advertise +
         "]\n"
         "control: controller.sock\n"
         "store: store.sqlite\n"
         "tls: tls.pem\n"
         "root: ../root.pub\n"
         "operator: operator.key\n"
         "delegation: operator.delegation\n";
}

AdminAccess access_of(const InitPlan& plan, const controller::Founded& founded) {
  AdminAccess out{plan.founding.label, plan.advertise, founded.pin, founded.api_token_secret};
  // On this machine the controller is reached although what it advertises may only be so from elsewhere.
  const config::Address here{
      io::is_unspecified(plan.listen.address) ? "127.0.0.1" : io::to_text(plan.listen.address),
      plan.listen.port};
  if (std::find(out.addresses.begin(), out.addresses.end(), here) == out.addresses.end())
    out.addresses.push_back(here);
  return out;
}

base::Result<void> nothing_there(const InitPlan& plan) {
  const std::string& at = plan.directory;
  std::error_code unknown;
  for (const std::string& path :
       {plan.root_key(), at + "/root.pub", plan.controller(), plan.admin()})
    if (std::filesystem::exists(std::filesystem::symlink_status(path, unknown)))
      return base::fail(code::kKeyExists,
                        path +
                            " is there: a layer was made in this directory already; --dir names "
                            "another one");
  return {};
}

struct NewLayer {
  controller::Founded founded;
  AdminAccess access;
};

base::Result<NewLayer> make_layer(const InitPlan& plan, NewFiles& files) {
  if (auto free = nothing_there(plan); !free) return tl::unexpected(free.error());
  const std::string& at = plan.directory;
  const std::string inside = plan.controller() + "/";
  auto done = files.directory(at);
  if (done) done = files.directory(plan.controller(), 0700);
  if (!done) return tl::unexpected(done.error());
  for (const char* end : {"", "-wal", "-shm"}) files.expect(inside + "store.sqlite" + end);
  io::SystemRandom random;
  auto founded =
      controller::found_layer(plan.founding, inside + "store.sqlite", random, io::unix_now());
  if (!founded) return tl::unexpected(founded.error());
  NewLayer out{std::move(*founded), {}};
  out.access = access_of(plan, out.founded);
  done = files.secret(plan.root_key(), out.founded.root_secret);
  if (done) done = files.open(at + "/root.pub", out.founded.root_public);
  if (done) done = files.secret(inside + "operator.key", out.founded.operator_secret);
  if (done) done = files.open(inside + "operator.pub", out.founded.operator_public);
  if (done) done = files.open(inside + "operator.delegation", out.founded.delegation);
  if (done) done = files.secret(inside + "tls.pem", out.founded.tls_secret);
  if (done) done = files.open(inside + "controller.yaml", controller_yaml(plan));
  if (done) done = files.secret(plan.admin(), emit_admin(out.access));
  if (!done) return tl::unexpected(done.error());
  return out;
}

// --- with --up ---

// What runs afterwards. Ended with the object unless keep() was called.
struct Running {
  std::vector<pid_t> processes;
  ~Running() {
    for (auto each = processes.rbegin(); each != processes.rend(); ++each) end_service(*each);
  }
  void keep() { processes.clear(); }
};

struct Begun {
  pid_t controller = -1, node = -1;
  Joined joined;
  std::string endpoint;  // of the node
  std::vector<std::string> tokens;
};

base::Result<std::string> new_token(const AdminAccess& access, const std::string& role,
                                    const std::string& label) {
  Json body{{"role", role}};
  if (!label.empty()) body["label"] = label;
  auto answer = ask_controller(access, "POST", "/v1/tokens", body);
  if (!answer) return tl::unexpected(answer.error());
  return text_of(*answer, "token");
}

// Where hosts dial the node on this machine: what is advertised, if that is an address.
base::Endpoint node_endpoint(const InitPlan& plan) {
  for (const config::Address& address : plan.advertise)
    if (auto own = io::parse_address(address.host)) return {*own, kNodePort};
  return {io::parse_address(own_address()).value_or(io::Address{}), kNodePort};
}

// Hosts that join are told of the node once the controller knows where it is.
base::Result<void> await_registration(const AdminAccess& access, const Service& node) {
  const base::TimePoint until = io::now() + kRegistrationTime;
  while (io::now() < until) {
    auto member = ask_controller(access, "GET", std::string("/v1/members/") + kFirstNode);
    if (!member) return tl::unexpected(member.error());
    if (truth_of(*member, "registered")) return {};
    std::this_thread::sleep_for(kPollInterval);
  }
  return base::fail(
      code::kUnreachable,
      "the node runs, but has not registered with the controller; its log is " + node.log());
}

base::Result<Begun> begin(const InitPlan& plan, const AdminAccess& access, NewFiles& files,
                          Running& running, const std::string& program) {
  Begun out;
  auto started = start_service(program, plan.service(), answers);
  if (!started) return tl::unexpected(started.error());
  running.processes.push_back(started->pid);
  if (!started->ready)
    return base::fail(code::kUnreachable,
                      "the controller does not answer; its log is " + plan.service().log());
  out.controller = started->pid;
  auto node_token = new_token(access, "node", kFirstNode);
  if (!node_token) return tl::unexpected(node_token.error());

  JoinPlan join;
  join.directory = plan.directory + "/node";
  join.endpoints = {node_endpoint(plan)};
  join.listen = ":" + std::to_string(kNodePort);
  out.endpoint = io::to_text(join.endpoints.front());
  std::error_code unknown;
  if (std::filesystem::exists(join.directory, unknown))
    return base::fail(code::kKeyExists, join.directory + " is there, where the node would go");
  files.expect(join.directory);
  auto joined = join_layer(join, *node_token);
  if (!joined) return tl::unexpected(joined.error());
  out.joined = std::move(*joined);
  started = start_service(program, out.joined.service, answers);
  if (!started) return tl::unexpected(started.error());
  running.processes.push_back(started->pid);
  out.node = started->pid;
  if (auto known = await_registration(access, out.joined.service); !known)
    return tl::unexpected(known.error());
  for (int i = 0; i < kFirstTokens; ++i) {
    auto token = new_token(access, "host", "");
    if (!token) return tl::unexpected(token.error());
    out.tokens.push_back(std::move(*token));
  }
  return out;
}

// --- what is said ---

Json describe(const InitPlan& plan, const NewLayer& layer) {
  Json advertise = Json::array();
  for (const config::Address& address : plan.advertise)
    advertise.push_back(config::to_text(address));
  return {{"layer", plan.founding.label},
          {"id", base::to_hex(layer.founded.layer)},
          {"directory", plan.directory},
          {"root_key", plan.root_key()},
          {"admin", plan.admin()},
          {"config", plan.service().file},
          {"advertise", std::move(advertise)},
          {"key", http::to_text(layer.founded.pin)},
          {"delegation_ends", layer.founded.delegation_end},
          {"policy", plan.founding.policy},
          {"up", false}};
}

void print_layer(const Json& said, const NewLayer& layer) {
  std::printf("layer %s is made\n", bold(text_of(said, "layer")).c_str());
  std::printf(
      "  root key     %s\n"
      "               It has signed what it had to, and is not needed again before %s.\n"
      "               Take it off line, and keep it: it is the layer.\n",
      text_of(said, "root_key").c_str(), human_date(layer.founded.delegation_end).c_str());
  std::printf(
      "  controller   %s\n"
      "               reached at %s\n",
      text_of(said, "config").c_str(), texts_of(said, "advertise").c_str());
  std::printf(
      "  admin        %s\n"
      "               Whoever has it admits and revokes members. Copy it to where you "
      "work from.\n",
      text_of(said, "admin").c_str());
  std::printf("\nThe policy, until you set another (`entresol policy set FILE`):\n\n%s\n",
              text_of(said, "policy").c_str());
}

void add(Json& said, const InitPlan& plan, const Begun& begun) {
  said["up"] = true;
  said["controller"] = {{"pid", begun.controller},
                        {"control", plan.service().control},
                        {"log", plan.service().log()}};
  said["node"] = {{"label", kFirstNode},
                  {"pid", begun.node},
                  {"config", begun.joined.service.file},
                  {"control", begun.joined.service.control},
                  {"log", begun.joined.service.log()},
                  {"endpoint", begun.endpoint}};
  said["tokens"] = begun.tokens;
}

void print_begun(const Json& said) {
  for (const char* what : {"controller", "node"})
    std::printf("the %s runs; its log is %s\n", what, text_of(part_of(said, what), "log").c_str());
  std::printf("hosts dial the node at UDP %s\n\n",
              text_of(part_of(said, "node"), "endpoint").c_str());
  std::printf(
      "Two hosts can join now. On each, `entresol join` asks for a token; each of these "
      "works once, for a day:\n\n");
  for (const Json& token : part_of(said, "tokens"))
    std::printf("%s\n", token.get<std::string>().c_str());
  std::printf("\n");
}

}  // namespace

int init(const Global& global, const InitOptions& options) {
  auto plan = plan_of(options);
  if (!plan) return report(global, plan.error());
  NewFiles files;
  Running running;  // ended before its files go
  auto layer = make_layer(*plan, files);
  if (!layer) return report(global, layer.error());
  Json said = describe(*plan, *layer);
  if (options.up) {
    auto begun = begin(*plan, layer->access, files, running, options.program);
    if (!begun) {
      base::Error error = begun.error();
      error.message += "; nothing of the new layer is kept";
      return report(global, error);
    }
    add(said, *plan, *begun);
  }
  files.keep();
  running.keep();
  if (global.json) {
    print(said);
    return runtime::kExitOk;
  }
  print_layer(said, *layer);
  const std::string admin =
      plan->directory == default_directory() ? "" : " --admin " + plan->admin();
  if (options.up) {
    print_begun(said);
    next(global, "entresol join", "on a host; then `entresol host list" + admin + "` here");
  } else {
    next(global, "entresol run controller -c " + plan->service().file,
         "then `entresol token create" + admin + "`");
  }
  return runtime::kExitOk;
}

}  // namespace entresol::cli
