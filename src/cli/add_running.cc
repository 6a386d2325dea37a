#include "cli/place.h"
#include "cli/words.h"

namespace entresol::cli {
namespace {

// The control socket of the host, node or controller that is meant.
base::Result<std::string> control_meant(const Words& w) {
  if (!w.control.empty()) return w.control;
  if (!w.config.empty()) return control_of(w.config);
  auto found = find_config();
  if (!found) return tl::unexpected(found.error());
  return control_of(found->file);
}

void add_roles(CLI::App& app, Words& w) {
  CLI::App* run = app.add_subcommand("run", "Run a host, node or controller in the foreground");
  run->add_option("role", w.role, "host, node or controller")
      ->required()
      ->check(CLI::IsMember({"host", "node", "controller"}));
  run->add_option("-c,--config", w.file, "configuration file")->required();
  run->callback([&w] { w.run = [&w] { return run_role(w.global, w.role, w.file); }; });

  CLI::App* up = app.add_subcommand(
      "up", "Start in the background, and wait until a host is attached to its node");
  up->add_option("-c,--config", w.file,
                 "configuration file; without it, the one that `entresol join` has written");
  up->add_option("--role", w.role, "whose configuration FILE is: host, node or controller")
      ->check(CLI::IsMember({"host", "node", "controller"}))
      ->capture_default_str();
  up->callback([&w] { w.run = [&w] { return cli::up(w.global, w.role, w.file, own_path()); }; });
}

}  // namespace

CLI::App* add_question(CLI::App& app, Words& w, const char* name, const char* description,
                       int (*verb)(const Words&, const std::string& control)) {
  CLI::App* question = app.add_subcommand(name, description);
  question->add_option("-c,--config", w.config,
                       "its configuration file; without it, the one that `entresol join` has "
                       "written");
  question->add_option("--control", w.control, "its control socket, instead of --config");
  question->callback([&w, verb] {
    w.run = [&w, verb] {
      auto control = control_meant(w);
      return control ? verb(w, *control) : report(w.global, control.error());
    };
  });
  return question;
}

namespace {

void add_questions(CLI::App& app, Words& w) {
  add_question(app, w, "down", "Stop a running host, node or controller",
               [](const Words& said, auto& c) { return cli::down(said.global, c); });
  add_question(
      app, w, "status", "What a running host, node or controller says of itself",
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

}  // namespace

void add_running(CLI::App& app, Words& words) {
  add_roles(app, words);
  add_questions(app, words);
}

}  // namespace entresol::cli
