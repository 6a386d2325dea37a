#include "runtime/enrolment.h"

#include <algorithm>

#include "io/clock.h"
#include "io/files.h"
#include "layer/membership/armor.h"
#include "runtime/files.h"

namespace entresol::runtime {
namespace {

namespace directory = layer::directory;
namespace membership = layer::membership;
using directory::Ask;

http::Destination destination_of(const config::LayerIdentity& config) {
  http::Destination destination;
  for (const config::Address& address : config.controller->addresses)
    destination.addresses.push_back({address.host, address.port});
  destination.pin = config.controller->pin;
  return destination;
}

EnrolmentCore::Now clocks() {
  return {io::now(), io::unix_nanos()};
}

}  // namespace

Enrolment::Enrolment(Runtime& runtime, layer::member::LayerIndex layer,
                     const config::LayerIdentity& config)
    : runtime_(runtime),
      layer_(layer),
      certificate_file_(config.certificate),
      learnt_(config.state),
      core_(runtime.member(), layer, runtime.is_node(), learnt_, *this),
      client_(runtime.loop(), destination_of(config)),
      watcher_(runtime.loop(), destination_of(config)) {
  timer_ = runtime.loop().add_timer([this] {
    core_.ask_due(clocks());
    wake();
  });
  save_timer_ = runtime.loop().add_timer([this] { save(); });
}

Enrolment::~Enrolment() {
  if (saving_.joinable()) saving_.join();
}

void Enrolment::start() {
  std::vector<membership::Objects> nodes;
  for (const std::string& file : learnt_.node_files())
    if (auto read = read_member(file))
      nodes.push_back({std::move(read->certificate), std::move(read->registration), {}, {}, {}});
  if (runtime_.is_node()) learnt_.load();
  core_.start(nodes, clocks());
  started_ = true;
  wake();
}

void Enrolment::nodes_wanted() {
  core_.nodes_wanted();
  wake();
}

void Enrolment::registration_changed() {
  core_.registration_changed();
  if (started_) wake();
}

void Enrolment::wake() {
  const base::UnixSeconds next = core_.next_timer();
  if (next == directory::Registrar::kNever) return runtime_.loop().disarm(timer_);
  const base::UnixSeconds wait = std::max<base::UnixSeconds>(0, next - io::unix_now());
  runtime_.loop().arm(timer_, io::now() + std::chrono::seconds(wait));
}

// ---- what the core wants -------------------------------------------------------------------------------------------

void Enrolment::ask(Ask ask, http::Request request, const http::Patience& patience) {
  http::Client& client = ask == Ask::kWatch ? watcher_ : client_;
  client.ask(std::move(request), patience, [this, ask](base::Result<http::Response> response) {
    answered(ask, std::move(response));
  });
}

void Enrolment::answered(Ask ask, base::Result<http::Response> response) {
  core_.answered(ask, std::move(response), clocks());
  runtime_.after_input();
  wake();
}

void Enrolment::set_policy(layer::policy::Policy policy, std::uint64_t revision) {
  runtime_.set_policy(layer_, std::move(policy), revision);
}

void Enrolment::set_services(std::vector<directory::CatalogueEntry> catalogue,
                             std::uint64_t revision) {
  if (deployment_ == nullptr) {
    Deployment::Outside outside;
    outside.want = [this](const crypto::Hash256& hash) {
      core_.package_wanted(hash);
      if (started_) wake();
    };
    outside.changed = [this] {
      core_.standing_changed();
      if (started_) wake();
    };
    outside.tell = [this](bool bad, const std::string& service, const std::string& text) {
      runtime_.log().write(bad ? config::LogLevel::kError : config::LogLevel::kInfo, "service",
                           io::now(), {{"service", service}, {"text", text}});
    };
    const auto& own = runtime_.member().membership(layer_).own();
    deployment_ = std::make_unique<Deployment>(runtime_.modules(), runtime_.loop(),
                                               learnt_.directory() + "/services", own.name,
                                               std::move(outside));
    runtime_.modules().at_standing_changed([this] {
      core_.standing_changed();
      wake();
    });
  }
  deployment_->set(std::move(catalogue), revision);
}

void Enrolment::take_package(const crypto::Hash256& hash, base::Bytes octets) {
  if (deployment_ != nullptr) deployment_->take_package(hash, std::move(octets));
}

Json Enrolment::standing() const {
  return deployment_ != nullptr ? deployment_->standing() : Json::object();
}

void Enrolment::nodes_changed() {
  if (nodes_changed_) nodes_changed_();
}

void Enrolment::keep_certificate(base::ByteView chain) {
  if (auto kept =
          io::write_text_file(certificate_file_, armored_chain(membership::kCertificate, chain));
      !kept)
    unwritable(kept.error());
}

void Enrolment::keep_node(const std::string& label, base::ByteView certificate,
                          base::ByteView registration) {
  if (auto kept = learnt_.keep_node(label, certificate, registration); !kept)
    unwritable(kept.error());
}

void Enrolment::keep_learnt(base::Duration wait) {
  if (wait == base::Duration(0) || !runtime_.loop().armed(save_timer_))
    runtime_.loop().arm(save_timer_, io::now() + wait);
}

void Enrolment::save() {
  save_again_ = saving_.joinable();
  if (save_again_) return;
  saving_ = std::thread(
      [this, mark = core_.mark(), directory = learnt_.directory(), text = learnt_.text()] {
        auto kept = Learnt::write(directory, text);
        runtime_.loop().post([this, mark, kept = std::move(kept)] { saved(mark, kept); });
      });
}

void Enrolment::saved(const EnrolmentCore::Mark& mark, const base::Result<void>& kept) {
  saving_.join();
  if (!kept) unwritable(kept.error());
  if (save_again_) save();
  core_.kept(mark, kept.has_value(), clocks());
  wake();
}

// ---- for people ----------------------------------------------------------------------------------------------------

void Enrolment::tell(config::LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) {
  runtime_.log().write(level, event, io::now(), fields);
}

void Enrolment::unwritable(const base::Error& error) {
  runtime_.log().write(config::LogLevel::kError, "state_unwritable", io::now(),
                       {{"error", error.message}});
}

Json Enrolment::status() const {
  const bool answers = core_.last_error().empty();
  Json out{{"controller", answers ? "answers" : "fails"},
           {"certificate_renews_at", core_.renews_at()}};
  if (!answers) out["controller_error"] = core_.last_error();
  if (runtime_.is_node()) out["directory_revision"] = learnt_.revision();
  if (deployment_ != nullptr) out["services"] = deployment_->standing();
  return out;
}

}  // namespace entresol::runtime
