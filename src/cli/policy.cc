// Policy and standing of a layer, as its controller tells.
#include <cstdio>
#include <thread>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/commands.h"
#include "io/clock.h"
#include "io/files.h"
#include "layer/inner/ip.h"
#include "layer/policy/policy.h"
#include "wire/header.h"

namespace entresol::cli {
namespace {

namespace policy = layer::policy;

base::UnixSeconds time_of(const Json& object, const char* key) {
  return static_cast<base::UnixSeconds>(number_of(object, key));
}

base::Result<std::string> read_policy(const std::string& file) {
  return io::read_text_file(file, policy::kMaxText);
}

// FILE:LINE:COLUMN, as compilers say it: the error begins with the last two.
base::Error in_file(base::Error error, const std::string& file) {
  const bool placed = !error.message.empty() && error.message[0] >= '0' && error.message[0] <= '9';
  error.message = file + (placed ? ":" : ": ") + error.message;
  return error;
}

// Octets that a Party borrows.
struct Somebody {
  std::string label;
  wire::Name name;
  std::vector<std::string> tags;
  policy::Party party() const { return {name, label, tags}; }
};

base::Result<Somebody> find_somebody(const AdminAccess& access, const std::string& who) {
  auto found = ask_controller(access, "GET", "/v1/members/" + segment(who));
  if (!found && found.error().code == base::code::kMemberUnknown) {
    auto guest = ask_controller(access, "GET", "/v1/guests/" + segment(who));
    if (guest) found = std::move(guest);
  }
  if (!found) return tl::unexpected(found.error());
  Somebody out;
  out.label = text_of(*found, "label");
  out.name = wire::name_from_text(text_of(*found, "name")).value_or(wire::Name{});
  for (const Json& tag : part_of(*found, "tags"))
    if (tag.is_string()) out.tags.push_back(tag.get<std::string>());
  return out;
}

// One protocol, with one port if it has ports.
base::Result<policy::Rule> read_what(const std::string& text) {
  auto what = policy::parse_protocol(text);
  if (!what) return base::fail(base::code::kUsage, what.error().message.substr(sizeof "1:1:"));
  if (what->any_protocol)
    return base::fail(base::code::kUsage, "'any' is no flow; write tcp/PORT, udp/PORT or icmp");
  if (what->first_port != what->last_port && layer::inner::protocol_has_ports(what->protocols[0]))
    return base::fail(base::code::kUsage, "a flow has one port; write " + text + "/PORT");
  return what;
}

struct Question {
  Somebody from, to;
  policy::Rule what;
  std::string text;
};

base::Result<Question> read_question(const AdminAccess& access, const PolicyTest& test) {
  auto what = read_what(test.what);
  if (!what) return tl::unexpected(what.error());
  auto from = find_somebody(access, test.from);
  if (!from) return tl::unexpected(from.error());
  auto to = find_somebody(access, test.to);
  if (!to) return tl::unexpected(to.error());
  std::string text;
  if (test.file.empty()) {
    auto policy = ask_controller(access, "GET", "/v1/policy");
    if (!policy) return tl::unexpected(policy.error());
    text = text_of(*policy, "text");
  } else {
    auto read = read_policy(test.file);
    if (!read) return tl::unexpected(read.error());
    text = std::move(*read);
  }
  return Question{std::move(*from), std::move(*to), std::move(*what), std::move(text)};
}

// --- who holds it ---

constexpr base::Duration kSpread =
    std::chrono::seconds(3);  // a reachable node takes well below one
constexpr base::Duration kLookAgain = std::chrono::milliseconds(50);

bool holds(const Json& node, double revision) {
  return node.contains("policy_revision") && number_of(node, "policy_revision") >= revision;
}

struct Spread {
  Json nodes = Json::array();  // the last that was heard of them
  std::vector<std::string> without;
};

// Waits until every node that watches holds the policy; the others are not reachable for the controller.
base::Result<Spread> await_spread(const AdminAccess& access, double revision) {
  const base::TimePoint end = io::now() + kSpread;
  while (true) {
    auto policy = ask_controller(access, "GET", "/v1/policy");
    if (!policy) return tl::unexpected(policy.error());
    Spread out{part_of(*policy, "nodes"), {}};
    bool some_may_come = false;
    for (const Json& node : out.nodes) {
      if (holds(node, revision)) continue;
      some_may_come = some_may_come || number_of(node, "heard_at") > 0;
      out.without.push_back(text_of(node, "label"));
    }
    if (!some_may_come || io::now() >= end) return out;
    std::this_thread::sleep_for(kLookAgain);
  }
}

std::string standing_of(const Json& node) {
  const base::UnixSeconds heard = time_of(node, "heard_at");
  if (heard == 0) return "was never heard of since the controller started";
  if (truth_of(node, "watching")) return "has not taken it; its log says why";
  return "was heard of last " + human_time(heard);
}

int print_spread(const Global& global, const Spread& spread, double revision) {
  const std::size_t holding = spread.nodes.size() - spread.without.size();
  std::printf("revision %.0f is the layer's policy; it holds at %zu of %zu nodes\n", revision,
              holding, spread.nodes.size());
  for (const Json& node : spread.nodes)
    if (!holds(node, revision))
      std::printf("  %s %s\n", red(text_of(node, "label")).c_str(), standing_of(node).c_str());
  if (!spread.without.empty())
    std::printf("  there the one before goes on to hold until the controller is heard again\n");
  next(global, "entresol policy test FROM TO tcp/PORT", "who may, and by which rule");
  return spread.without.empty() ? runtime::kExitOk : runtime::kExitDegraded;
}

}  // namespace

int check_policy(const Global& global, const std::string& file) {
  auto text = read_policy(file);
  if (!text) return report(global, text.error());
  const auto parsed = policy::parse(*text);
  if (!parsed) return report(global, in_file(parsed.error(), file));
  if (global.json) {
    print({{"rules", parsed->rules().size()}});
    return runtime::kExitOk;
  }
  std::printf("%s is a policy of %zu rules\n", file.c_str(), parsed->rules().size());
  next(global, "entresol policy set " + file, "let it hold");
  return runtime::kExitOk;
}

int test_policy(const Global& global, const std::string& admin, const PolicyTest& test) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto question = read_question(*access, test);
  if (!question) return report(global, question.error());
  const auto parsed = policy::parse(question->text);
  if (!parsed)
    return report(global,
                  in_file(parsed.error(), test.file.empty() ? "the layer's policy" : test.file));
  policy::Flow flow{question->from.party(), question->to.party(), question->what.protocols[0]};
  if (question->what.first_port == question->what.last_port)
    flow.responder_port = question->what.first_port;
  flow.service = wire::service::kIpDelivery;
  const policy::Verdict verdict = parsed->decide(flow);
  const std::string rule(parsed->rule_name(verdict.rule));
  if (global.json) {
    print({{"allow", verdict.allow}, {"rule", rule}});
  } else {
    std::printf(
        "%s  %s to %s, %s: rule '%s'\n", (verdict.allow ? green("allow") : red("deny")).c_str(),
        question->from.label.c_str(), question->to.label.c_str(), test.what.c_str(), rule.c_str());
  }
  return verdict.allow ? runtime::kExitOk : runtime::kExitDenied;
}

int show_policy(const Global& global, const std::string& admin) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto policy = ask_controller(*access, "GET", "/v1/policy");
  if (!policy) return report(global, policy.error());
  if (global.json) {
    print(*policy);
    return runtime::kExitOk;
  }
  // The text alone on standard output: it goes into a file, is edited, and comes back with `policy set`.
  std::printf("%s", text_of(*policy, "text").c_str());
  std::fflush(stdout);
  std::fprintf(stderr, "\nrevision %.0f, set %s\nnext: entresol policy set FILE\n",
               number_of(*policy, "revision"), human_time(time_of(*policy, "set_at")).c_str());
  return runtime::kExitOk;
}

int set_policy(const Global& global, const std::string& admin, const std::string& file) {
  auto text = read_policy(file);
  if (!text) return report(global, text.error());
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto policy = ask_controller(*access, "PUT", "/v1/policy", {{"text", *text}});
  if (!policy) return report(global, in_file(policy.error(), file));
  const double revision = number_of(*policy, "revision");
  auto spread = await_spread(*access, revision);
  if (!spread) {
    spread.error().message =
        "the policy is set, but who holds it is not known: " + spread.error().message;
    return report(global, spread.error());
  }
  if (!global.json) return print_spread(global, *spread, revision);
  (*policy)["nodes"] = spread->nodes;
  (*policy)["unreachable"] = spread->without;
  print(*policy);
  return spread->without.empty() ? runtime::kExitOk : runtime::kExitDegraded;
}

void print_controller(const Json& status) {
  const Json& layer = part_of(status, "layer");
  std::printf("%s %s  %s  %s\n", bold("layer").c_str(), text_of(layer, "label").c_str(),
              text_of(layer, "domain").c_str(), text_of(layer, "ipv4_pool").c_str());
  std::printf("  hosts %.0f, nodes %.0f, guests %.0f; %.0f registered\n",
              number_of(status, "hosts"), number_of(status, "nodes"), number_of(status, "guests"),
              number_of(status, "registrations"));
  std::printf("  open tokens %.0f, free addresses %s\n", number_of(status, "open_tokens"),
              human_count(number_of(status, "free_addresses")).c_str());
  std::printf("  policy revision %.0f, certificates last %s\n",
              number_of(status, "policy_revision"),
              human_duration(number_of(status, "certificate_lifetime")).c_str());
  if (const base::UnixSeconds end = time_of(status, "delegation_ends"); end != 0)
    std::printf("  the root's delegation ends %s (%s)\n", human_time(end).c_str(),
                human_date(end).c_str());
  std::printf("  requests %s, commits %s, watchers %.0f\n",
              human_count(number_of(status, "requests")).c_str(),
              human_count(number_of(status, "commits")).c_str(), number_of(status, "watchers"));
  for (const auto& [code, times] : part_of(status, "refused").items())
    std::printf("  refused %s  %s\n", code.c_str(),
                human_count(number_of(part_of(status, "refused"), code.c_str())).c_str());
}

int controller_status(const Global& global, const std::string& admin) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto status = ask_controller(*access, "GET", "/v1/status");
  if (!status) return report(global, status.error());
  if (global.json) {
    print(*status);
    return runtime::kExitOk;
  }
  print_controller(*status);
  next(global, "entresol host list", "who is in the layer");
  return runtime::kExitOk;
}

}  // namespace entresol::cli
