// The command's verbs. Each returns the exit code (runtime/runtime.h).
#pragma once

#include <string>
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
  std::vector<std::string> nodes;  // certificates of nodes
  int days = 365;
  std::string out;
};
int sign_certificate(const Global& global, const SignOptions& options);
int sign_delegation(const Global& global, const SignOptions& options);
int sign_registration(const Global& global, const SignOptions& options);
int sign_grant(const Global& global, const SignOptions& options);

// up.cc
int run_role(const Global& global, const std::string& role, const std::string& file);
int up(const Global& global, const std::string& file, const std::string& program);

// client.cc
int down(const Global& global, const std::string& control);
int status(const Global& global, const std::string& control, bool prometheus);
int ping(const Global& global, const std::string& control, const std::string& name,
         const std::string& layer, int count);
int protocols(const Global& global, const std::string& control);
int rekey(const Global& global, const std::string& control);
// The control socket that a configuration file names.
base::Result<std::string> control_of(const std::string& file);

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
