#include "runtime/run_command.h"

#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

#include "base/error_codes.h"
#include "io/fd.h"

namespace entresol::runtime {
namespace {

constexpr std::size_t kMaxSaid = 512;
constexpr std::array<std::string_view, 6> kFolders{
    "/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};

io::UniqueFd memory_file(std::string_view content) {
  io::UniqueFd fd(::memfd_create("entresol", MFD_CLOEXEC));
  if (fd &&
      ::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()))
    ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

// One line of what it has said.
std::string said(int fd) {
  std::array<char, kMaxSaid> buffer;
  const ssize_t size = ::pread(fd, buffer.data(), buffer.size(), 0);
  std::string out(buffer.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return out;
}

int spawn(const std::string& program, const std::vector<std::string>& words, int in, int out,
          pid_t& pid) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in, 0);
  posix_spawn_file_actions_adddup2(&files, out, 1);
  posix_spawn_file_actions_adddup2(&files, out, 2);
  // The loop's thread blocks the signals that it waits for; the command must not.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error =
      ::posix_spawn(&pid, program.c_str(), &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// Its exit status; nothing if it had to be killed.
std::optional<int> wait_for(pid_t pid) {
  const io::UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd ended{handle.get(), POLLIN, 0};
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(kCommandTime).count();
  int ready = 0;
  do {
    ready = ::poll(&ended, 1, static_cast<int>(limit));
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (ready == 0) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::string find_command(std::string_view name) {
  for (const std::string_view folder : kFolders) {
    const std::string path = std::string(folder) + std::string(name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

base::Result<void> run_command(const std::vector<std::string>& words, std::string_view input) {
  const auto fail = [&](const std::string& what) {
    return base::fail(base::code::kSystemCall, "'" + words[0] + " " + words[1] + "' " + what);
  };
  const std::string program = find_command(words[0]);
  if (program.empty()) return fail("cannot be run: there is no such command");
  const io::UniqueFd in = memory_file(input), out = memory_file("");
  if (!in || !out) return fail("cannot be run: " + io::errno_text(errno));
  pid_t pid = 0;
  if (const int error = spawn(program, words, in.get(), out.get(), pid); error != 0)
    return fail("cannot be run: " + io::errno_text(error));
  const auto status = wait_for(pid);
  if (!status) return fail("did not end in time");
  if (*status != 0) return fail("ended with " + std::to_string(*status) + ": " + said(out.get()));
  return {};
}

}  // namespace entresol::runtime
