#include "cli/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <utility>

namespace entresol::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kGrace = std::chrono::seconds(2);

int code_of(int state) {
  return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

[[noreturn]] void become(const std::vector<std::string>& arguments, int in, int out) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setpgid(0, 0);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

bool wait_until(pid_t pid, Clock::time_point until, int& state) {
  while (waitpid(pid, &state, WNOHANG) == 0) {
    if (Clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

Finished run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds limit,
                     const std::string& input) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) return {};
  const pid_t pid = fork();
  if (pid == 0) become(arguments, in[0], out[1]);
  close(in[0]);
  close(out[1]);
  Finished result;
  if (!input.empty()) (void)!write(in[1], input.data(), input.size());
  close(in[1]);
  const auto until = Clock::now() + limit;
  bool timed_out = false;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd poll_out{out[0], POLLIN, 0};
    if (left <= 0 || poll(&poll_out, 1, static_cast<int>(left)) == 0) {
      timed_out = true;
      break;
    }
    char buffer[4096];
    const ssize_t n = read(out[0], buffer, sizeof buffer);
    if (n <= 0) break;
    result.output.append(buffer, static_cast<std::size_t>(n));
  }
  close(out[0]);
  int state = 0;
  if (timed_out || !wait_until(pid, until, state)) {
    ::kill(-pid, SIGKILL);
    waitpid(pid, &state, 0);
    result.code = 124;
    return result;
  }
  result.code = code_of(state);
  return result;
}

Background::Background(const std::vector<std::string>& arguments, const std::string& log) {
  const int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ == 0) become(arguments, in, out);
  close(in);
  close(out);
}

Background::~Background() {
  end();
}
Background::Background(Background&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
Background& Background::operator=(Background&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
  }
  return *this;
}

bool Background::alive() {
  if (pid_ <= 0) return false;
  int state = 0;
  if (waitpid(pid_, &state, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

void Background::signal(int number) const {
  if (pid_ > 0) ::kill(-pid_, number);
}

void Background::end() {
  if (pid_ <= 0) return;
  int state = 0;
  signal(SIGTERM);
  if (!wait_until(pid_, Clock::now() + kGrace, state)) {
    signal(SIGKILL);
    waitpid(pid_, &state, 0);
  }
  pid_ = -1;
}

}  // namespace entresol::cli
