// What the log tells: names of events and fields are listed in docs/operations.md.
#include "config/config.h"
#include "io/clock.h"
#include "io/endpoint_text.h"
#include "runtime/enrolment.h"
#include "runtime/runtime.h"

namespace entresol::runtime {
namespace {

using config::LogLevel;
using layer::forwarding::Link;
using layer::forwarding::LinkKind;
using layer::member::Happening;
using layer::member::LayerIndex;
using layer::member::Member;
using layer::member::Note;

constexpr base::Duration kEndingsInterval = std::chrono::hours(1);
constexpr base::UnixSeconds kSoon = 3 * 24 * 3600;

std::string label_of(const Member& member, const Link& link) {
  const auto* far = member.membership(link.layer).find(link.name);
  return far != nullptr ? far->label : "";
}

std::string endpoint_of(const security::Path& path) {
  return path.remote.port == 0 ? "" : io::to_text(path.remote);
}

const char* kind_of(const Link& link) {
  switch (link.kind) {
    case LinkKind::kGuest:
      return "guest";
    case LinkKind::kNode:
      return "node";
    default:
      return "host";
  }
}

const char* ending_of(Happening what) {
  switch (what) {
    case Happening::kGuestEnded:
      return "guest_ended";
    case Happening::kMemberRevoked:
      return "member_revoked";
    case Happening::kOwnEnded:
      return "own_certificate_ended";
    default:
      return "member_ended";
  }
}

}  // namespace

void Runtime::note(const Note& note) {
  const base::TimePoint now = io::now();
  if (note.what == Happening::kHandshakeRefused) {
    log_->write(LogLevel::kWarning, "handshake_refused", now,
                {{"from", endpoint_of(note.path)}, {"reason", base::to_string(note.reason)}});
    return;
  }
  const Link& link = member_->tables().links[note.link];
  const std::string layer = member_->label(note.layer), name = label_of(*member_, link),
                    address = wire::to_string(link.name);
  switch (note.what) {
    case Happening::kLinkUp:
      log_->write(
          LogLevel::kInfo, "link_up", now,
          {{"layer", layer},
           {"name", name},
           {"address", address},
           {"kind", kind_of(link)},
           {"protocol", link.protocol == security::Protocol::kNative ? "native" : "wireguard"},
           {"endpoint", endpoint_of(note.path)}});
      break;
    case Happening::kLinkDown:
      log_->write(LogLevel::kInfo, "link_down", now,
                  {{"layer", layer},
                   {"name", name},
                   {"address", address},
                   {"endpoint", endpoint_of(note.path)}});
      break;
    case Happening::kLinkMoved:
      log_->write(LogLevel::kInfo, "link_moved", now,
                  {{"layer", layer},
                   {"name", name},
                   {"address", address},
                   {"from", endpoint_of(link.path)},
                   {"to", endpoint_of(note.path)}});
      break;
    case Happening::kGuestEnded:
    case Happening::kMemberEnded:
    case Happening::kMemberRevoked:
    case Happening::kOwnEnded:
      log_->write(LogLevel::kWarning, ending_of(note.what), now,
                  {{"layer", layer},
                   {"name", note.label},
                   {"address", wire::to_string(note.name)},
                   {"reason", base::to_string(note.reason)}});
      break;
    case Happening::kRegistered:
      if (const auto at = enrolments_.find(note.layer); at != enrolments_.end())
        at->second->registration_changed();
      log_->write(
          LogLevel::kInfo, "registered", now,
          {{"layer", layer}, {"name", note.label}, {"address", wire::to_string(note.name)}});
      break;
    case Happening::kHandshakeRefused:
      break;
  }
}

void Runtime::log_start() {
  const base::TimePoint now = io::now();
  for (std::size_t i = 0; i < member_->layer_count(); ++i) {
    const auto index = static_cast<LayerIndex>(i);
    const auto& membership = member_->membership(index);
    log_->write(LogLevel::kInfo, "layer", now,
                {{"layer", member_->label(index)},
                 {"name", membership.own().label},
                 {"address", wire::to_string(membership.own().name)},
                 {"members", membership.all().size()}});
  }
  log_->write(LogLevel::kInfo, "started", now,
              {{"role", role_},
               {"port", socket_->local().port},
               {"gro", socket_->gro()},
               {"gso", socket_->gso()}});
  if (!common_.key_log.empty())
    log_->write(LogLevel::kWarning, "keys_are_logged", now, {{"file", common_.key_log}});
}

// One line an interval and reason, however many packets.
void Runtime::log_drops() {
  const base::DropCounters& drops = member_->counters().drops;
  for (std::size_t r = 1; r < base::kDropReasons; ++r) {
    const auto reason = static_cast<base::DropReason>(r);
    if (drops[reason] == drops_logged_[reason]) continue;
    log_->write(LogLevel::kWarning, "packets_dropped", io::now(),
                {{"reason", base::to_string(reason)},
                 {"packets", drops[reason] - drops_logged_[reason]},
                 {"in_all", drops[reason]}});
  }
  drops_logged_ = drops;
}

void Runtime::log_denials() {
  for (const service::Denial& denial : services_.rules().take_denials()) {
    const auto& membership = member_->membership(denial.layer);
    const auto text_of = [&](const wire::Name& name) {
      const auto* known = membership.find(name);
      return known != nullptr ? known->label : wire::to_string(name);
    };
    log_->write(LogLevel::kWarning, "flow_denied", io::now(),
                {{"layer", member_->label(denial.layer)},
                 {"rule", denial.rule},
                 {"from", text_of(denial.from)},
                 {"to", text_of(denial.to)},
                 {"protocol", denial.protocol},
                 {"port", denial.port}});
  }
}

// Who has to renew a certificate or grant by hand hears of it in time.
void Runtime::log_endings() {
  const base::TimePoint now = io::now();
  if (endings_logged_ != base::TimePoint{} && now < endings_logged_ + kEndingsInterval) return;
  endings_logged_ = now;
  const base::UnixSeconds today = io::unix_now();
  for (std::size_t i = 0; i < member_->layer_count(); ++i) {
    const auto index = static_cast<LayerIndex>(i);
    const auto& membership = member_->membership(index);
    const auto own = membership.trust().certificate(membership.own_certificate(), today);
    if (!own) {
      log_->write(LogLevel::kError, "certificate_ended", now,
                  {{"layer", member_->label(index)}, {"error", own.error().message}});
    } else if (!enrolments_.contains(index) && own->validity.not_after < today + kSoon) {
      log_->write(LogLevel::kWarning, "certificate_ends", now,
                  {{"layer", member_->label(index)}, {"in_s", own->validity.not_after - today}});
    }
    for (const auto& [name, member] : membership.all())
      if (member.guest && member.until < today + kSoon && today < member.until)
        log_->write(LogLevel::kWarning, "grant_ends", now,
                    {{"layer", member_->label(index)},
                     {"name", member.label},
                     {"in_s", member.until - today}});
  }
}

}  // namespace entresol::runtime
