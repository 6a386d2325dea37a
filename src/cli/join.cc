#include "cli/join.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/new_files.h"
#include "cli/place.h"
#include "crypto/x25519.h"
#include "http/client.h"
#include "io/clock.h"
#include "io/endpoint_text.h"
#include "io/entropy.h"
#include "io/files.h"
#include "layer/directory/base64url.h"
#include "layer/directory/request.h"
#include "layer/directory/token.h"
#include "layer/membership/armor.h"
#include "runtime/files.h"

namespace entresol::cli {
namespace {

namespace code = base::code;
namespace directory = layer::directory;
namespace membership = layer::membership;

constexpr std::size_t kMaxAnswer = std::size_t{4} << 20;

bool is_there(const std::string& path) {
  std::error_code unknown;
  return std::filesystem::exists(std::filesystem::symlink_status(path, unknown));
}

// The identity that is about to join, kept until it has: an answer that was lost is given again to the same key alone.
class PendingIdentity {
 public:
  // One file for each token, so that another token does not find an identity that is a member already.
  PendingIdentity(const std::string& directory, const directory::TokenSecret& secret) {
    const crypto::Hash256 hash = directory::hash_of(secret);
    file_ = directory + "/.join-" + base::to_hex(base::ByteView(hash).first(8)) + ".key";
  }
  base::Result<void> open() {
    before_ = is_there(file_);
    if (!before_) {
      io::SystemRandom random;
      const crypto::SecretBytes<64> seeds(random.bytes<64>());
      auto written = io::write_text_file(file_, membership::armor(membership::kIdentityKey, seeds),
                                         {0600, false});
      if (!written) return written;
    }
    auto text = io::read_text_file(file_, 4096);
    if (!text) return tl::unexpected(text.error());
    text_ = std::move(*text);
    auto identity = runtime::read_identity(file_);
    if (!identity) return tl::unexpected(identity.error());
    identity_ = std::move(*identity);
    return {};
  }
  // Whether it was there before this attempt, because an earlier one has had no answer.
  bool before() const { return before_; }
  void remove() const { (void)io::remove_file(file_); }
  const std::string& text() const { return text_; }
  const membership::Identity& identity() const { return identity_; }

 private:
  std::string file_;
  std::string text_;
  membership::Identity identity_;
  bool before_ = false;
};

// After these the controller may have admitted the identity without our knowing.
bool answer_may_be_lost(std::string_view error) {
  constexpr std::array kUnsure = {code::kHttpTimeout, code::kHttpBadAnswer, code::kHttpInternal};
  return std::find(kUnsure.begin(), kUnsure.end(), error) != kUnsure.end();
}

base::Result<http::Response> ask_to_join(const directory::JoinToken& token, const JoinPlan& plan,
                                         const std::string& label,
                                         const membership::Key& identity) {
  Json body{{"token", directory::to_base64url(token.secret)},
            {"role", plan.node() ? "node" : "host"},
            {"identity", directory::to_base64url(identity)}};
  if (!label.empty()) body["label"] = label;
  http::Request request;
  request.method = "POST";
  request.target = "/v1/join";
  request.body = body.dump();
  http::Destination controller;
  for (const directory::TokenEndpoint& endpoint : token.endpoints)
    controller.addresses.push_back({endpoint.host, endpoint.port});
  controller.pin = token.controller;
  http::Patience patience;
  patience.body_bytes = kMaxAnswer;
  return http::check(http::ask(controller, request, patience));
}

// The token's label, if it has one, goes before this machine's name; who says --label wants that one.
base::Result<http::Response> ask_with_label(const directory::JoinToken& token, const JoinPlan& plan,
                                            const membership::Key& identity) {
  auto response = ask_to_join(token, plan, plan.label, identity);
  if (response || !plan.label.empty() || response.error().code != code::kLabelMalformed)
    return response;
  const std::string label = label_of(own_host_name());
  if (label.empty())
    return base::fail(code::kUsage, "this machine's name is no label: choose one with --label");
  return ask_to_join(token, plan, label, identity);
}

base::Error explained(base::Error error, const JoinPlan& plan) {
  if (error.code == code::kTokenRefused && plan.label.empty())
    error.message += plan.node() ? " (a host joins without --endpoint)"
                                 : " (a node joins with --endpoint ADDRESS:PORT)";
  if (error.code == code::kLabelTaken && plan.label.empty()) error.message += " (--label LABEL)";
  if (answer_may_be_lost(error.code))
    error.message += "; join again with the same token, which then still works";
  return error;
}

std::string quoted_list(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "\"" : ", \"") + text + "\"";
  return "[" + out + "]";
}

std::string configuration(const JoinPlan& plan, const Admission& admission,
                          const directory::JoinToken& token) {
  std::vector<std::string> addresses, endpoints;
  for (const directory::TokenEndpoint& endpoint : token.endpoints)
    addresses.push_back(config::to_text(config::Address{endpoint.host, endpoint.port}));
  for (const base::Endpoint& endpoint : plan.endpoints) endpoints.push_back(io::to_text(endpoint));
  const std::string& layer = admission.layer;
  std::string out = "# Written by `entresol join`; docs/operations.md lists every key.\n";
  out += plan.node() ? "listen: \"" + plan.listen + "\"\ncontrol: node.sock\n"
                     : "control: host.sock\n";
  out += "layers:\n  - label: \"" + layer + "\"\n";
  out += "    root: " + layer + "/root.pub\n";
  out += "    identity: " + layer + "/identity.key\n";
  out += "    certificate: " + layer + "/certificate\n";
  out += "    state: " + layer + ".state\n";
  out += "    controller:\n      addresses: " + quoted_list(addresses) + "\n";
  out += "      key: " + http::to_text(token.controller) + "\n";
  if (admission.ipv4_pool) out += "    ipv4_pool: " + io::to_text(*admission.ipv4_pool) + "\n";
  if ((plan.node() || plan.names) && !admission.domain.empty())
    out += "    dns: {domain: \"" + admission.domain + "\"}\n";
  if (plan.node()) return out + "    endpoints: " + quoted_list(endpoints) + "\n";
  return out + "    tun: {name: \"" + plan.tun + "\"}\n    nodes: []\n";
}

base::Result<void> write_member(NewFiles& files, const JoinPlan& plan, const Admission& admission,
                                const PendingIdentity& pending, const std::string& configuration,
                                const std::string& file) {
  const std::string layer = plan.directory + "/" + admission.layer;
  const std::string nodes = layer + ".state/nodes";
  auto done = files.directory(layer);
  if (done) done = files.secret(layer + "/identity.key", pending.text());
  if (done)
    done =
        files.open(layer + "/root.pub", membership::armor(membership::kRootPublic, admission.root));
  if (done) done = files.open(layer + "/certificate", armor_objects(admission.chain));
  if (done) done = files.directory(nodes, 0700);
  for (const AdmittedNode& node : admission.nodes)
    if (done)
      done = files.open(nodes + "/" + node.label + ".member",
                        armor_objects(node.certificate) + armor_objects(node.registration));
  // Last: a configuration means that everything it names is there.
  if (done) done = files.open(file, configuration);
  return done;
}

}  // namespace

base::Result<Joined> join_layer(const JoinPlan& plan, std::string_view text) {
  auto token = directory::parse_token(text);
  if (!token) return tl::unexpected(token.error());
  const std::string role = plan.node() ? "node" : "host";
  Joined joined;
  joined.service = {role, plan.directory + "/" + role + ".yaml",
                    plan.directory + "/" + role + ".sock"};
  if (is_there(joined.service.file))
    return base::fail(code::kKeyExists,
                      joined.service.file + " is there: this " + role +
                          " is in a layer already; --dir names another directory");

  NewFiles home, files;
  if (auto made = home.directory(plan.directory); !made) return tl::unexpected(made.error());
  PendingIdentity pending(plan.directory, token->secret);
  if (auto opened = pending.open(); !opened) return tl::unexpected(opened.error());
  const membership::Key& identity = pending.identity().identity.public_key;
  auto response = ask_with_label(*token, plan, identity);
  if (!response) {
    const bool unreached = response.error().code == code::kHttpUnreachable;
    if (answer_may_be_lost(response.error().code) || (unreached && pending.before())) {
      home.keep();
    } else {
      pending.remove();
    }
    return tl::unexpected(explained(response.error(), plan));
  }
  // The token is used: from here on its identity is kept until everything is in its place.
  home.keep();
  const auto admitted_but = [](base::Error error) {
    error.message += "; when that is mended, join again with the same token";
    return tl::unexpected(std::move(error));
  };
  auto admission = parse_admission(response->body, identity,
                                   plan.node() ? membership::Role::kNode : membership::Role::kHost,
                                   io::unix_now());
  if (!admission) return admitted_but(admission.error());
  joined.admission = std::move(*admission);
  if (auto written =
          write_member(files, plan, joined.admission, pending,
                       configuration(plan, joined.admission, *token), joined.service.file);
      !written)
    return admitted_but(written.error());
  files.keep();
  pending.remove();
  return joined;
}

base::Result<std::vector<base::Endpoint>> endpoints_of(const std::vector<std::string>& texts) {
  if (texts.size() > config::kMaxEndpoints)
    return base::fail(code::kUsage,
                      "--endpoint: a node has at most " + std::to_string(config::kMaxEndpoints));
  std::vector<base::Endpoint> out;
  for (const std::string& text : texts) {
    auto endpoint = io::parse_endpoint(text);
    if (!endpoint || endpoint->port == 0 || io::is_unspecified(endpoint->address))
      return base::fail(code::kUsage, "--endpoint: '" + text +
                                          "' is nowhere that a host could dial: write "
                                          "192.0.2.1:4850 or [2001:db8::1]:4850");
    out.push_back(*endpoint);
  }
  return out;
}

}  // namespace entresol::cli
