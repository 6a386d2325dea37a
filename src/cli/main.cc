// The command. Every verb is one function of commands.h; this file says how they are called.
#include <CLI/CLI.hpp>

#include <unistd.h>
#include <climits>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"

namespace {

using namespace entresol;

std::string own_path() {
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : "entresol";
}

struct Target {
  std::string config;
  std::string socket;
};

void add_target(CLI::App* app, Target& target) {
  app->add_option("-c,--config", target.config, "configuration file of the running host or node");
  app->add_option("--control", target.socket, "its control socket, instead of --config");
}

int with_control(const cli::Global& global, const Target& target,
                 const std::function<int(const std::string&)>& verb) {
  if (!target.socket.empty()) return verb(target.socket);
  if (target.config.empty())
    return cli::report(global, {std::string(base::code::kUsage),
                                "say which host or node: -c FILE or --control SOCKET"});
  auto control = cli::control_of(target.config);
  if (!control) return cli::report(global, control.error());
  return verb(*control);
}

void add_sign(CLI::App& app, const cli::Global& global, cli::SignOptions& o,
              std::function<int()>& run) {
  CLI::App* sign = app.add_subcommand(
      "sign", "Sign a certificate, delegation, registration or guest's grant, offline");
  sign->require_subcommand(1);
  auto common = [&](CLI::App* verb) {
    verb->add_option("--days", o.days, "validity")
        ->check(CLI::Range(1, 3650))
        ->capture_default_str();
    verb->add_option("--out", o.out, "file to write")->required();
  };
  CLI::App* certificate = sign->add_subcommand(
      "certificate", "A member's certificate: binds identity, label, IPv4 address, tags");
  certificate->add_option("--with", o.with, "secret key of the root or of an operator")->required();
  certificate->add_option("--root", o.root, "the layer's root: its public key")->required();
  certificate->add_option("--delegation", o.delegation,
                          "the operator's delegation, if an operator signs");
  certificate->add_option("--identity", o.subject, "the member's public identity (NAME.pub)")
      ->required();
  certificate->add_option("--label", o.label, "what people call it")->required();
  certificate->add_option("--role", o.role, "host or node")
      ->check(CLI::IsMember({"host", "node"}))
      ->capture_default_str();
  certificate->add_option("--ipv4", o.ipv4, "its IPv4 address in the layer");
  certificate->add_option("--tag", o.tags, "tag for rules; may be repeated");
  common(certificate);
  certificate->callback([&] { run = [&] { return cli::sign_certificate(global, o); }; });
  CLI::App* delegation =
      sign->add_subcommand("delegation", "Lets an operator sign certificates and grants");
  delegation->add_option("--with", o.with, "secret key of the root")->required();
  delegation->add_option("--operator", o.subject, "the operator's public key")->required();
  delegation->add_option("--label", o.label, "what people call the operator")->required();
  common(delegation);
  delegation->callback([&] { run = [&] { return cli::sign_delegation(global, o); }; });
  CLI::App* registration = sign->add_subcommand(
      "registration", "A member's file for others: its certificate and where it is registered");
  registration->add_option("--with", o.with, "the member's own secret identity (NAME.key)")
      ->required();
  registration->add_option("--root", o.root, "the layer's root: its public key")->required();
  registration->add_option("--certificate", o.certificate, "the member's certificate")->required();
  registration->add_option("--node", o.nodes,
                           "certificate of a node that it attaches to; may be repeated");
  common(registration);
  registration->callback([&] { run = [&] { return cli::sign_registration(global, o); }; });
  CLI::App* grant =
      sign->add_subcommand("grant", "Lets a plain WireGuard client attach as a guest");
  grant->add_option("--with", o.with, "secret key of the root or of an operator")->required();
  grant->add_option("--root", o.root, "the layer's root: its public key")->required();
  grant->add_option("--delegation", o.delegation,
                    "the operator's delegation, if an operator signs");
  grant
      ->add_option("--wireguard-key", o.wireguard_key,
                   "the guest's public key, as `wg pubkey` prints it")
      ->required();
  grant->add_option("--label", o.label, "what people call the guest")->required();
  grant->add_option("--ipv4", o.ipv4, "its IPv4 address in the layer");
  grant->add_option("--tag", o.tags, "tag for rules; may be repeated");
  grant->add_option("--node", o.nodes,
                    "certificate of a node where it may attach; none: every node");
  common(grant);
  grant->callback([&] { run = [&] { return cli::sign_grant(global, o); }; });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Entresol: a service layer between L3 and L4.\n\n"
      "Try `entresol demo` first: hosts and a node on this machine, each step explained.\n"
      "A layer of your own: keygen root, keygen identity, sign, then `run node` and `up`."};
  app.require_subcommand(1);
  cli::Global global;
  std::string output = "text";
  app.add_option("-o,--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.set_version_flag("--version", ENTRESOL_VERSION);
  app.footer("Exit codes: 0 ok, 1 error, 2 usage, 3 degraded, 4 denied, 5 unreachable.");
  app.fallthrough();

  std::function<int()> run;
  std::string kind, prefix, role, file, name, layer, code;
  int count = 3;
  bool prometheus = false;
  Target target;
  cli::SignOptions sign_options;
  cli::DemoOptions demo_options;

  CLI::App* keygen = app.add_subcommand("keygen", "Make a key: NAME.key (secret) and NAME.pub");
  keygen->add_option("kind", kind, "root, operator or identity")
      ->required()
      ->check(CLI::IsMember({"root", "operator", "identity"}));
  keygen->add_option("name", prefix, "path without its ending")->required();
  keygen->callback([&] { run = [&] { return cli::keygen(global, kind, prefix); }; });

  add_sign(app, global, sign_options, run);

  CLI::App* run_command = app.add_subcommand("run", "Run a host or a node in the foreground");
  run_command->add_option("role", role, "host or node")
      ->required()
      ->check(CLI::IsMember({"host", "node"}));
  run_command->add_option("-c,--config", file, "configuration file")->required();
  run_command->callback([&] { run = [&] { return cli::run_role(global, role, file); }; });

  CLI::App* up =
      app.add_subcommand("up", "Start this host in the background and wait until it is attached");
  up->add_option("-c,--config", file, "configuration file")->required();
  up->callback([&] { run = [&] { return cli::up(global, file, own_path()); }; });

  CLI::App* down = app.add_subcommand("down", "Stop a running host or node");
  add_target(down, target);
  down->callback([&] {
    run = [&] {
      return with_control(global, target, [&](auto& c) { return cli::down(global, c); });
    };
  });

  CLI::App* status = app.add_subcommand(
      "status", "Links, sessions, decisions and drops of a running host or node");
  add_target(status, target);
  status->add_flag("--prometheus", prometheus, "counters in Prometheus' text form");
  status->callback([&] {
    run = [&] {
      return with_control(global, target,
                          [&](auto& c) { return cli::status(global, c, prometheus); });
    };
  });

  CLI::App* ping = app.add_subcommand("ping", "Echoes to a member: the path, and each hop's time");
  ping->add_option("name", name, "label, name (as IPv6 address) or IPv4 address")->required();
  ping->add_option("--layer", layer, "the layer's label, if the host is in several");
  ping->add_option("-n,--count", count, "echoes")->check(CLI::Range(1, 100))->capture_default_str();
  add_target(ping, target);
  ping->callback([&] {
    run = [&] {
      return with_control(global, target,
                          [&](auto& c) { return cli::ping(global, c, name, layer, count); });
    };
  });

  CLI::App* protocols = app.add_subcommand(
      "protocols", "What the security protocol of each live link supports (RFC 8922)");
  add_target(protocols, target);
  protocols->callback([&] {
    run = [&] {
      return with_control(global, target, [&](auto& c) { return cli::protocols(global, c); });
    };
  });

  CLI::App* rekey = app.add_subcommand("rekey", "New keys for all native links and sessions, now");
  add_target(rekey, target);
  rekey->callback([&] {
    run = [&] {
      return with_control(global, target, [&](auto& c) { return cli::rekey(global, c); });
    };
  });

  CLI::App* explain = app.add_subcommand("explain", "What an error code means and how to mend it");
  explain->add_option("code", code, "such as E0102; without one, all are listed");
  explain->callback([&] { run = [&] { return cli::explain(global, code); }; });

  CLI::App* demo = app.add_subcommand(
      "demo", "Hosts, a node and a WireGuard guest on this machine, step by step (root)");
  demo->add_flag("--keep", demo_options.keep,
                 "leave everything running at the end, and say how to look around");
  demo->add_option("--break", demo_options.break_step,
                   "destroy what this step shows, to see it fail");
  demo->add_flag("--list", demo_options.list, "list the steps and which others each needs");
  demo->add_flag("--clean", demo_options.clean, "end what --keep or a killed demo has left");
  demo->callback([&] {
    demo_options.program = own_path();
    run = [&] { return cli::run_demo(global, demo_options); };
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    app.exit(error);
    return runtime::kExitUsage;
  }
  global.json = output == "json";
  return run();
}
