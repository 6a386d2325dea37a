#include "controller_machine.h"

#include <stdexcept>

#include "base/error_codes.h"
#include "http/codec.h"
#include "layer/policy/policy.h"

namespace entresol::sim {
namespace {

namespace membership = layer::membership;
using std::chrono::seconds;

constexpr base::Duration kExpireInterval = std::chrono::minutes(1);
constexpr std::string_view kHost = "192.0.2.1:4851";
constexpr std::string_view kDate = "Tue, 14 Nov 2023 22:13:20 GMT";
constexpr base::UnixSeconds kDelegated = 10L * 365 * 24 * 3600;

base::Result<void> check_policy(std::string_view text) {
  auto policy = layer::policy::parse(text);
  if (!policy) return tl::unexpected(policy.error());
  return {};
}

base::ByteView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <typename T>
T need(base::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace

std::int64_t unix_nanos_at(base::TimePoint now) {
  return kEpoch * 1'000'000'000 + (now - base::TimePoint{seconds(1000)}).count();
}

struct ControllerMachine::Conversation {
  std::uint64_t id = 0;
  Underlay::StationId from = 0;
  http::Request request;
  Answered answered;
  base::TimePoint ends{};
  bool over = false;

  void end(base::Result<http::Response> result) {
    if (over) return;
    over = true;
    answered(std::move(result));
  }
};

class ControllerMachine::Responder final : public http::Responder {
 public:
  Responder(ControllerMachine& machine, std::shared_ptr<Conversation> conversation)
      : machine_(machine), life_(machine.life_), conversation_(std::move(conversation)) {}
  void answer(http::Response response) override {
    if (life_ == machine_.life_ && !machine_.disk_.dead())
      machine_.answer(conversation_, std::move(response));
  }
  void vouch() override {}
  bool waiting() const override { return !conversation_->over; }

 private:
  ControllerMachine& machine_;
  std::uint64_t life_;
  std::shared_ptr<Conversation> conversation_;
};

ControllerMachine::ControllerMachine(Timeline& timeline, Underlay& underlay, std::uint64_t seed,
                                     std::size_t site, base::UnixSeconds certificate_lifetime,
                                     const std::string& policy)
    : timeline_(timeline),
      underlay_(underlay),
      random_(seed),
      disk_(seed + 1),
      root_key_(crypto::ed25519_keypair(random_.bytes<32>())),
      operator_(crypto::ed25519_keypair(random_.bytes<32>())),
      station_(underlay.add(site, [](Underlay::Datagram&) {})),
      timer_(timeline.add_station([this] { due(); })) {
  root_ = root_key_.public_key;
  membership::Delegation body;
  body.layer = membership::layer_id_of(root_);
  body.operator_key = operator_.public_key;
  body.validity = {today() - directory::kClockSkew, today() + kDelegated};
  body.label = "edge";
  delegation_ = need(membership::sign(body, root_key_)).octets();
  directory::Settings settings;
  settings.layer = body.layer;
  settings.label = "edge";
  settings.domain = "edge.internal";
  settings.pool = {{100, 64, 0, 0}, 10};
  settings.lifetime = certificate_lifetime;
  store_ = need(store::SqliteStore::open({"store", disk_.name(), true}));
  need(store_->commit(need(directory::Authority::found(settings, policy, today()))));
  open_authority();
  bearer_ = need(directory::settle(
                     *authority_, *store_,
                     authority_->create_api_token(
                         {"admin", static_cast<directory::Scopes>(directory::Scope::kAdmin), 0},
                         today())))
                .text;
  shut_down();
  start();
}

ControllerMachine::~ControllerMachine() = default;

void ControllerMachine::open_authority() {
  authority_ = std::make_unique<directory::Authority>(need(directory::Authority::open(
      {root_, operator_, delegation_}, need(store_->load()), random_, check_policy)));
}

// ---- life and death ------------------------------------------------------------------------------------------------

void ControllerMachine::start() {
  if (up()) return;
  store_ = need(store::SqliteStore::open({"store", disk_.name(), true}));
  open_authority();
  controller::ApiConfig config;
  config.advertise = {{"192.0.2.1", 4851}};
  api_ = std::make_unique<controller::Api>(config, *authority_, *store_);
  expires_at_ = timeline_.now + kExpireInterval;
  timeline_.arm(timer_, expires_at_);
  if (on_started) on_started();
}

void ControllerMachine::shut_down() {
  ++life_;
  api_.reset();
  store_.reset();
}

void ControllerMachine::kill(bool some) {
  if (!up()) return;
  ++deaths;
  if (!disk_.dead()) disk_.die_at(0);
  shut_down();
  disk_.crash(some);
  timeline_.arm(timer_, base::kNever);
  // Connections are reset as far as that reaches their clients.
  for (const auto& [id, conversation] : std::exchange(open_, {}))
    if (const auto leg = underlay_.carry(station_, conversation->from, seconds(5)))
      timeline_.after(*leg, [conversation] {
        conversation->end(base::fail(base::code::kHttpBadAnswer, "the connection was reset"));
      });
}

void ControllerMachine::due() {
  if (!up()) return;
  if (timeline_.now >= expires_at_) {
    expires_at_ = timeline_.now + kExpireInterval;
    (void)api_->upkeep(today());
  }
  end_of_round();
}

// As the role's loop does it.
void ControllerMachine::end_of_round() {
  api_->end_of_round(today());
  if (disk_.dead()) {
    kill(random_.chance(50));
    if (on_died) on_died();
    return;
  }
  base::TimePoint next = expires_at_;
  if (const auto watch = api_->next_timer())
    next = std::min(next, timeline_.now + std::max<base::Duration>(seconds(*watch - today()),
                                                                   std::chrono::seconds(1)));
  timeline_.arm(timer_, next);
}

// ---- requests ------------------------------------------------------------------------------------------------------

void ControllerMachine::ask(Underlay::StationId from, http::Request request,
                            const http::Patience& patience, Answered answered) {
  auto conversation = std::make_shared<Conversation>();
  conversation->id = ++conversations_;
  conversation->from = from;
  conversation->answered = std::move(answered);
  conversation->ends = timeline_.now + patience.answer;
  const std::string octets = need(http::emit(request, kHost));
  conversation->request = std::move(request);
  underlay_.count(Kind::kRequest, octets.size());
  const auto leg = underlay_.carry(from, station_, patience.connect);
  if (!leg) {
    timeline_.after(patience.connect, [conversation] {
      conversation->end(base::fail(base::code::kHttpUnreachable, "the controller is not there"));
    });
    return;
  }
  timeline_.at(conversation->ends, [conversation] {
    conversation->end(base::fail(base::code::kHttpTimeout, "no answer in time"));
  });
  timeline_.after(*leg, [this, conversation] { arrived(conversation); });
}

void ControllerMachine::arrived(const std::shared_ptr<Conversation>& conversation) {
  if (conversation->over) return;
  if (!up()) {
    timeline_.after(std::chrono::milliseconds(20), [conversation] {
      conversation->end(base::fail(base::code::kHttpUnreachable, "nobody listens"));
    });
    return;
  }
  ++handled;
  open_[conversation->id] = conversation;
  underlay_.note(view(conversation->request.target));
  underlay_.note(view(conversation->request.body));
  const http::Request& request = conversation->request;
  api_->handle(request, std::make_shared<Responder>(*this, conversation), today());
  end_of_round();
  if (up() && on_handled) on_handled(conversation->from, request);
}

void ControllerMachine::answer(const std::shared_ptr<Conversation>& conversation,
                               http::Response response) {
  open_.erase(conversation->id);
  if (conversation->over) return;
  full_disks += response.status == 507;
  underlay_.count(Kind::kAnswer, http::emit(response, true, kDate).size());
  underlay_.note(view(response.body));
  const auto leg =
      underlay_.carry(station_, conversation->from, conversation->ends - timeline_.now);
  if (!leg) return;
  timeline_.after(*leg, [conversation, response = std::move(response)]() mutable {
    conversation->end(std::move(response));
  });
}

}  // namespace entresol::sim
