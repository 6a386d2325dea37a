// Top to bottom: what is wanted, the steps to it, what is done in the other thread, what people are told.
#include "runtime/deployment.h"

#include <algorithm>
#include <filesystem>

#include "base/error_codes.h"
#include "io/files.h"
#include "service/packages/package.h"

namespace entresol::runtime {
namespace {

namespace code = base::code;
namespace directory = layer::directory;
namespace fs = std::filesystem;

constexpr std::size_t kMaxVersion = std::size_t{512} << 10;
constexpr std::string_view kPackage = ".esvc";

std::string_view to_text(service::Standing standing) {
  switch (standing) {
    case service::Standing::kRunning:
      return "running";
    case service::Standing::kResting:
      return "resting";
    case service::Standing::kQuarantined:
      return "quarantined";
  }
  return "?";
}

std::string text_of(const service::Fault& fault) {
  std::string text = fault.what;
  if (!fault.backtrace.empty()) text += ", at " + fault.backtrace.front();
  return text;
}

bool same_code_and_values(const directory::ServiceVersion& a, const directory::ServiceVersion& b) {
  return a.package == b.package && a.config == b.config;
}

}  // namespace

Deployment::Deployment(ModuleRunner& runner, io::EventLoop& loop, std::string directory,
                       const wire::Name& own, Outside outside)
    : runner_(runner),
      loop_(loop),
      directory_(std::move(directory)),
      own_(own),
      outside_(std::move(outside)) {}

Deployment::~Deployment() {
  if (working_.joinable()) working_.join();
}

std::string Deployment::package_file(const crypto::Hash256& hash) const {
  return directory_ + "/" + base::to_hex(hash) + std::string(kPackage);
}

std::string Deployment::good_file(std::uint32_t id) const {
  return directory_ + "/" + std::to_string(id) + ".good";
}

Deployment::Wanted* Deployment::wanted(std::uint32_t id) {
  const auto found = wanted_.find(id);
  return found == wanted_.end() ? nullptr : &found->second;
}

// ---- what is wanted ----------------------------------------------------------------------------------------------

void Deployment::set(std::vector<Entry> catalogue, std::uint64_t revision) {
  std::map<std::uint32_t, Wanted> next;
  needed_.clear();
  for (Entry& entry : catalogue) {
    if (!entry.meant_for(own_)) continue;
    needed_.insert(entry.current.package);
    if (entry.previous) needed_.insert(*entry.previous);
    const Wanted* before = wanted(entry.id);
    // One that was refused is not tried again because another one changed, but for what was lacking: that may have come.
    const bool lacking =
        before != nullptr && before->why && before->why->code == code::kServicePackage;
    const bool same = before != nullptr && !lacking && before->entry.publisher == entry.publisher &&
                      same_code_and_values(before->entry.current, entry.current);
    Wanted& fresh = next[entry.id];
    if (same) fresh = *before;
    fresh.entry = std::move(entry);
  }
  wanted_ = std::move(next);
  revision_ = revision;
  cleaned_ = false;
  step();
  outside_.changed();
}

void Deployment::take_package(const crypto::Hash256& hash, base::Bytes octets) {
  // Of a catalogue that holds no more.
  if (!needed_.contains(hash)) return;
  if (crypto::sha256(octets) != hash) {
    for (auto& [id, each] : wanted_)
      if (each.entry.current.package == hash && std::exchange(each.asked, false))
        refuse(each.entry, false,
               {std::string(code::kServicePackage),
                octets.empty() ? "the controller has no such package"
                               : "what the controller sent is another package"});
    return step();
  }
  arrived_.push_back(std::make_shared<const base::Bytes>(std::move(octets)));
  step();
}

// ---- the steps ---------------------------------------------------------------------------------------------------

// The next thing that is to be done, if nothing is under way.
void Deployment::step() {
  if (busy()) return;
  if (!arrived_.empty()) {
    const auto octets = std::move(arrived_.front());
    arrived_.pop_front();
    return keep(octets);
  }
  std::erase_if(runs_, [&](const auto& each) {
    const bool gone = !wanted_.contains(each.first);
    if (gone) {
      runner_.withdraw(each.first);
      outside_.tell(false, std::to_string(each.first), "removed");
    }
    return gone;
  });
  for (auto& [id, each] : wanted_) {
    if (each.state != State::kWaiting || each.asked) continue;
    const auto runs = runs_.find(id);
    if (runs != runs_.end() && same_code_and_values(runs->second, each.entry.current)) {
      each.state = State::kAccepted;
      outside_.changed();
      continue;
    }
    return begin(each.entry, false);
  }
  if (!cleaned_) clean();
}

// The step after it finds the package on the disk.
void Deployment::keep(const std::shared_ptr<const base::Bytes>& octets) {
  work([this, octets]() -> std::function<void()> {
    const crypto::Hash256 hash = crypto::sha256(*octets);
    base::Result<void> kept = io::make_directories(directory_, 0700);
    if (kept) kept = io::write_file(package_file(hash), *octets, {0600, true});
    return [this, hash, kept] {
      for (auto& [id, each] : wanted_) {
        if (each.entry.current.package != hash || !std::exchange(each.asked, false)) continue;
        if (!kept) refuse(each.entry, false, kept.error());
      }
    };
  });
}

// `job` in the thread; what it returns, and then the next step, in this one.
void Deployment::work(std::function<std::function<void()>()> job) {
  working_ = std::thread([this, job = std::move(job)] {
    loop_.post([this, then = job()] {
      working_.join();
      then();
      step();
    });
  });
}

void Deployment::begin(const Entry& entry, bool stand_in) {
  if (auto begun = runner_.begin(); !begun) {
    refuse(entry, stand_in, begun.error());
    return step();
  }
  work([this, entry, stand_in]() -> std::function<void()> {
    auto found = std::make_shared<Read>(read(entry));
    return [this, entry, stand_in, found] { read_done(entry, stand_in, *found); };
  });
}

void Deployment::read_done(const Entry& entry, bool stand_in, const Read& read) {
  Wanted* now = wanted(entry.id);
  // Something else is wanted by now.
  if (now == nullptr || (!stand_in && !(now->entry == entry))) return;
  if (read.absent && !stand_in) {
    now->asked = true;
    return outside_.want(entry.current.package);
  }
  if (!read.ready) return refuse(entry, stand_in, read.ready.error());
  // Another layer's: `check` knows those of the configuration.
  if (runner_.deployed(entry.id) && !runs_.contains(entry.id))
    return refuse(entry, stand_in,
                  {std::string(code::kConfigBadValue), "another layer's service has its id here"});
  if (auto fits = runner_.check(read.ready->manifest, entry.current.config); !fits)
    return refuse(entry, stand_in, fits.error());
  starting_ = true;
  runner_.deploy(read.ready->manifest, read.ready->code, entry.current.config,
                 [this, entry, stand_in](const std::optional<service::Fault>& fault) {
                   starting_ = false;
                   started(entry, stand_in, fault);
                   step();
                 });
}

void Deployment::started(const Entry& entry, bool stand_in,
                         const std::optional<service::Fault>& fault) {
  if (fault) return refuse(entry, stand_in, {std::string(code::kServiceStart), text_of(*fault)});
  runs_[entry.id] = entry.current;
  outside_.tell(false, entry.name, "runs version " + std::to_string(entry.current.version));
  if (!stand_in) {
    Wanted* now = wanted(entry.id);
    if (now != nullptr && now->entry == entry) now->state = State::kAccepted;
    remember(entry);
  }
  outside_.changed();
}

// The version before goes on to run; without one, at a start, the one that ran last does.
void Deployment::refuse(const Entry& entry, bool stand_in, base::Error why) {
  outside_.tell(true, entry.name,
                "version " + std::to_string(entry.current.version) +
                    " does not run here: " + why.code + " " + why.message);
  if (stand_in) return;
  if (Wanted* now = wanted(entry.id); now != nullptr && now->entry == entry) {
    now->state = State::kRefused;
    now->why = std::move(why);
  }
  outside_.changed();
  if (!runs_.contains(entry.id) && !busy()) stand_in_for(entry);
}

void Deployment::stand_in_for(const Entry& entry) {
  auto octets = io::read_file(good_file(entry.id), kMaxVersion);
  if (!octets) return;
  auto version = directory::parse_version(*octets);
  if (!version || version->package == entry.current.package) return;
  Entry good = entry;
  good.current = std::move(*version);
  needed_.insert(good.current.package);
  begin(good, true);
}

void Deployment::remember(const Entry& entry) {
  work([this, id = entry.id, octets = directory::emit_version(entry.current)] {
    const auto kept = io::write_file(good_file(id), octets, {0600, true});
    return [this, kept] {
      if (!kept) outside_.tell(true, "", kept.error().message);
    };
  });
}

// Packages that nothing names any more. What runs although another one is wanted is kept.
void Deployment::clean() {
  cleaned_ = true;
  std::set<std::string> keep;
  for (const crypto::Hash256& hash : needed_) keep.insert(package_file(hash));
  for (const auto& [id, version] : runs_) keep.insert(package_file(version.package));
  for (const auto& [id, each] : wanted_) keep.insert(good_file(id));
  work([this, keep = std::move(keep)]() -> std::function<void()> {
    std::error_code failed;
    std::vector<fs::path> old;
    for (const auto& entry : fs::directory_iterator(directory_, failed))
      if (!keep.contains(entry.path().string())) old.push_back(entry.path());
    for (const fs::path& path : old) fs::remove(path, failed);
    return [] {};
  });
}

// ---- in the other thread -----------------------------------------------------------------------------------------

Deployment::Read Deployment::read(const Entry& entry) const {
  const std::string file = package_file(entry.current.package);
  std::error_code failed;
  if (!fs::exists(file, failed))
    return {base::fail(code::kServicePackage, "its package is not here"), true};
  auto octets = io::read_file(file, directory::kMaxPackage);
  if (!octets || crypto::sha256(*octets) != entry.current.package) {
    // Damaged: fetched again.
    fs::remove(file, failed);
    return {base::fail(code::kServicePackage, "its package is damaged"), true};
  }
  return {verify(entry, *octets), false};
}

base::Result<Deployment::Ready> Deployment::verify(const Entry& entry,
                                                   base::ByteView octets) const {
  auto package = service::packages::parse_package(octets);
  if (!package) return tl::unexpected(package.error());
  auto file = config::parse_service(package->manifest, "service.yaml");
  if (!file) return tl::unexpected(file.error());
  const service::Manifest& manifest = file->manifest;
  if (package->publisher != entry.publisher || manifest.id != entry.id ||
      manifest.name != entry.name || manifest.version != entry.current.version)
    return base::fail(code::kServicePackage, "the package is that of '" + manifest.name +
                                                 "' version " + std::to_string(manifest.version) +
                                                 ", which the catalogue does not name");
  auto code = runner_.prepare(package->module);
  if (!code) return tl::unexpected(code.error());
  return Ready{manifest, std::move(*code)};
}

// ---- for people --------------------------------------------------------------------------------------------------

Json Deployment::standing() const {
  Json services = Json::array();
  for (const auto& [id, each] : wanted_) {
    Json one{{"id", id},
             {"name", each.entry.name},
             {"version", each.entry.current.version},
             {"state", each.state == State::kAccepted  ? "accepted"
                       : each.state == State::kRefused ? "refused"
                                                       : "waiting"}};
    if (each.why) {
      one["code"] = each.why->code;
      one["reason"] = each.why->message;
    }
    const auto runs = runs_.find(id);
    one["runs"] = runs == runs_.end() ? 0 : runs->second.version;
    if (runs != runs_.end()) {
      one["runner"] = "thread";
      one["module"] = base::to_hex(runs->second.module);
      const auto& reports = runner_.reports();
      const auto report = std::ranges::find(reports, id, &service::Report::id);
      if (report != reports.end()) one["standing"] = to_text(report->standing);
    }
    services.push_back(std::move(one));
  }
  return {{"revision", revision_}, {"services", std::move(services)}};
}

}  // namespace entresol::runtime
