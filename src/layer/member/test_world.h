// Members joined by a network in memory, under virtual time: for this folder's tests and the simulator. Everything that is
// random comes from the seed, so one seed is one run.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "layer/inner/offload.h"
#include "layer/inner/segment.h"
#include "layer/member/member.h"
#include "layer/membership/test_authority.h"
#include "security/lanes.h"
#include "service/dispatcher.h"
#include "service/trusted.h"
#include "services/ip_delivery/ip_delivery.h"

namespace entresol::layer::member::test {

using base::Bytes;
using base::DropReason;
using membership::test::Authority;
using membership::test::kDay;
using membership::test::kNow;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr std::uint16_t kMaxPacket = 1444;

inline base::Endpoint endpoint(std::uint16_t number) {
  return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, static_cast<std::uint8_t>(number)},
          4850};
}

struct Datagram {
  base::TimePoint at{};
  std::uint64_t order = 0;
  base::Endpoint from, to;
  std::uint8_t traffic_class = 0;
  Bytes bytes;
};

class World;

// What has an address on the network.
class Station {
 public:
  Station(World& world, const base::Endpoint& address);
  virtual ~Station();
  virtual void receive(std::vector<Datagram>& datagrams) = 0;
  virtual base::TimePoint next_timer() const = 0;
  virtual void tick() = 0;
  const base::Endpoint& address() const { return address_; }

 protected:
  World& world_;
  base::Endpoint address_;
};

class World {
 public:
  explicit World(std::uint64_t seed) : random(seed) {}

  std::int64_t unix_nanos() const {
    return kNow * 1'000'000'000 + (now - base::TimePoint{seconds(1000)}).count();
  }
  base::UnixSeconds unix_seconds() const { return unix_nanos() / 1'000'000'000; }
  void add(Station* station) { stations_[station->address()] = station; }
  void remove(const base::Endpoint& address) { stations_.erase(address); }

  // `network` may drop (false), change or delay each datagram, and add copies with put().
  std::function<bool(Datagram&)> network;
  std::function<void(const Datagram&)> tap;  // sees what arrives

  void send(const base::Endpoint& from, const base::Endpoint& to, base::ByteView bytes,
            std::uint8_t traffic_class) {
    Datagram datagram{now + latency, 0, from, to, traffic_class, Bytes(bytes.begin(), bytes.end())};
    ++sent;
    if (!network || network(datagram)) put(std::move(datagram));
  }
  void put(Datagram datagram) {
    datagram.order = ++order_;
    queue_.push_back(std::move(datagram));
    std::push_heap(queue_.begin(), queue_.end(), later);
  }

  void run_for(base::Duration duration) { run_until(now + duration); }
  void run_until(base::TimePoint end) {
    while (step(end)) {
    }
    now = end;
  }
  // Runs until `done`, or the time is over; says whether it came to be.
  bool run_until(const std::function<bool()>& done, base::Duration limit) {
    const base::TimePoint end = now + limit;
    while (!done())
      if (!step(end)) return done();
    return true;
  }

  base::TimePoint now{seconds(1000)};
  base::Duration latency = milliseconds(5);
  security::SeededRandom random;
  std::uint64_t sent = 0;

 private:
  static bool later(const Datagram& a, const Datagram& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
  // What is next before `end`; false if there is nothing.
  bool step(base::TimePoint end) {
    base::TimePoint next = queue_.empty() ? base::kNever : queue_.front().at;
    for (const auto& [address, station] : stations_) next = std::min(next, station->next_timer());
    if (next > end) return false;
    now = std::max(now, next);
    std::map<base::Endpoint, std::vector<Datagram>> arriving;
    while (!queue_.empty() && queue_.front().at <= now) {
      std::pop_heap(queue_.begin(), queue_.end(), later);
      Datagram datagram = std::move(queue_.back());
      queue_.pop_back();
      if (tap) tap(datagram);
      arriving[datagram.to].push_back(std::move(datagram));
    }
    for (auto& [to, datagrams] : arriving)
      if (auto found = stations_.find(to); found != stations_.end())
        found->second->receive(datagrams);
    for (const auto& [address, station] : stations_)
      if (station->next_timer() <= now) station->tick();
    return true;
  }

  std::map<base::Endpoint, Station*> stations_;
  std::vector<Datagram> queue_;
  std::uint64_t order_ = 0;
};

inline Station::Station(World& world, const base::Endpoint& address)
    : world_(world), address_(address) {
  world_.add(this);
}
inline Station::~Station() {
  world_.remove(address_);
}

// An inner packet that an application got.
struct Delivered {
  LayerIndex layer = 0;
  Bytes packet;
  bool unfinished = false;
};

// One layer's membership of a machine: what its files would hold.
struct Joined {
  const Authority* authority = nullptr;
  membership::Identity identity;
  Bytes certificate;
  std::string label;
  crypto::SecretBytes<32> reset_secret;
  security::Timing timing;
  wire::Name name;
  inner::MemberAddresses addresses;
};

// The same certificate, valid at another time.
inline Bytes certificate_of(const Joined& who, membership::Role role, membership::Validity when) {
  return who.authority->certify(
      who.authority->describe(who.identity, role, who.label, who.addresses.ipv4), when);
}

inline Joined join(Authority& authority, membership::Role role, const std::string& label,
                   membership::Ipv4 ipv4) {
  Joined out;
  out.authority = &authority;
  out.identity = membership::test::make_identity(authority.random);
  out.certificate = authority.certify(out.identity, role, label, ipv4);
  out.label = label;
  out.reset_secret = crypto::SecretBytes<32>(authority.random.bytes<32>());
  out.name = membership::name_of(authority.trust.layer(), membership::kSuiteEd25519,
                                 out.identity.identity.public_key);
  out.addresses.ipv6 = out.name.octets;
  out.addresses.ipv4 = ipv4;
  return out;
}

// A machine that runs a Member. A restart forgets everything but its files.
class Machine : public Station, public Output {
 public:
  Machine(World& world, std::uint16_t number, bool node, std::vector<Joined> layers)
      : Machine(world, endpoint(number), node, std::move(layers)) {}
  Machine(World& world, const base::Endpoint& address, bool node, std::vector<Joined> layers)
      : Station(world, address), node_(node), joined(std::move(layers)) {
    start();
  }

  void restart() {
    member_.reset();
    services_.reset();
    start();
    if (teach) teach(*this);
  }
  // Called after each restart: links and directory, as the files would say.
  std::function<void(Machine&)> teach;

  Member& operator*() { return *member_; }
  Member* operator->() { return member_.get(); }
  service::Dispatcher& services() { return *services_; }
  const Joined& in(std::size_t layer = 0) const { return joined[layer]; }
  std::uint64_t drops(DropReason reason) const { return member_->counters().drops[reason]; }

  void learn(const Joined& other, LayerIndex layer = 0) {
    auto name =
        member_->learn(layer, other.certificate, other.authority->registration(other.identity),
                       world_.unix_seconds());
    if (!name) throw std::runtime_error(name.error().message);
  }
  // As a controller would tell.
  bool hear_of(Machine& other) {
    const auto shown = other->own_objects(0);
    return member_->learn(0, shown.certificate, shown.registration, world_.unix_seconds())
        .has_value();
  }
  void dial(const Machine& node, LayerIndex layer = 0, std::size_t far_layer = 0,
            std::uint16_t max_packet = kMaxPacket) {
    learn(node.in(far_layer), layer);
    auto link = member_->dial(layer, node.in(far_layer).name, node.address(), max_packet);
    if (!link) throw std::runtime_error(link.error().message);
  }
  // A packet of an application, with the device's word about it.
  DropReason application(const Bytes& packet, LayerIndex layer = 0,
                         const inner::Offload& offload = {}) {
    const DropReason reason = application_no_flush(packet, layer, offload);
    member_->flush(world_.now, world_.unix_nanos());
    return reason;
  }
  DropReason application_no_flush(const Bytes& packet, LayerIndex layer = 0,
                                  const inner::Offload& offload = {}) {
    Bytes room(64);
    room.insert(room.end(), packet.begin(), packet.end());
    std::array<std::uint8_t, inner::kVnetHeader> header{};
    inner::emit(offload, header.data());
    return member_->from_application(layer, base::MutableBytes(room).subspan(64), header,
                                     world_.now, world_.unix_nanos());
  }

  void receive(std::vector<Datagram>& datagrams) override {
    std::vector<forwarding::InBurst> bursts;
    for (Datagram& datagram : datagrams) {
      forwarding::InBurst burst;
      burst.data = datagram.bytes.data();
      burst.length = burst.segment = static_cast<std::uint32_t>(datagram.bytes.size());
      burst.traffic_class = datagram.traffic_class;
      burst.path = {datagram.from, datagram.to};
      bursts.push_back(burst);
    }
    member_->receive(bursts, world_.now, world_.unix_nanos());
    tick();
  }
  base::TimePoint next_timer() const override {
    return member_->work_waits() ? world_.now : member_->next_timer();
  }
  void tick() override { member_->tick(world_.now, world_.unix_nanos()); }

  std::vector<Delivered> delivered;
  std::vector<Delivered> replies;
  std::vector<Note> notes;
  std::vector<std::pair<wire::Name, Bytes>> asked;  // the layer's resolver, by guests
  std::function<void(const Delivered&)> on_delivered;

  std::size_t noted(Happening what) const {
    return static_cast<std::size_t>(
        std::count_if(notes.begin(), notes.end(), [&](const Note& n) { return n.what == what; }));
  }
  // The last of them.
  const Note& note_of(Happening what) const {
    auto found =
        std::find_if(notes.rbegin(), notes.rend(), [&](const Note& n) { return n.what == what; });
    if (found == notes.rend()) throw std::runtime_error("not noted");
    return *found;
  }
  base::Result<void> renew(membership::Validity when, LayerIndex layer = 0) {
    const auto role = node_ ? membership::Role::kNode : membership::Role::kHost;
    return member_->renew_certificate(layer, certificate_of(joined[layer], role, when), world_.now,
                                      world_.unix_nanos());
  }

 private:
  bool node_;
  std::vector<base::Endpoint> endpoints() const {
    if (!node_) return {};
    return registered_at.empty() ? std::vector{address_} : registered_at;
  }

 public:
  std::vector<Joined> joined;
  std::vector<base::Endpoint> registered_at;  // a node; its address, if empty

 private:
  void start() {
    services_ = std::make_unique<service::Dispatcher>();
    if (!node_) services_->leave_unknown_to_node();
    services_->add(service::trusted(*entresol_service_ip_delivery(), "ip-delivery", 1,
                                    service::fields_of({service::Field::kDestination}),
                                    world_.random));
    MemberConfig config;
    config.node = node_;
    config.cache_entries = cache_entries;
    member_ = std::make_unique<Member>(config, *services_, *this, world_.random);
    member_->set_accepted_max_packet(kMaxPacket, kMaxPacket);
    for (const Joined& layer : joined) {
      auto index = member_->add_layer({.label = layer.label,
                                       .trust = layer.authority->trust,
                                       .identity = layer.identity,
                                       .certificate_chain = layer.certificate,
                                       .sequence = static_cast<std::uint64_t>(world_.unix_nanos()),
                                       .lease_end = world_.unix_seconds() + kDay,
                                       .attachments = {},
                                       .endpoints = endpoints(),
                                       .suite = crypto::AeadSuite::kAes256Gcm,
                                       .reset_secret = layer.reset_secret,
                                       .timing = layer.timing},
                                      world_.unix_seconds());
      if (!index) throw std::runtime_error(index.error().message);
    }
  }
  void send(const forwarding::OutBurst& burst, const security::Path& path) override {
    for (std::uint32_t at = 0; at < burst.length; at += burst.segment)
      world_.send(address_, path.remote,
                  {burst.data + at, std::min<std::size_t>(burst.segment, burst.length - at)},
                  burst.traffic_class);
  }
  void flush() override {}
  void send_datagram(base::ByteView datagram, const security::Path& path) override {
    world_.send(address_, path.remote, datagram, 0);
  }
  void deliver(LayerIndex layer, const inner::InsidePacket& packet) override {
    delivered.push_back(
        {layer, Bytes(packet.bytes.begin(), packet.bytes.end()), packet.unfinished});
    if (on_delivered) on_delivered(delivered.back());
  }
  void deliver_reply(LayerIndex layer, base::ByteView packet) override {
    replies.push_back({layer, Bytes(packet.begin(), packet.end()), false});
  }
  void to_resolver(LayerIndex, const wire::Name& guest, base::ByteView packet) override {
    asked.emplace_back(guest, Bytes(packet.begin(), packet.end()));
  }
  void note(const Note& note) override { notes.push_back(note); }

  std::unique_ptr<service::Dispatcher> services_;
  std::unique_ptr<Member> member_;

 public:
  std::size_t cache_entries = 1024;
};

// One node, hosts that are attached to it and know one another. The shape of most tests.
class Star {
 public:
  explicit Star(std::uint64_t seed, std::size_t count = 2,
                base::UnixSeconds certificate_lifetime = 30 * kDay)
      : world(seed), authority(seed + 1000) {
    authority.validity = {kNow, kNow + certificate_lifetime};
    node = std::make_unique<Machine>(
        world, 1, true,
        std::vector<Joined>{join(authority, membership::Role::kNode, "node", {100, 64, 0, 1})});
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = static_cast<std::uint8_t>(10 + i);
      hosts.push_back(std::make_unique<Machine>(
          world, number, false,
          std::vector<Joined>{join(authority, membership::Role::kHost, "host" + std::to_string(i),
                                   {100, 64, 0, number})}));
    }
    for (auto& host : hosts) {
      host->teach = [this](Machine& self) {
        self.dial(*node);
        for (auto& other : hosts)
          if (other.get() != &self) self.learn(other->in());
      };
      host->teach(*host);
    }
  }
  Machine& host(std::size_t i) { return *hosts[i]; }
  // Links come up.
  bool attach() {
    return world.run_until(
        [&] {
          return std::all_of(hosts.begin(), hosts.end(), [&](auto& host) {
            return (*host)->attached(0) &&
                   (*node)->tables().layers[0].names.find(host->in().name) != nullptr &&
                   node_has_keys(host->in().name);
          });
        },
        seconds(5));
  }
  bool node_has_keys(const wire::Name& name) {
    const auto& tables = (*node)->tables();
    const auto* place = tables.layers[0].names.find(name);
    return place != nullptr && tables.links[place->link].send != nullptr;
  }

  World world;
  Authority authority;
  std::unique_ptr<Machine> node;
  std::vector<std::unique_ptr<Machine>> hosts;
};

}  // namespace entresol::layer::member::test
