#include "cli/demo/claim.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/error_codes.h"
#include "cli/output.h"

namespace entresol::cli::demo {
namespace {

constexpr const char* kFile = "/run/entresol-demo.json";
constexpr std::string_view kFolder = "/tmp/entresol-demo-";  // and six letters
constexpr auto kEndTime = std::chrono::seconds(30);          // a step that has begun is played out

auto failed(const std::string& what) {
  return base::fail(base::code::kSystemCall, what + ": " + std::strerror(errno));
}

// The file that is open under `fd` is still the one that others find.
bool is_at(int fd, const char* path) {
  struct stat here{};
  struct stat there{};
  return fstat(fd, &here) == 0 && lstat(path, &there) == 0 && here.st_dev == there.st_dev &&
         here.st_ino == there.st_ino;
}

Record read_record(int fd) {
  char text[512];
  const ssize_t n = pread(fd, text, sizeof text, 0);
  const Json said =
      Json::parse(std::string_view(text, n > 0 ? static_cast<std::size_t>(n) : 0), nullptr, false);
  Record record;
  if (!said.is_object()) return record;
  if (auto it = said.find("folder"); it != said.end() && it->is_string()) record.folder = *it;
  if (auto it = said.find("pid"); it != said.end() && it->is_number_integer()) record.pid = *it;
  if (auto it = said.find("kept"); it != said.end() && it->is_boolean()) record.kept = *it;
  return record;
}

// Nothing but what begin() can have made is removed.
bool is_demo_folder(const std::string& folder) {
  struct stat found{};
  return folder.starts_with(kFolder) && folder.find('/', kFolder.size()) == std::string::npos &&
         lstat(folder.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid();
}

}  // namespace

Claim::~Claim() {
  if (fd_ >= 0) close(fd_);
}
Claim::Claim(Claim&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), record_(std::move(other.record_)) {}
Claim& Claim::operator=(Claim&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(record_, other.record_);
  return *this;
}

base::Result<Claim> Claim::take() {
  for (;;) {
    Claim claim;
    claim.fd_ = open(kFile, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (claim.fd_ < 0) return failed(kFile);
    if (flock(claim.fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return failed(kFile);
      return base::fail(base::code::kDemoExists,
                        "a demo runs on this machine; `entresol demo --clean` ends it");
    }
    // Between open() and flock() its owner may have ended and removed it.
    if (!is_at(claim.fd_, kFile)) continue;
    claim.record_ = read_record(claim.fd_);
    return claim;
  }
}

void Claim::end_running() {
  const int fd = open(kFile, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return;
  const auto locked = [&] { return flock(fd, LOCK_EX | LOCK_NB) != 0; };
  if (locked()) {
    // The lock is held, so that the process is the one that is recorded and no later one of its number.
    const pid_t pid = read_record(fd).pid;
    const auto until = std::chrono::steady_clock::now() + kEndTime;
    if (pid > 0) ::kill(pid, SIGTERM);
    while (locked() && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (pid > 0 && locked()) {
      ::kill(pid, SIGKILL);
      flock(fd, LOCK_EX);
    }
  }
  close(fd);
}

base::Result<void> Claim::write() {
  const std::string text =
      Json{{"folder", record_.folder}, {"pid", record_.pid}, {"kept", record_.kept}}.dump() + "\n";
  if (ftruncate(fd_, 0) != 0 ||
      pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return failed(kFile);
  return {};
}

base::Result<void> Claim::begin() {
  std::string folder = std::string(kFolder) + "XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return failed(folder);  // mode 0700
  record_ = {folder, getpid(), false};
  return write();
}

void Claim::keep() {
  record_.kept = true;
  (void)write();
  close(std::exchange(fd_, -1));
}

void Claim::release() {
  if (fd_ < 0) return;
  std::error_code ignored;
  if (is_demo_folder(record_.folder)) std::filesystem::remove_all(record_.folder, ignored);
  unlink(kFile);
  close(std::exchange(fd_, -1));
  record_ = {};
}

}  // namespace entresol::cli::demo
