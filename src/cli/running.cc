#include "cli/running.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/error_codes.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/unix_socket.h"

namespace entresol::cli {
namespace {

constexpr auto kStartTime = std::chrono::seconds(15);
constexpr auto kEndTime = std::chrono::seconds(5);
constexpr auto kPollInterval = std::chrono::milliseconds(50);
constexpr std::size_t kLogTail = 500;

// Its pid, or -1.
pid_t start_detached(const std::string& program, const Service& service) {
  const std::string log = service.log();
  const pid_t child = fork();
  if (child != 0) return child;
  setsid();
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  dup2(null, STDIN_FILENO);
  dup2(out < 0 ? null : out, STDOUT_FILENO);
  dup2(out < 0 ? null : out, STDERR_FILENO);
  execl(program.c_str(), program.c_str(), "run", service.role.c_str(), "-c", service.file.c_str(),
        nullptr);
  _exit(127);
}

// What report() of the ended process has written: "entresol: E0302: …".
base::Error last_words(const Service& service) {
  constexpr std::string_view kBegin = "entresol: E";
  const std::string where =
      "the " + service.role + " ended while starting (its log is " + service.log() + "): ";
  const std::string text = io::read_text_file(service.log(), 1 << 20).value_or("");
  const std::size_t at = text.rfind(kBegin);
  const std::size_t colon = at == text.npos ? at : text.find(": ", at + kBegin.size());
  if (colon == text.npos) {
    const std::size_t from = text.size() > kLogTail ? text.size() - kLogTail : 0;
    return {std::string(base::code::kSystemCall), where + text.substr(from)};
  }
  const std::size_t code = at + kBegin.size() - 1;
  const std::size_t line = text.find('\n', colon);
  return {text.substr(code, colon - code), where + text.substr(colon + 2, line - colon - 2)};
}

}  // namespace

base::Result<Json> ask_control(const std::string& control, const Json& request,
                               std::chrono::seconds timeout) {
  auto text = io::control_call(
      control, request.dump(-1, ' ', false, Json::error_handler_t::replace), timeout);
  if (!text) return tl::unexpected(text.error());
  Json answer = Json::parse(*text, nullptr, false);
  if (!answer.is_object() && !answer.is_array())
    return base::fail(base::code::kSystemCall, control + ": answer is not JSON");
  if (answer.is_object() && answer.contains("error")) {
    const std::string code = text_of(answer["error"], "code");
    return base::fail(code.empty() ? base::code::kSystemCall : std::string_view(code),
                      text_of(answer["error"], "message"));
  }
  return answer;
}

bool answers(const Json&) {
  return true;
}

bool attached(const Json& status) {
  if (!status.contains("layers") || !status["layers"].is_array()) return false;
  for (const Json& layer : status["layers"])
    if (!truth_of(layer, "attached")) return false;
  return true;
}

base::Result<Started> start_service(const std::string& program, const Service& service,
                                    const std::function<bool(const Json&)>& ready) {
  const Json question = {{"command", "status"}};
  if (ask_control(service.control, question))
    return base::fail(base::code::kAlreadyRunning,
                      service.control + ": a " + service.role + " runs there already");
  Started out;
  out.pid = start_detached(program, service);
  if (out.pid < 0) return base::fail(base::code::kSystemCall, "cannot start a process");
  const base::TimePoint until = io::now() + kStartTime;
  while (io::now() < until) {
    int state = 0;
    if (waitpid(out.pid, &state, WNOHANG) == out.pid) return tl::unexpected(last_words(service));
    if (auto status = ask_control(service.control, question)) {
      out.status = std::move(*status);
      out.ready = ready(out.status);
      if (out.ready) return out;
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return out;
}

void end_service(pid_t pid) {
  if (pid <= 0) return;
  ::kill(pid, SIGTERM);
  const base::TimePoint until = io::now() + kEndTime;
  int state = 0;
  while (waitpid(pid, &state, WNOHANG) == 0) {
    if (io::now() >= until) {
      ::kill(pid, SIGKILL);
      waitpid(pid, &state, 0);
      return;
    }
    std::this_thread::sleep_for(kPollInterval);
  }
}

}  // namespace entresol::cli
