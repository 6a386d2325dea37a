#include "cli/place.h"
#include "cli/words.h"

namespace entresol::cli {
namespace {

// One value each time the option is named, so that what follows is not taken for another.
CLI::Option* add_list(CLI::App* verb, const char* name, std::vector<std::string>& out,
                      const char* what) {
  return verb->add_option(name, out, what)->allow_extra_args(false)->take_all();
}

void add_admin(CLI::App* verb, Words& w) {
  verb->add_option(
      "--admin", w.admin,
      "admin file that `entresol init` has made; default: admin.json in $ENTRESOL_DIR, "
      "or in /etc/entresol or ~/.config/entresol");
}

void on(CLI::App* verb, Words& w, int (*does)(const Words&)) {
  verb->callback([&w, does] { w.run = [&w, does] { return does(w); }; });
}

void add_init(CLI::App& app, Words& w) {
  InitOptions& o = w.init;
  CLI::App* init = app.add_subcommand(
      "init", "Make a layer: its root key, and a controller on this machine that admits members");
  init->footer(
      "With --up everything runs afterwards, a node too, and two hosts can join:\n"
      "  entresol init edge --up --advertise controller.example:4851\n"
      "Without it: `entresol run controller`, `entresol token create`, `entresol join`.");
  init->add_option("label", o.label, "what the layer is called: a-z, 0-9, '-'")->required();
  init->add_option("--dir", o.directory,
                   "where its files go; default: $ENTRESOL_DIR, else /etc/entresol as root, else "
                   "~/.config/entresol");
  init->add_option("--listen", o.listen, "TCP address of the controller")->capture_default_str();
  add_list(init, "--advertise", o.advertise,
           "HOST:PORT where members reach the controller, an address or a DNS name; goes into "
           "tokens; up to 4 times; default: this machine's address");
  init->add_option("--domain", o.domain, "DNS domain of its members; default: LABEL.internal");
  init->add_option("--ipv4-pool", o.ipv4_pool, "prefix that members' IPv4 addresses come from")
      ->capture_default_str();
  init->add_option("--certificate-lifetime", o.certificate_lifetime,
                   "of members' certificates; they renew by themselves while the controller is "
                   "there")
      ->capture_default_str();
  init->add_flag("--up", o.up,
                 "start the controller and a node on this machine, and make two tokens for hosts");
  init->callback([&w] {
    w.init.program = own_path();
    w.run = [&w] { return cli::init(w.global, w.init); };
  });
}

void add_join(CLI::App& app, Words& w) {
  JoinOptions& o = w.join;
  CLI::App* join = app.add_subcommand(
      "join", "Make this machine a host of a layer, or with --endpoint a node, and start it");
  join->footer(
      "The token comes from standard input, where it is asked for, or from a file; never from the\n"
      "command line, where every user of the machine could read it:\n"
      "  entresol join\n"
      "  entresol join --token-file token --endpoint 203.0.113.7:4850");
  join->add_option("--token-file", o.token_file, "file with the token");
  join->add_option("--label", o.label,
                   "what it is called; default: the token's label, or this machine's name");
  join->add_option("--dir", o.directory,
                   "where its files go; default: $ENTRESOL_DIR, else /etc/entresol as root, else "
                   "~/.config/entresol");
  add_list(join, "--endpoint", o.endpoints,
           "join as a node, which hosts dial at this UDP ADDRESS:PORT; up to 8 times");
  join->add_option("--listen", o.listen, "UDP address of a node")->capture_default_str();
  join->add_option("--tun", o.tun, "interface of a host")->capture_default_str();
  join->add_flag("--dns", o.names,
                 "of a host: LABEL.DOMAIN is a member for every program here (changes resolv.conf "
                 "while it runs)");
  join->add_flag("--no-up", o.stay_down, "do not start it");
  join->callback([&w] {
    w.join.program = own_path();
    w.run = [&w] { return cli::join(w.global, w.join); };
  });
}

void add_token(CLI::App& app, Words& w) {
  CLI::App* token =
      app.add_subcommand("token", "Tokens with which hosts and nodes join; each admits one, once");
  token->require_subcommand(1);
  CLI::App* create = token->add_subcommand(
      "create", "Make a token; it alone goes to standard output, so > FILE keeps it");
  create->add_option("--role", w.token.role, "who may join with it: host or node")
      ->check(CLI::IsMember({"host", "node"}))
      ->capture_default_str();
  add_list(create, "--tag", w.token.tags, "tag of the member, for rules; up to 8 times");
  create->add_option("--label", w.token.label, "the member's label; default: it chooses");
  create->add_option("--lifetime", w.token.lifetime, "of the token: 90s, 15m, 24h, 30d")
      ->capture_default_str();
  add_admin(create, w);
  on(create, w, [](const Words& s) { return create_token(s.global, s.admin, s.token); });
  CLI::App* list = token->add_subcommand("list", "Tokens that are open, used or expired");
  add_admin(list, w);
  on(list, w, [](const Words& s) { return list_tokens(s.global, s.admin); });
  CLI::App* revoke =
      token->add_subcommand("revoke", "Take a token back; who has joined with it stays");
  revoke->add_option("id", w.id, "as `entresol token list` shows it")->required();
  add_admin(revoke, w);
  on(revoke, w, [](const Words& s) { return revoke_token(s.global, s.admin, s.id); });
}

// host and node: the same verbs.
void add_members(CLI::App& app, Words& w, const std::string& role) {
  CLI::App* members = app.add_subcommand(role, "The layer's " + role + "s: list, show, revoke");
  members->require_subcommand(1);
  // Only one of the two is parsed.
  members->preparse_callback([&w, role](std::size_t) { w.role = role; });
  CLI::App* list = members->add_subcommand("list", "All " + role + "s that were admitted");
  add_admin(list, w);
  on(list, w, [](const Words& s) { return list_members(s.global, s.admin, s.role); });
  CLI::App* show = members->add_subcommand("show", "All about one " + role);
  show->add_option("name", w.name, "its label, or its name (as IPv6 address)")->required();
  add_admin(show, w);
  on(show, w, [](const Words& s) { return show_member(s.global, s.admin, s.role, s.name); });
  CLI::App* revoke = members->add_subcommand(
      "revoke", "Put it out of the layer at once; it comes back with a new token only");
  revoke->add_option("name", w.name, "its label, or its name (as IPv6 address)")->required();
  add_admin(revoke, w);
  on(revoke, w, [](const Words& s) { return revoke_member(s.global, s.admin, s.role, s.name); });
}

void add_guests(CLI::App& app, Words& w) {
  GuestOptions& o = w.guest;
  CLI::App* guest =
      app.add_subcommand("guest", "Plain WireGuard clients, which reach the layer through a node");
  guest->require_subcommand(1);
  CLI::App* add =
      guest->add_subcommand("add", "Admit a WireGuard client, and print its configuration");
  add->footer(
      "A key pair is made here, unless --wireguard-key gives the client's public key:\n"
      "  entresol guest add phone --out phone.conf     # then wg-quick up phone.conf there");
  add->add_option("label", o.label, "what it is called")->required();
  add->add_option("--wireguard-key", o.wireguard_key, "its public key, as `wg pubkey` prints it");
  add_list(add, "--tag", o.tags, "tag for rules; up to 8 times");
  add_list(add, "--node", o.nodes, "node where it may attach; may be repeated; none: every node");
  add->add_option("--lifetime", o.lifetime, "of its grant: 24h, 365d")->capture_default_str();
  add->add_option(
      "--out", o.out,
      "file for the configuration, which holds the secret key; default: standard output");
  add_admin(add, w);
  on(add, w, [](const Words& s) { return add_guest(s.global, s.admin, s.guest); });
  CLI::App* list = guest->add_subcommand("list", "All guests");
  add_admin(list, w);
  on(list, w, [](const Words& s) { return list_guests(s.global, s.admin); });
  CLI::App* show = guest->add_subcommand("show", "All about one guest");
  show->add_option("name", w.name, "its label, or its name (as IPv6 address)")->required();
  add_admin(show, w);
  on(show, w, [](const Words& s) { return show_guest(s.global, s.admin, s.name); });
  CLI::App* revoke = guest->add_subcommand("revoke", "Put it out of the layer at once");
  revoke->add_option("name", w.name, "its label, or its name (as IPv6 address)")->required();
  add_admin(revoke, w);
  on(revoke, w, [](const Words& s) { return revoke_guest(s.global, s.admin, s.name); });
}

void add_shared_names(CLI::App* name, Words& w) {
  NameOptions& o = w.shared;
  CLI::App* create = name->add_subcommand(
      "create", "Make a name that several members share, or that of a service");
  create->footer(
      "The controller makes its key, and signs who may answer for it, unless you keep the key:\n"
      "  entresol name create web && entresol name delegate web alice bob\n"
      "  entresol keygen name web && entresol name create web --key web.pub");
  create->add_option("label", o.label, "what it is called")->required();
  create->add_option("--service", o.service, "id of the service whose name it is");
  add_list(create, "--tag", o.tags, "tag for rules; up to 8 times");
  create->add_option("--key", o.key,
                     "public key that `entresol keygen name` made; its secret half "
                     "stays with you, and signs --with");
  add_admin(create, w);
  on(create, w, [](const Words& s) { return create_name(s.global, s.admin, s.shared); });
  const auto members = [&](CLI::App* verb) {
    verb->add_option("label", o.label, "of the shared name")->required();
    verb->add_option("members", o.members, "hosts or nodes: labels or names")->required();
    verb->add_option("--with", o.with, "the name's secret key (NAME.key), if you keep it");
    add_admin(verb, w);
  };
  CLI::App* delegate = name->add_subcommand("delegate", "Let members answer for a shared name");
  members(delegate);
  delegate->add_option("--weight", o.weight, "share of each among all: 1 to 255")
      ->check(CLI::Range(1, 255))
      ->capture_default_str();
  delegate->add_option("--lifetime", o.lifetime, "of what is signed --with a key: 24h, 365d")
      ->capture_default_str();
  on(delegate, w, [](const Words& s) { return delegate_name(s.global, s.admin, s.shared); });
  CLI::App* withdraw = name->add_subcommand("withdraw", "Take back what `delegate` has given");
  members(withdraw);
  withdraw->callback([&w] {
    w.shared.weight = 0;
    w.run = [&w] { return delegate_name(w.global, w.admin, w.shared); };
  });
  CLI::App* revoke =
      name->add_subcommand("revoke", "End a shared name at once, whoever holds its key");
  revoke->add_option("label", o.label, "its label, or its name (as IPv6 address)")->required();
  add_admin(revoke, w);
  on(revoke, w, [](const Words& s) { return revoke_name(s.global, s.admin, s.shared); });
}

void add_names(CLI::App& app, Words& w) {
  CLI::App* name =
      app.add_subcommand("name", "The layer's names: what each stands for, and where it is");
  name->require_subcommand(1);
  CLI::App* list = name->add_subcommand(
      "list", "Hosts, nodes, guests and names that members share, by their names in DNS");
  add_admin(list, w);
  on(list, w, [](const Words& s) { return list_names(s.global, s.admin); });
  CLI::App* show = name->add_subcommand("show", "All about one name");
  show->add_option("name", w.name, "a label, a name in DNS, or an address")->required();
  add_admin(show, w);
  on(show, w, [](const Words& s) { return show_name(s.global, s.admin, s.name); });
  add_shared_names(name, w);
}

void add_policy(CLI::App& app, Words& w) {
  CLI::App* policy = app.add_subcommand("policy", "Who may open flows to whom in the layer");
  policy->require_subcommand(1);
  CLI::App* show = policy->add_subcommand(
      "show", "The policy that holds; its text alone goes to standard output");
  add_admin(show, w);
  on(show, w, [](const Words& s) { return show_policy(s.global, s.admin); });
  CLI::App* set = policy->add_subcommand("set", "Replace the policy by a file's text");
  set->add_option("file", w.file, "the policy: one rule a line")->required();
  add_admin(set, w);
  on(set, w, [](const Words& s) { return set_policy(s.global, s.admin, s.file); });
  CLI::App* check = policy->add_subcommand("check", "Whether a file is a policy; asks nobody");
  check->add_option("file", w.file, "the policy: one rule a line")->required();
  on(check, w, [](const Words& s) { return check_policy(s.global, s.file); });
  CLI::App* test = policy->add_subcommand(
      "test", "Which rule decides about a flow; exit code 0 if it allows it, 4 if it denies it");
  test->add_option("from", w.policy.from, "who opens it: a label or a name")->required();
  test->add_option("to", w.policy.to, "who answers: a label or a name")->required();
  test->add_option("protocol", w.policy.what, "tcp/PORT, udp/PORT, icmp or a number")
      ->capture_default_str();
  test->add_option("--file", w.policy.file, "of this policy, not of the one that holds");
  add_admin(test, w);
  on(test, w, [](const Words& s) { return test_policy(s.global, s.admin, s.policy); });
}

void add_controller(CLI::App& app, Words& w) {
  CLI::App* controller = app.add_subcommand("controller", "The layer's controller");
  controller->require_subcommand(1);
  CLI::App* status = controller->add_subcommand(
      "status", "Counts, policy, and when the root's key is needed again");
  add_admin(status, w);
  on(status, w, [](const Words& s) { return controller_status(s.global, s.admin); });
}

}  // namespace

void add_layer(CLI::App& app, Words& words) {
  add_init(app, words);
  add_join(app, words);
  add_token(app, words);
  add_members(app, words, "host");
  add_members(app, words, "node");
  add_guests(app, words);
  add_names(app, words);
  add_policy(app, words);
  add_controller(app, words);
}

}  // namespace entresol::cli
