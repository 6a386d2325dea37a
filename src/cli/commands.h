// The command's verbs. Each returns the exit code (runtime/runtime.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"

namespace entresol::cli {

// keys.cc
int keygen(const Global& global, const std::string& kind, const std::string& prefix);

// sign.cc
struct SignOptions {
  std::string with;         // signing key: root's or operator's; for registrations the identity's
  std::string root;         // root's public key
  std::string delegation;   // operator's delegation
  std::string subject;      // identity's or operator's public key
  std::string certificate;  // of the member that registers
  std::string wireguard_key;
  std::string label;
  std::string role = "host";
  std::string ipv4;
  std::vector<std::string> tags;
  std::vector<std::string> nodes;      // certificates of nodes
  std::vector<std::string> endpoints;  // of a node: where it is dialled
  int days = 365;
  std::string out;
};
int sign_certificate(const Global& global, const SignOptions& options);
int sign_delegation(const Global& global, const SignOptions& options);
int sign_registration(const Global& global, const SignOptions& options);
int sign_grant(const Global& global, const SignOptions& options);

// up.cc
int run_role(const Global& global, const std::string& role, const std::string& file);
// An empty `file` is the one in the default directory, which says the role too.
int up(const Global& global, const std::string& role, const std::string& file,
       const std::string& program);

// init.cc
struct InitOptions {
  std::string label;
  std::string directory;  // empty: the default
  std::string listen = ":4851";
  std::vector<std::string> advertise;  // empty: this machine's address
  std::string domain;                  // empty: LABEL.internal
  std::string ipv4_pool = "100.64.0.0/10";
  std::string certificate_lifetime = "24h";
  bool up = false;
  std::string program;  // this binary
};
int init(const Global& global, const InitOptions& options);

// join_command.cc
struct JoinOptions {
  std::string token_file;  // empty: standard input
  std::string label;
  std::string directory;  // empty: the default
  std::vector<std::string> endpoints;
  std::string tun = "ent0";
  std::string listen = ":4850";
  bool names = false;  // of members, in this machine's DNS
  bool stay_down = false;
  std::string program;  // this binary
};
int join(const Global& global, const JoinOptions& options);
// Whether a word of the command line is a join token, which has no place there.
bool is_token(std::string_view word);

// tokens.cc; `admin` is the admin file here and below, empty: the default one
struct TokenOptions {
  std::string role = "host";
  std::vector<std::string> tags;
  std::string label;
  std::string lifetime = "24h";
};
int create_token(const Global& global, const std::string& admin, const TokenOptions& options);
int list_tokens(const Global& global, const std::string& admin);
int revoke_token(const Global& global, const std::string& admin, const std::string& id);

// names.cc; `who`: a label, a name in DNS, or an address
int list_names(const Global& global, const std::string& admin);
int show_name(const Global& global, const std::string& admin, const std::string& who);

// shared_names.cc
struct NameOptions {
  std::string label;
  std::uint32_t service = 0;  // 0: a shared name, no service's
  std::vector<std::string> tags;
  std::string key;  // file with the public half of the owner's; empty: the controller makes one
  std::vector<std::string> members;
  int weight = 1;
  std::string with;  // file with the owner's key, which signs here; empty: the controller signs
  std::string lifetime = "365d";  // of what is signed here
};
int create_name(const Global& global, const std::string& admin, const NameOptions& options);
// A weight of 0 takes back.
int delegate_name(const Global& global, const std::string& admin, const NameOptions& options);
int revoke_name(const Global& global, const std::string& admin, const NameOptions& options);

// layer_services.cc
struct PublishOptions {
  std::string file;
  std::vector<std::string> config;  // NAME=VALUE
  std::vector<std::string> nodes;   // labels; empty: as before, or every node
  bool upgrade = false;             // the service has to be there
};
int publish_service(const Global& global, const std::string& admin, const PublishOptions& options);
int roll_back_service(const Global& global, const std::string& admin, const std::string& name);
int remove_service(const Global& global, const std::string& admin, const std::string& name);
int list_services(const Global& global, const std::string& admin);
int show_service(const Global& global, const std::string& admin, const std::string& name);

// members.cc; `role` is host or node
int list_members(const Global& global, const std::string& admin, const std::string& role);
int show_member(const Global& global, const std::string& admin, const std::string& role,
                const std::string& who);
int revoke_member(const Global& global, const std::string& admin, const std::string& role,
                  const std::string& who);

// guests.cc
struct GuestOptions {
  std::string label;
  std::string wireguard_key;  // empty: a pair is made here
  std::vector<std::string> tags;
  std::vector<std::string> nodes;
  std::string lifetime = "365d";
  std::string out;  // file for the WireGuard configuration; empty: standard output
};
int add_guest(const Global& global, const std::string& admin, const GuestOptions& options);
int list_guests(const Global& global, const std::string& admin);
int show_guest(const Global& global, const std::string& admin, const std::string& who);
int revoke_guest(const Global& global, const std::string& admin, const std::string& who);

// policy.cc
int show_policy(const Global& global, const std::string& admin);
int set_policy(const Global& global, const std::string& admin, const std::string& file);
int check_policy(const Global& global, const std::string& file);
struct PolicyTest {
  std::string from, to;  // labels or names
  std::string what = "icmp";
  std::string file;  // empty: the policy that holds
};
int test_policy(const Global& global, const std::string& admin, const PolicyTest& test);
int controller_status(const Global& global, const std::string& admin);
void print_controller(const Json& status);

// client.cc
int down(const Global& global, const std::string& control);
int status(const Global& global, const std::string& control, bool prometheus);
int ping(const Global& global, const std::string& control, const std::string& name,
         const std::string& layer, int count);
int protocols(const Global& global, const std::string& control);
int rekey(const Global& global, const std::string& control);
// The control socket that a configuration file names.
base::Result<std::string> control_of(const std::string& file);

// services.cc: of a running node
int top_services(const Global& global, const std::string& control, bool once);
int restart_service(const Global& global, const std::string& control, const std::string& which);

// explain.cc
int explain(const Global& global, const std::string& code);

// demo/demo.cc
struct DemoOptions {
  bool keep = false;
  bool list = false;
  bool clean = false;
  std::string break_step;
  std::string capture;  // folder for captures and key logs; empty: none
  std::string program;  // this binary
};
int run_demo(const Global& global, const DemoOptions& options);

}  // namespace entresol::cli
