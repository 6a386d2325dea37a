#include "cli/place.h"
#include "cli/words.h"

namespace entresol::cli {
namespace {

void add_keygen(CLI::App& app, Words& w) {
  CLI::App* keygen = app.add_subcommand("keygen", "Make a key: NAME.key (secret) and NAME.pub");
  keygen->add_option("kind", w.kind, "root, operator, identity, or name (that members share)")
      ->required()
      ->check(CLI::IsMember({"root", "operator", "identity", "name"}));
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
  registration->add_option("--endpoint", o.endpoints,
                           "of a node: ADDRESS:PORT where others dial it; may be repeated");
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

void add_offline(CLI::App& app, Words& words) {
  add_keygen(app, words);
  add_sign(app, words);
  add_explain(app, words);
  add_demo(app, words);
}

}  // namespace entresol::cli
