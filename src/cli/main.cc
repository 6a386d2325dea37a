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

// What the words on the command line have said; `run` is the verb.
struct Words {
  cli::Global global;
  Target target;
  cli::SignOptions sign;
  cli::DemoOptions demo;
  std::string kind, prefix, role, file, name, layer, code;
  int count = 3;
  bool prometheus = false;
  std::function<int()> run;
};

void add_keygen(CLI::App& app, Words& w) {
  CLI::App* keygen = app.add_subcommand("keygen", "Make a key: NAME.key (secret) and NAME.pub");
  keygen->add_option("kind", w.kind, "root, operator or identity")
      ->required()
      ->check(CLI::IsMember({"root", "operator", "identity"}));
  keygen->add_option("name", w.prefix, "path without its ending")->required();
  keygen->callback([&w] { w.run = [&w] { return cli::keygen(w.global, w.kind, w.prefix); }; });
}

void add_sign(CLI::App& app, Words& w) {
  cli::SignOptions& o = w.sign;
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
  certificate->callback([&w] { w.run = [&w] { return cli::sign_certificate(w.global, w.sign); }; });
  CLI::App* delegation =
      sign->add_subcommand("delegation", "Lets an operator sign certificates and grants");
  delegation->add_option("--with", o.with, "secret key of the root")->required();
  delegation->add_option("--operator", o.subject, "the operator's public key")->required();
  delegation->add_option("--label", o.label, "what people call the operator")->required();
  common(delegation);
  delegation->callback([&w] { w.run = [&w] { return cli::sign_delegation(w.global, w.sign); }; });
  CLI::App* registration = sign->add_subcommand(
      "registration", "A member's file for others: its certificate and where it is registered");
  registration->add_option("--with", o.with, "the member's own secret identity (NAME.key)")
      ->required();
  registration->add_option("--root", o.root, "the layer's root: its public key")->required();
  registration->add_option("--certificate", o.certificate, "the member's certificate")->required();
  registration->add_option("--node", o.nodes,
                           "certificate of a node that it attaches to; may be repeated");
  common(registration);
  registration->callback(
      [&w] { w.run = [&w] { return cli::sign_registration(w.global, w.sign); }; });
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
  grant->callback([&w] { w.run = [&w] { return cli::sign_grant(w.global, w.sign); }; });
}

void add_roles(CLI::App& app, Words& w) {
  CLI::App* run = app.add_subcommand("run", "Run a host or a node in the foreground");
  run->add_option("role", w.role, "host or node")
      ->required()
      ->check(CLI::IsMember({"host", "node"}));
  run->add_option("-c,--config", w.file, "configuration file")->required();
  run->callback([&w] { w.run = [&w] { return cli::run_role(w.global, w.role, w.file); }; });

  CLI::App* up =
      app.add_subcommand("up", "Start this host in the background and wait until it is attached");
  up->add_option("-c,--config", w.file, "configuration file")->required();
  up->callback([&w] { w.run = [&w] { return cli::up(w.global, w.file, own_path()); }; });
}

// A verb that asks a running host or node.
CLI::App* add_question(CLI::App& app, Words& w, const char* name, const char* description,
                       int (*verb)(const Words&, const std::string& control)) {
  CLI::App* question = app.add_subcommand(name, description);
  add_target(question, w.target);
  question->callback([&w, verb] {
    w.run = [&w, verb] {
      return with_control(w.global, w.target, [&](auto& control) { return verb(w, control); });
    };
  });
  return question;
}

void add_questions(CLI::App& app, Words& w) {
  add_question(app, w, "down", "Stop a running host or node",
               [](const Words& said, auto& c) { return cli::down(said.global, c); });
  add_question(
      app, w, "status", "Links, sessions, decisions and drops of a running host or node",
      [](const Words& said, auto& c) { return cli::status(said.global, c, said.prometheus); })
      ->add_flag("--prometheus", w.prometheus, "counters in Prometheus' text form");
  CLI::App* ping =
      add_question(app, w, "ping", "Echoes to a member: the path, and each hop's time",
                   [](const Words& said, auto& c) {
                     return cli::ping(said.global, c, said.name, said.layer, said.count);
                   });
  ping->add_option("name", w.name, "label, name (as IPv6 address) or IPv4 address")->required();
  ping->add_option("--layer", w.layer, "the layer's label, if the host is in several");
  ping->add_option("-n,--count", w.count, "echoes")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  add_question(app, w, "protocols",
               "What the security protocol of each live link supports (RFC 8922)",
               [](const Words& said, auto& c) { return cli::protocols(said.global, c); });
  add_question(app, w, "rekey", "New keys for all native links and sessions, now",
               [](const Words& said, auto& c) { return cli::rekey(said.global, c); });
}

void add_explain(CLI::App& app, Words& w) {
  CLI::App* explain = app.add_subcommand("explain", "What an error code means and how to mend it");
  explain->add_option("code", w.code, "such as E0102; without one, all are listed");
  explain->callback([&w] { w.run = [&w] { return cli::explain(w.global, w.code); }; });
}

void add_demo(CLI::App& app, Words& w) {
  CLI::App* demo = app.add_subcommand(
      "demo", "Hosts, a node and a WireGuard guest on this machine, step by step (root)");
  demo->add_flag("--keep", w.demo.keep,
                 "leave everything running at the end, and say how to look around");
  demo->add_option("--break", w.demo.break_step, "destroy what this step shows, to see it fail");
  demo->add_option("--capture", w.demo.capture,
                   "folder, new or empty: put a capture of each link into it, and the members' key "
                   "logs, with which the captures can be read; transfers are small then");
  demo->add_flag("--list", w.demo.list, "list the steps and which others each needs");
  demo->add_flag("--clean", w.demo.clean,
                 "end the demo that there is: one that runs, that --keep has left, or that was "
                 "killed");
  demo->callback([&w] {
    w.demo.program = own_path();
    w.run = [&w] { return cli::run_demo(w.global, w.demo); };
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Entresol: a service layer between L3 and L4.\n\n"
      "Try `entresol demo` first: hosts and a node on this machine, each step explained.\n"
      "A layer of your own: keygen root, keygen identity, sign, then `run node` and `up`."};
  app.require_subcommand(1);
  Words words;
  std::string output = "text";
  app.add_option("-o,--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.set_version_flag("--version", ENTRESOL_VERSION);
  app.footer("Exit codes: 0 ok, 1 error, 2 usage, 3 degraded, 4 denied, 5 unreachable.");
  app.fallthrough();
  add_keygen(app, words);
  add_sign(app, words);
  add_roles(app, words);
  add_questions(app, words);
  add_explain(app, words);
  add_demo(app, words);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    app.exit(error);
    return runtime::kExitUsage;
  }
  words.global.json = output == "json";
  return words.run();
}
