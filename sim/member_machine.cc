#include "member_machine.h"

#include "crypto/x25519.h"
#include "layer/directory/base64url.h"
#include "layer/directory/token.h"
#include "layer/inner/offload.h"
#include "runtime/link_size.h"
#include "service/trusted.h"
#include "services/ip_delivery/ip_delivery.h"

namespace entresol::sim {
namespace {

namespace membership = layer::membership;
namespace member = layer::member;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint16_t kUnderlayMtu = 1500;
constexpr base::UnixSeconds kLease = 24 * 3600;
constexpr std::size_t kRoom = 64;  // before an application's packet, for headers

member::MemberConfig config_of(bool node) {
  member::MemberConfig config;
  config.node = node;
  config.cache_entries = node ? 4096 : 256;
  return config;
}

membership::Identity make_identity(base::RandomSource& random) {
  membership::Identity out;
  out.identity = crypto::ed25519_keypair(random.bytes<32>());
  crypto::X25519KeyPair native = crypto::x25519_keypair(random.bytes<32>());
  out.native_public = native.public_key;
  out.native_private = native.secret;
  return out;
}

base::Bytes octets(const Json& text) {
  base::Bytes out;
  directory::from_base64url(text.get<std::string>(), out);
  return out;
}

}  // namespace

MemberMachine::Process::Process(MemberMachine& machine)
    : member(config_of(machine.birth_.node), services, machine, machine.random_),
      learnt(""),
      enrolment(member, 0, machine.birth_.node, learnt, machine) {
  services.add(::entresol::service::trusted(
      *entresol_service_ip_delivery(), "ip-delivery", 1,
      ::entresol::service::fields_of({::entresol::service::Field::kDestination}), machine.random_));
}

MemberMachine::MemberMachine(Timeline& timeline, Underlay& underlay, ControllerMachine& controller,
                             Observer& observer, Birth birth)
    : timeline_(timeline),
      underlay_(underlay),
      controller_(controller),
      observer_(observer),
      birth_(std::move(birth)),
      random_(birth_.seed),
      timer_(timeline.add_station([this] { due(); })),
      station_(underlay.add(birth_.site, [this](Underlay::Datagram& d) { receive(d); })) {
  disk_.identity = make_identity(random_);
  name_ = membership::name_of(membership::layer_id_of(controller.root()), membership::kSuiteEd25519,
                              disk_.identity.identity.public_key);
  underlay_.set_up(station_, false);
}

// ---- joining, as `entresol join` does -------------------------------------------------------------------------------

void MemberMachine::give_token(const std::string& text) {
  const auto token = directory::parse_token(text);
  secret_ = directory::to_base64url(token->secret);
  if (up_ && !joined()) ask_to_join();
}

void MemberMachine::ask_to_join() {
  if (secret_.empty()) return;
  const Json body{{"token", secret_},
                  {"role", birth_.node ? "node" : "host"},
                  {"identity", directory::to_base64url(disk_.identity.identity.public_key)},
                  {"label", birth_.label}};
  http::Request request;
  request.method = "POST";
  request.target = "/v1/join";
  request.body = body.dump();
  controller_.ask(station_, std::move(request), {},
                  [this, life = life_](base::Result<http::Response> response) {
                    if (life != life_ || joined()) return;
                    const auto answer = http::check(std::move(response));
                    if (answer) return take_admission(*answer);
                    observer_.refused(*this, answer.error().code);
                    timeline_.after(seconds(1 + random_.below(3)), [this, life] {
                      if (life == life_ && !joined()) ask_to_join();
                    });
                  });
}

void MemberMachine::take_admission(const http::Response& response) {
  const Json answer = Json::parse(response.body);
  disk_.certificate = octets(answer["member"]["certificate"]);
  const membership::Trust trust(controller_.root());
  const base::UnixSeconds now = unix_nanos() / 1'000'000'000;
  for (const Json& node : answer["nodes"]) {
    const base::Bytes certificate = octets(node["certificate"]);
    if (const auto trusted = trust.certificate(certificate, now))
      disk_.nodes[trusted->label] = {certificate, octets(node["registration"]), {}, {}, {}};
  }
  observer_.joined(*this, answer);
  start_process();
}

// ---- life and death ------------------------------------------------------------------------------------------------

void MemberMachine::start() {
  if (up_) return;
  up_ = true;
  underlay_.set_up(station_, true);
  if (!joined()) return ask_to_join();
  start_process();
}

void MemberMachine::kill() {
  if (!up_) return;
  up_ = false;
  ++life_;
  process_.reset();
  client_ = {};
  watcher_ = {};
  underlay_.set_up(station_, false);
  timeline_.arm(timer_, base::kNever);
}

// As runtime/files.h reads it from files.
member::LayerSetup MemberMachine::setup() const {
  member::LayerSetup out{.label = "edge",
                         .trust = membership::Trust(controller_.root()),
                         .identity = disk_.identity,
                         .certificate_chain = disk_.certificate,
                         .sequence = static_cast<std::uint64_t>(unix_nanos()),
                         .lease_end = unix_nanos() / 1'000'000'000 + kLease,
                         .attachments = {},
                         .reset_secret = disk_.identity.native_private,
                         .timing = {}};
  if (birth_.node) out.endpoints = {address()};
  return out;
}

void MemberMachine::start_process() {
  process_ = std::make_unique<Process>(*this);
  Process& process = *process_;
  const auto now = clocks();
  const auto added = process.member.add_layer(setup(), now.unix_seconds());
  if (!added) {
    process_.reset();
    observer_.refused(*this, "does not start: " + added.error().message);
    return;
  }
  const auto& own = process.member.membership(0).own();
  addresses_.ipv6 = own.name.octets;
  addresses_.ipv4 = own.ipv4;
  std::vector<membership::Objects> nodes;
  nodes.reserve(disk_.nodes.size());
  for (const auto& [label, objects] : disk_.nodes) nodes.push_back(objects);
  if (birth_.node) {
    process.learnt.take(disk_.directory);
    const auto size = *runtime::link_max_packet(kUnderlayMtu, false);
    process.member.set_accepted_max_packet(size, size);
  }
  process.enrolment.start(nodes, now);
  if (!birth_.node) {
    process.way_in.emplace(process.member, 0, random_, [](const base::Endpoint&) {
      return runtime::link_max_packet(kUnderlayMtu, false);
    });
    process.way_in->follow_directory([this] { process_->enrolment.nodes_wanted(); });
    (void)process.way_in->start(timeline_.now);
  }
  process.member.tick(timeline_.now, unix_nanos());
  settle();
}

std::optional<wire::Name> MemberMachine::node() const {
  if (!running() || !process_->way_in || !process_->way_in->selector().dialled())
    return std::nullopt;
  return process_->way_in->selector().dialled()->node;
}

// ---- the loop ------------------------------------------------------------------------------------------------------

void MemberMachine::receive(Underlay::Datagram& datagram) {
  if (!running()) return;
  layer::forwarding::InBurst burst;
  burst.data = datagram.bytes.data();
  burst.length = burst.segment = static_cast<std::uint32_t>(datagram.bytes.size());
  burst.traffic_class = datagram.traffic_class;
  burst.path = {datagram.from, {}};
  from_ = datagram.from;
  member().receive(std::span(&burst, 1), timeline_.now, unix_nanos());
  settle();
}

void MemberMachine::due() {
  if (!running()) return;
  Process& process = *process_;
  if (process.member.next_timer() <= timeline_.now)
    process.member.tick(timeline_.now, unix_nanos());
  if (process.way_in && process.way_in->next() <= timeline_.now)
    (void)process.way_in->act(timeline_.now);
  if (process.enrolment.next_timer() <= clocks().unix_seconds())
    process.enrolment.ask_due(clocks());
  if (process.save_at && *process.save_at <= timeline_.now) save();
  settle();
}

// What the runtime does after all input, and at the end of a round.
void MemberMachine::settle() {
  Process& process = *process_;
  const auto tick = [&] {
    if (process.member.work_waits()) process.member.tick(timeline_.now, unix_nanos());
  };
  tick();
  if (process.way_in && !process.member.probe_answers(0).empty()) {
    (void)process.way_in->act(timeline_.now);
    tick();
  }
  base::TimePoint next = process.member.work_waits() ? timeline_.now : process.member.next_timer();
  if (process.way_in) next = std::min(next, process.way_in->next());
  if (process.save_at) next = std::min(next, *process.save_at);
  if (const base::UnixSeconds ask = process.enrolment.next_timer();
      ask != directory::Registrar::kNever)
    next = std::min(next, timeline_.now + std::max<base::Duration>(
                                              base::Duration(0),
                                              base::Duration(ask * 1'000'000'000 - unix_nanos())));
  timeline_.arm(timer_, next);
}

void MemberMachine::send(const base::Bytes& packet) {
  base::Bytes room(kRoom);
  room.insert(room.end(), packet.begin(), packet.end());
  std::array<std::uint8_t, layer::inner::kVnetHeader> header{};
  layer::inner::emit({}, header.data());
  (void)member().from_application(0, base::MutableBytes(room).subspan(kRoom), header, timeline_.now,
                                  unix_nanos());
  member().flush(timeline_.now, unix_nanos());
  settle();
}

void MemberMachine::rekey() {
  member().rekey(timeline_.now, unix_nanos());
  settle();
}

void MemberMachine::send(const layer::forwarding::OutBurst& burst, const security::Path& path) {
  for (std::uint32_t at = 0; at < burst.length; at += burst.segment)
    underlay_.send(station_, path.remote,
                   {burst.data + at, std::min<std::size_t>(burst.segment, burst.length - at)},
                   burst.traffic_class);
}

void MemberMachine::send_datagram(base::ByteView datagram, const security::Path& path) {
  underlay_.send(station_, path.remote, datagram, 0);
}

void MemberMachine::deliver(member::LayerIndex, const layer::inner::InsidePacket& packet) {
  observer_.delivered(*this, from_, packet.bytes);
}

void MemberMachine::note(const member::Note& note) {
  if (note.what == member::Happening::kRegistered && process_)
    process_->enrolment.registration_changed();
}

// ---- what the enrolment wants --------------------------------------------------------------------------------------

void MemberMachine::ask(Ask ask, http::Request request, const http::Patience& patience) {
  Client& client = ask == Ask::kWatch ? watcher_ : client_;
  client.queue.push_back({ask, std::move(request), patience});
  next_request(client);
}

void MemberMachine::next_request(Client& client) {
  if (client.busy || client.queue.empty()) return;
  client.busy = true;
  Asked next = std::move(client.queue.front());
  client.queue.pop_front();
  controller_.ask(station_, std::move(next.request), next.patience,
                  [this, life = life_, &client, ask = next.ask](base::Result<http::Response> got) {
                    if (life != life_) return;
                    client.busy = false;
                    process_->enrolment.answered(ask, std::move(got), clocks());
                    next_request(client);
                    settle();
                  });
}

void MemberMachine::set_policy(layer::policy::Policy policy, std::uint64_t revision) {
  process_->services.rules().set(0, std::move(policy), revision, member().membership(0));
}

void MemberMachine::nodes_changed() {
  if (process_->way_in) process_->way_in->nodes_changed(timeline_.now);
}

void MemberMachine::tell(config::LogLevel level, std::string_view event,
                         std::initializer_list<runtime::LogField> fields) {
  if (level == config::LogLevel::kError)
    observer_.refused(*this, runtime::log_text(event, fields, 0));
}

void MemberMachine::keep_certificate(base::ByteView chain) {
  disk_.certificate.assign(chain.begin(), chain.end());
}

void MemberMachine::keep_node(const std::string& label, base::ByteView certificate,
                              base::ByteView registration) {
  disk_.nodes[label] = {{certificate.begin(), certificate.end()},
                        {registration.begin(), registration.end()},
                        {},
                        {},
                        {}};
}

void MemberMachine::keep_learnt(base::Duration wait) {
  auto& at = process_->save_at;
  if (wait == base::Duration(0) || !at) at = timeline_.now + wait;
}

// The disk takes its time, and the power may go meanwhile.
void MemberMachine::save() {
  process_->save_at.reset();
  process_->save_again = process_->saving;
  if (process_->saving) return;
  process_->saving = true;
  const auto takes = milliseconds(1 + random_.below(random_.chance(80) ? 50 : 2000));
  timeline_.after(takes, [this, life = life_, mark = process_->enrolment.mark(),
                          text = process_->learnt.text()] {
    if (life != life_) return;
    disk_.directory = text;
    process_->saving = false;
    if (process_->save_again) save();
    process_->enrolment.kept(mark, true, clocks());
    settle();
  });
}

}  // namespace entresol::sim
