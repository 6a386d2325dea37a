#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "cli/join.h"
#include "cli/place.h"
#include "io/files.h"
#include "layer/directory/records.h"
#include "layer/directory/token.h"

namespace entresol::cli {
namespace {

namespace code = base::code;

constexpr std::size_t kMaxTokenText = 4096;

std::array<termios, 2> terminal_settings;  // as they were, and without echo

void restore_terminal(int signal) {
  tcsetattr(STDIN_FILENO, TCSANOW, &terminal_settings[0]);
  ::signal(signal, SIG_DFL);
  raise(signal);
}

// One line from the terminal, which does not show it; an interrupt leaves the terminal as it was.
std::string ask_secretly(const char* question) {
  std::fprintf(stderr, "%s", question);
  const bool silent = tcgetattr(STDIN_FILENO, &terminal_settings[0]) == 0;
  if (silent) {
    terminal_settings[1] = terminal_settings[0];
    terminal_settings[1].c_lflag &= ~static_cast<tcflag_t>(ECHO);
    for (const int number : {SIGINT, SIGTERM}) ::signal(number, restore_terminal);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_settings[1]);
  }
  std::array<char, kMaxTokenText> line{};
  const bool read = std::fgets(line.data(), line.size(), stdin) != nullptr;
  if (silent) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_settings[0]);
    for (const int number : {SIGINT, SIGTERM}) ::signal(number, SIG_DFL);
  }
  std::fprintf(stderr, "\n");
  return read ? line.data() : "";
}

base::Result<std::string> read_token(const std::string& file) {
  if (!file.empty()) return io::read_text_file(file, kMaxTokenText);
  if (isatty(STDIN_FILENO)) return ask_secretly("Join token (it is not shown): ");
  std::string out(kMaxTokenText + 1, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), stdin));
  if (out.size() <= kMaxTokenText) return out;
  return base::fail(code::kTokenMalformed, "not a join token: standard input holds more than one");
}

bool is_interface_name(std::string_view text) {
  return !text.empty() && text.size() <= 15 && text != "." && text != ".." &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

base::Result<JoinPlan> plan_of(const JoinOptions& options) {
  JoinPlan plan;
  plan.directory = directory_named(options.directory);
  plan.label = options.label;
  plan.tun = options.tun;
  plan.listen = options.listen;
  plan.names = options.names;
  if (!plan.label.empty())
    if (auto fits = layer::directory::check_label(plan.label); !fits)
      return base::fail(code::kUsage, "--label: " + fits.error().message);
  if (!is_interface_name(plan.tun))
    return base::fail(code::kUsage,
                      "--tun: an interface has 1 to 15 letters, digits, '.', '_', '-'");
  if (auto listen = io::parse_endpoint(plan.listen); !listen)
    return base::fail(code::kUsage, "--listen: " + listen.error().message);
  auto endpoints = endpoints_of(options.endpoints);
  if (!endpoints) return tl::unexpected(endpoints.error());
  plan.endpoints = std::move(*endpoints);
  return plan;
}

std::string ipv4_text(const layer::membership::Ipv4& address) {
  std::string out;
  for (const std::uint8_t octet : address) out += (out.empty() ? "" : ".") + std::to_string(octet);
  return out;
}

Json describe(const Joined& joined) {
  const Admission& admission = joined.admission;
  Json nodes = Json::array();
  for (const AdmittedNode& node : admission.nodes) nodes.push_back(node.label);
  return {{"joined", true},
          {"layer", admission.layer},
          {"role", joined.service.role},
          {"label", admission.certificate.label},
          {"name", wire::to_string(admission.certificate.name())},
          {"ipv4", ipv4_text(admission.certificate.ipv4)},
          {"not_after", admission.certificate.validity.not_after},
          {"nodes", std::move(nodes)},
          {"config", joined.service.file},
          {"control", joined.service.control},
          {"up", false}};
}

void print_joined(const Json& said) {
  std::printf("%s is a %s of layer %s: %s %s\n", bold(text_of(said, "label")).c_str(),
              text_of(said, "role").c_str(), text_of(said, "layer").c_str(),
              text_of(said, "name").c_str(), text_of(said, "ipv4").c_str());
  std::printf("configuration: %s\n", text_of(said, "config").c_str());
}

// What to try now; with the configuration's name where the command would not find it by itself.
void say_next(const Global& global, const Joined& joined, const JoinPlan& plan, bool up) {
  const std::string with =
      plan.directory == default_directory() ? "" : " -c " + joined.service.file;
  const std::string role = plan.node() ? " --role node" : "";
  const auto& nodes = joined.admission.nodes;
  if (!up) {
    next(global, "entresol up" + (with.empty() ? "" : role + with), "start it");
  } else if (plan.node() || nodes.empty()) {
    next(global, "entresol status" + with, "links, sessions, drops");
  } else {
    next(global, "entresol ping " + nodes.front().label + with, "the node that it is attached to");
  }
}

int start_joined(const Global& global, const Joined& joined, const JoinPlan& plan,
                 const std::string& program, Json said) {
  // Nobody to attach to: then that it runs is all there is to wait for.
  const bool alone = plan.node() || joined.admission.nodes.empty();
  auto started = start_service(program, joined.service, alone ? answers : attached);
  if (!started) {
    base::Error error = started.error();
    error.message = "joined, but not started: " + error.message + "; `entresol up --role " +
                    joined.service.role + " -c " + joined.service.file + "` tries again";
    return report(global, error);
  }
  said["up"] = true;
  said["pid"] = started->pid;
  said["attached"] = started->ready && !alone;
  if (global.json) {
    print(said);
  } else {
    print_joined(said);
    if (!started->ready)
      std::printf("%s: it runs, but its node does not answer yet; it goes on trying. Log: %s\n",
                  red("not attached").c_str(), joined.service.log().c_str());
    if (!plan.node() && alone)
      std::printf("the layer has no node yet; it attaches when there is one\n");
    say_next(global, joined, plan, true);
  }
  const bool degraded = !plan.node() && (alone || !started->ready);
  return degraded ? runtime::kExitDegraded : runtime::kExitOk;
}

}  // namespace

bool is_token(std::string_view word) {
  return word.starts_with(layer::directory::kTokenPrefix) ||
         word.find("=" + std::string(layer::directory::kTokenPrefix)) != word.npos;
}

int join(const Global& global, const JoinOptions& options) {
  auto plan = plan_of(options);
  if (!plan) return report(global, plan.error());
  auto token = read_token(options.token_file);
  if (!token) return report(global, token.error());
  auto joined = join_layer(*plan, *token);
  crypto::wipe(token->data(), token->size());
  if (!joined) return report(global, joined.error());
  Json said = describe(*joined);
  if (!options.stay_down)
    return start_joined(global, *joined, *plan, options.program, std::move(said));
  if (global.json) {
    print(said);
  } else {
    print_joined(said);
    say_next(global, *joined, *plan, false);
  }
  return runtime::kExitOk;
}

}  // namespace entresol::cli
