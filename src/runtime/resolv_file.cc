#include "runtime/resolv_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error_codes.h"
#include "io/fd.h"
#include "io/files.h"
#include "runtime/run_command.h"

namespace entresol::runtime {
namespace {

namespace code = base::code;
using Json = nlohmann::ordered_json;
using config::ResolvConf;

constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::string_view kKeptName = "/resolv.json";
// Both programs called resolvconf put what is called so before the servers of cards and radios.
constexpr const char* kRecord = "tun0.entresol";

// What stood at the file's place.
struct Kept {
  enum class Kind { kAbsent, kFile, kLink } kind = Kind::kAbsent;
  std::string target;  // of a link
  mode_t mode = 0644;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string content;  // as read, through the link
  std::string ours;     // what took its place
};

std::string to_base64(std::string_view text) {
  return base::to_base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string from_base64(const std::string& text) {
  base::Bytes octets;
  if (!base::from_base64(text, octets)) return "";
  return {octets.begin(), octets.end()};
}

std::string link_target(const std::string& path) {
  std::array<char, 4096> buffer;
  const ssize_t size = ::readlink(path.c_str(), buffer.data(), buffer.size());
  return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::string content_of(const std::string& path) {
  return io::read_text_file(path, kMaxFile).value_or("");
}

Kept look_at(const std::string& path) {
  Kept out;
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return out;
  out.kind = S_ISLNK(status.st_mode) ? Kept::Kind::kLink : Kept::Kind::kFile;
  out.target = link_target(path);
  if (::stat(path.c_str(), &status) == 0) {
    out.mode = status.st_mode & 07777;
    out.uid = status.st_uid;
    out.gid = status.st_gid;
  }
  out.content = content_of(path);
  return out;
}

Json to_json(const Kept& kept, const std::string& path) {
  return {{"file", path},
          {"kind", static_cast<int>(kept.kind)},
          {"target", kept.target},
          {"mode", kept.mode},
          {"uid", kept.uid},
          {"gid", kept.gid},
          {"content", to_base64(kept.content)},
          {"ours", to_base64(kept.ours)}};
}

std::optional<Kept> read_kept(const std::string& state, const std::string& path) {
  const Json json = Json::parse(content_of(state + std::string(kKeptName)), nullptr, false);
  try {
    Kept out;
    if (json.at("file") != path) return std::nullopt;
    const int kind = json.at("kind");
    if (kind < 0 || kind > 2) return std::nullopt;
    out.kind = static_cast<Kept::Kind>(kind);
    json.at("target").get_to(out.target);
    json.at("mode").get_to(out.mode);
    json.at("uid").get_to(out.uid);
    json.at("gid").get_to(out.gid);
    out.content = from_base64(json.at("content"));
    out.ours = from_base64(json.at("ours"));
    return out;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

tl::unexpected<base::Error> unwritable(const std::string& path, int error) {
  return io::system_failure(code::kFileUnwritable, "cannot write " + path, error);
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return ::fsync(fd) == 0;
}

// Where another file is mounted on this one (containers, `ip netns exec`) it cannot be replaced.
base::Result<void> write_in_place(const std::string& path, std::string_view text) {
  const io::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd || !write_all(fd.get(), text)) return unwritable(path, errno);
  return {};
}

base::Result<void> replace(const std::string& path, const Kept& like, std::string_view text) {
  const std::string temporary = path + ".entresol";
  ::unlink(temporary.c_str());
  io::UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    if (errno == EROFS || errno == EACCES) return write_in_place(path, text);
    return unwritable(temporary, errno);
  }
  const bool whole = write_all(fd.get(), text) && ::fchown(fd.get(), like.uid, like.gid) == 0 &&
                     ::fchmod(fd.get(), like.mode) == 0;
  if (whole && ::rename(temporary.c_str(), path.c_str()) == 0) return {};
  const int error = errno;
  ::unlink(temporary.c_str());
  if (whole && error == EBUSY) return write_in_place(path, text);
  return unwritable(path, error);
}

base::Result<void> restore(const std::string& path, const Kept& kept) {
  if (kept.kind == Kept::Kind::kFile) return replace(path, kept, kept.content);
  const std::string temporary = path + ".entresol";
  ::unlink(temporary.c_str());
  const bool done = kept.kind == Kept::Kind::kAbsent
                        ? ::unlink(path.c_str()) == 0
                        : ::symlink(kept.target.c_str(), temporary.c_str()) == 0 &&
                              ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!done) return unwritable(path, errno);
  return {};
}

// Whether the file is as a process left it that was killed: with its own text, or in the middle of writing in place.
bool left_behind(const Kept& kept, std::string_view now) {
  if (now == kept.ours) return true;
  return now.size() < kept.ours.size() && kept.kind == Kept::Kind::kFile &&
         (kept.ours.starts_with(now) || (now != kept.content && kept.content.starts_with(now)));
}

}  // namespace

base::Result<std::unique_ptr<ResolvFile>> ResolvFile::look(ResolvPlan plan) {
  std::unique_ptr<ResolvFile> self(new ResolvFile(std::move(plan)));
  const ResolvPlan& wanted = self->plan_;
  self->original_ = content_of(wanted.file);
  self->how_ = wanted.how;
  if (wanted.how == ResolvConf::kAuto) {
    switch (manager_of(self->original_, link_target(wanted.file))) {
      case Manager::kSystemdResolved:
        self->how_ =
            find_command("resolvectl").empty() ? ResolvConf::kPlain : ResolvConf::kSystemdResolved;
        break;
      case Manager::kResolvconf:
        self->how_ =
            find_command("resolvconf").empty() ? ResolvConf::kPlain : ResolvConf::kResolvconf;
        break;
      case Manager::kPlain:
        self->how_ = ResolvConf::kPlain;
    }
  }
  if (self->how_ != ResolvConf::kPlain) return self;
  if (const auto kept = read_kept(wanted.state, wanted.file);
      kept && left_behind(*kept, self->original_)) {
    self->original_ = kept->content;
  } else {
    self->original_ = without_server(self->original_);
  }
  return self;
}

std::vector<base::Endpoint> ResolvFile::servers() const {
  auto out = parse_servers(how_ == ResolvConf::kPlain ? original_ : content_of(plan_.file));
  std::erase_if(out,
                [&](const base::Endpoint& each) { return each.address == plan_.server.address; });
  return out;
}

base::Result<void> ResolvFile::install() {
  base::Result<void> done;
  const std::string server = io::to_text(plan_.server.address);
  if (how_ == ResolvConf::kSystemdResolved) {
    // A link's servers are asked for its domains alone, if these begin with '~'.
    const std::string with_port =
        plan_.server.port == config::kDnsPort ? server : io::to_text(plan_.server);
    std::vector<std::string> words{"resolvectl", "domain", plan_.interface};
    for (const std::string& domain : plan_.domains) words.push_back("~" + domain);
    done = run_command({"resolvectl", "dns", plan_.interface, with_port});
    if (done) done = run_command(words);
  } else if (how_ == ResolvConf::kResolvconf) {
    done = run_command({"resolvconf", "-a", kRecord},
                       "nameserver " + for_resolvconf(plan_.server.address) + "\n");
  } else if (how_ == ResolvConf::kPlain) {
    done = install_plain();
  }
  installed_ = done.has_value() && how_ != ResolvConf::kOff;
  return done;
}

base::Result<void> ResolvFile::install_plain() {
  Kept kept = look_at(plan_.file);
  if (const auto before = read_kept(plan_.state, plan_.file);
      before && left_behind(*before, kept.content)) {
    kept = *before;
  } else {
    kept.content = without_server(kept.content);
  }
  kept.ours = with_server(kept.content, plan_.server.address, plan_.domains);
  if (auto made = io::make_directories(plan_.state, 0700); !made) return made;
  if (auto written = io::write_text_file(plan_.state + std::string(kKeptName),
                                         to_json(kept, plan_.file).dump(), {0600});
      !written)
    return written;
  Kept readable = kept;
  readable.mode = kept.kind == Kept::Kind::kFile ? kept.mode : 0644;
  return replace(plan_.file, readable, kept.ours);
}

base::Result<bool> ResolvFile::put_back() {
  if (!std::exchange(installed_, false)) return true;
  base::Result<void> done;
  if (how_ == ResolvConf::kPlain) return put_back_plain();
  if (how_ == ResolvConf::kResolvconf) done = run_command({"resolvconf", "-d", kRecord});
  if (how_ == ResolvConf::kSystemdResolved)
    done = run_command({"resolvectl", "revert", plan_.interface});
  if (!done) return tl::unexpected(done.error());
  return true;
}

base::Result<bool> ResolvFile::put_back_plain() {
  const auto kept = read_kept(plan_.state, plan_.file);
  const bool untouched = kept && content_of(plan_.file) == kept->ours;
  if (untouched)
    if (auto restored = restore(plan_.file, *kept); !restored)
      return tl::unexpected(restored.error());
  (void)io::remove_file(plan_.state + std::string(kKeptName));
  return untouched;
}

bool ResolvFile::in_place() const {
  if (!installed_) return false;
  if (how_ == ResolvConf::kPlain) return is_ours(content_of(plan_.file));
  if (how_ == ResolvConf::kResolvconf)
    return content_of(plan_.file).find(for_resolvconf(plan_.server.address)) != std::string::npos;
  return true;
}

}  // namespace entresol::runtime
