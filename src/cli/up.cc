#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "base/error_codes.h"
#include "cli/commands.h"
#include "config/config.h"
#include "host/host.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/unix_socket.h"
#include "node/node.h"

namespace entresol::cli {
namespace {

constexpr auto kAttachTime = std::chrono::seconds(15);
constexpr auto kPollInterval = std::chrono::milliseconds(50);

int run_host(const Global& global, const std::string& file) {
  auto config = config::load_host(file);
  if (!config) return report(global, config.error());
  auto host = host::start(*config);
  if (!host) return report(global, host.error());
  host->runtime->run();
  return runtime::kExitOk;
}

int run_node(const Global& global, const std::string& file) {
  auto config = config::load_node(file);
  if (!config) return report(global, config.error());
  auto node = node::start(*config);
  if (!node) return report(global, node.error());
  (*node)->run();
  return runtime::kExitOk;
}

// Starts `entresol run host` in a session of its own, its log beside the control socket. Its pid, or -1.
pid_t start_detached(const std::string& program, const std::string& file, const std::string& log) {
  const pid_t child = fork();
  if (child != 0) return child;
  setsid();
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  dup2(null, STDIN_FILENO);
  dup2(out < 0 ? null : out, STDOUT_FILENO);
  dup2(out < 0 ? null : out, STDERR_FILENO);
  execl(program.c_str(), program.c_str(), "run", "host", "-c", file.c_str(), nullptr);
  _exit(127);
}

bool all_attached(const Json& status) {
  if (!status.contains("layers")) return false;
  for (const auto& layer : status["layers"])
    if (!layer.value("attached", false)) return false;
  return true;
}

}  // namespace

int run_role(const Global& global, const std::string& role, const std::string& file) {
  return role == "host" ? run_host(global, file) : run_node(global, file);
}

int up(const Global& global, const std::string& file, const std::string& program) {
  auto config = config::load_host(file);
  if (!config) return report(global, config.error());
  if (io::control_call(config->control, R"({"command":"status"})"))
    return report(global, {std::string(base::code::kAlreadyRunning),
                           config->control + ": a host runs there already"});
  const std::string log = config->control + ".log";
  const pid_t child = start_detached(program, file, log);
  if (child < 0)
    return report(global, {std::string(base::code::kSystemCall), "cannot start a process"});
  const base::TimePoint until = io::now() + kAttachTime;
  while (io::now() < until) {
    int state = 0;
    if (waitpid(child, &state, WNOHANG) == child) {
      std::fprintf(stderr, "entresol: the host ended while starting; its log is %s:\n",
                   log.c_str());
      if (auto text = io::read_text_file(log, 1 << 16)) std::fprintf(stderr, "%s", text->c_str());
      return WIFEXITED(state) ? WEXITSTATUS(state) : runtime::kExitError;
    }
    if (auto answer = io::control_call(config->control, R"({"command":"status"})")) {
      const Json status = Json::parse(*answer, nullptr, false);
      if (all_attached(status)) {
        if (global.json) {
          print(Json{{"up", true}, {"pid", child}, {"control", config->control}});
        } else {
          for (const auto& layer : status["layers"])
            std::printf("%s is in layer %s as %s %s\n",
                        bold(layer["name"].get<std::string>()).c_str(),
                        layer["label"].get<std::string>().c_str(),
                        layer["address"].get<std::string>().c_str(),
                        layer["ipv4"].get<std::string>().c_str());
          next(global, "entresol status -c " + file, "links, sessions, drops");
        }
        return runtime::kExitOk;
      }
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  report(global, {std::string(base::code::kUnreachable),
                  "up, but its node does not answer yet; it goes on trying. Log: " + log});
  return runtime::kExitDegraded;
}

}  // namespace entresol::cli
