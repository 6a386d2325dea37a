#include "layer_run.h"

#include <cstdio>
#include <deque>
#include <numeric>

#include "layer/member/test_inner.h"
#include "member_machine.h"
#include "operator.h"
#include "truth.h"

namespace entresol::sim {
namespace {

namespace member = layer::member;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kHeaderOfUdp = 8;
constexpr std::size_t kMostViolations = 12;
constexpr base::Duration kLookInterval = seconds(7);
constexpr std::int64_t kMostSkewMs = 60'000;
constexpr base::Duration kSettled = seconds(60);

base::Bytes payload_of(std::uint64_t number, std::size_t size) {
  base::Bytes out(size);
  base::store_be64(out.data(), number);
  std::uint64_t state = number;
  for (std::size_t i = 8; i < size; ++i) {
    if (i % 8 == 0) state = mix(state, i);
    out[i] = static_cast<std::uint8_t>(state >> 8 * (i % 8));
  }
  return out;
}

double seconds_of(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class LayerRun final : public MemberMachine::Observer {
 public:
  explicit LayerRun(const LayerOptions& options)
      : options_(options),
        random_(options.seed * 2 + 1),
        underlay_(timeline_, options.seed * 3 + 1, options.nodes + 1),
        truth_(timeline_),
        first_policy_(PortPolicy::any(random_)),
        controller_(timeline_, underlay_, options.seed * 5 + 1, options.nodes,
                    options.certificate_lifetime, first_policy_.text()),
        operator_(timeline_, underlay_, controller_, truth_, options.seed * 7 + 1) {
    truth_.meant(first_policy_);
    controller_.on_handled = [this](auto from, const auto& request) { handled(from, request); };
    controller_.on_started = [this] { controller_started(); };
    controller_.on_died = [this] { controller_died(); };
    controller_started();
    for (std::size_t i = 0; i < options.nodes; ++i) add_node(i);
    for (std::size_t i = 0; i < options.hosts; ++i) add_host();
  }

  LayerOutcome run() {
    begin();
    look();
    if (options_.hours > 0) {
      live(base::Duration(static_cast<std::int64_t>(options_.hours * 3.6e12)), seconds(300),
           seconds(20));
    } else {
      live(options_.trouble, milliseconds(1200), milliseconds(200));
    }
    end_of_trouble();
    recover();
    lose_registrations();
    all_agree();
    return finish();
  }

 private:
  // ---- who there is ------------------------------------------------------------------------------------------------

  base::Duration any_skew() {
    if (random_.chance(20) || !options_.faults) return {};
    return milliseconds(static_cast<std::int64_t>(random_.below(2 * kMostSkewMs)) - kMostSkewMs);
  }
  void add_node(std::size_t site) {
    nodes_.push_back(std::make_unique<MemberMachine>(
        timeline_, underlay_, controller_, *this,
        MemberMachine::Birth{"node-" + std::to_string(nodes_.size()), true, site, random_.next(),
                             any_skew()}));
    machines_[nodes_.back()->station()] = {true, nodes_.size() - 1};
  }
  std::size_t add_host() {
    const std::size_t number = hosts_.size();
    hosts_.push_back(std::make_unique<MemberMachine>(
        timeline_, underlay_, controller_, *this,
        MemberMachine::Birth{"host-" + std::to_string(number), false, random_.below(options_.nodes),
                             random_.next(), any_skew()}));
    machines_[hosts_.back()->station()] = {false, number};
    truth_.tags.push_back(1 + static_cast<unsigned>(random_.below(kTags)));
    return number;
  }
  void admit(MemberMachine& machine, unsigned tag) {
    operator_.make_token(machine.birth().node, tag, [this, &machine](const std::string& token) {
      ++counts_.tokens;
      machine.give_token(token);
    });
    machine.start();
  }
  std::size_t any_host() { return random_.below(hosts_.size()); }
  MemberMachine& any_node() { return *nodes_[random_.below(nodes_.size())]; }

  // Nodes are first, as whoever makes a layer does it; hosts join at any time while it is in trouble.
  void begin() {
    for (auto& node : nodes_) admit(*node, 0);
    timeline_.run_for(seconds(5));
    const std::uint64_t spread = options_.hosts > 100 ? 60'000 : 20'000;
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      timeline_.after(milliseconds(random_.below(spread)),
                      [this, i] { admit(*hosts_[i], truth_.tags[i]); });
    timeline_.run_for(milliseconds(spread / 2));
  }

  // ---- trouble -----------------------------------------------------------------------------------------------------

  void live(base::Duration how_long, base::Duration between_events,
            base::Duration between_packets) {
    trouble_ = options_.faults;
    const bool hard = options_.hours == 0;
    if (trouble_) {
      underlay_.faults.loss = static_cast<unsigned>(random_.below(hard ? 20 : 2));
      underlay_.faults.duplicates = static_cast<unsigned>(random_.below(hard ? 10 : 2));
      underlay_.faults.jitter = milliseconds(random_.below(hard ? 100 : 10));
    }
    const base::TimePoint end = timeline_.now + how_long;
    base::TimePoint event = timeline_.now, packets = timeline_.now;
    while (timeline_.now < end) {
      timeline_.run_until(std::min({end, event, packets}));
      if (event <= timeline_.now) {
        if (trouble_) something_happens();
        event =
            timeline_.now +
            base::Duration(random_.below(static_cast<std::uint64_t>(2 * between_events.count())));
      }
      if (packets <= timeline_.now) {
        if (options_.traffic) talk();
        packets =
            timeline_.now +
            base::Duration(random_.below(static_cast<std::uint64_t>(2 * between_packets.count())));
      }
    }
  }

  void something_happens() {
    const auto dice = random_.below(100);
    if (dice < 20) {
      restart(*hosts_[any_host()], counts_.host_restarts);
    } else if (dice < 28) {
      restart(any_node(), counts_.node_restarts);
    } else if (dice < 36) {
      kill_controller();
    } else if (dice < 52) {
      cut_something();
    } else if (dice < 64) {
      set_policy();
    } else if (dice < 68) {
      revoke(any_host());
    } else if (dice < 71) {
      const std::size_t fresh = add_host();
      admit(*hosts_[fresh], truth_.tags[fresh]);
    } else if (dice < 74) {
      operator_.make_token(false, 1, [this](const std::string&) { ++counts_.tokens; }, true);
    } else if (dice < 84) {
      MemberMachine& host = *hosts_[any_host()];
      host.move(random_.below(options_.nodes));
      ++counts_.moves;
    } else if (dice < 90) {
      MemberMachine& who = random_.chance(30) ? any_node() : *hosts_[any_host()];
      if (who.running()) who.rekey();
      ++counts_.rekeys;
    } else if (dice < 92) {
      controller_.fill_disk();
      timeline_.after(seconds(1 + random_.below(5)), [this] { controller_.free_disk(); });
    }
  }
  void restart(MemberMachine& machine, std::uint64_t& count) {
    if (!machine.up()) return;
    ++count;
    machine.kill();
    last_seen_.erase(machine.station());
    const auto down = milliseconds(random_.below(random_.chance(80) ? 5'000 : 60'000));
    timeline_.after(down, [&machine] { machine.start(); });
  }
  void kill_controller() {
    if (random_.chance(50)) return controller_.die_at_write(random_.below(40));
    if (!controller_.up()) return;
    controller_.kill(random_.chance(50));
    controller_died();
  }
  void controller_died() {
    ++counts_.controller_restarts;
    timeline_.after(milliseconds(random_.below(random_.chance(70) ? 5'000 : 60'000)),
                    [this] { controller_.start(); });
  }
  void cut_something() {
    using Of = Group::Of;
    const auto how_long = milliseconds(random_.below(random_.chance(80) ? 10'000 : 90'000));
    const std::size_t site = random_.below(options_.nodes);
    switch (random_.below(5)) {
      case 0:  // two sites
        return underlay_.cut({Of::kSite, site}, {Of::kSite, random_.below(options_.nodes)},
                             how_long);
      case 1:  // a site from the controller
        return underlay_.cut({Of::kSite, site}, {Of::kSite, options_.nodes}, how_long);
      case 2:  // a host from all
        return underlay_.cut({Of::kStation, hosts_[any_host()]->station()}, {}, how_long);
      case 3:  // a node from all
        return underlay_.cut({Of::kStation, any_node().station()}, {}, how_long);
      default:  // a node from the controller
        return underlay_.cut({Of::kStation, any_node().station()},
                             {Of::kStation, controller_.station()}, how_long);
    }
  }
  void set_policy() {
    const PortPolicy policy = PortPolicy::any(random_);
    truth_.meant(policy);
    operator_.set_policy(policy.text(), [this] { ++counts_.policies; });
  }
  void revoke(std::size_t host) {
    if (!hosts_[host]->joined() || leaving_.contains(host) || leaving_.size() >= hosts_.size() / 4)
      return;
    leaving_.insert(host);
    operator_.revoke(hosts_[host]->birth().label, [this] { ++counts_.revocations; });
    // It tries for a while, and its owner then switches it off.
    timeline_.after(minutes(10), [this, host] { hosts_[host]->kill(); });
  }
  void end_of_trouble() {
    trouble_ = false;
    underlay_.faults = {};
    underlay_.heal();
    controller_.free_disk();
    controller_.start();
    for (auto& node : nodes_) node->start();
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      if (!leaving_.contains(i)) hosts_[i]->start();
  }

  // ---- applications ------------------------------------------------------------------------------------------------

  // A few flows of each host, and their answers. Who was revoked goes on talking, and is talked to.
  void talk() {
    const std::size_t from = any_host();
    if (!hosts_[from]->running()) return;
    Flow flow;
    flow.from = from;
    flow.to = (from + 1 + (random_.below(4) * 7) % (hosts_.size() - 1)) % hosts_.size();
    if (flow.to == from || !hosts_[flow.to]->running()) return;
    flow.version = random_.chance(50) ? 4 : 6;
    flow.port =
        random_.chance(40)
            ? kOpenPort
            : static_cast<std::uint16_t>(kFirstPort + random_.below(kLastPort - kFirstPort + 1));
    flows_.insert(flow);
    const auto burst = 1 + random_.below(3);
    for (std::uint64_t i = 0; i < burst; ++i) send(flow, random_.chance(30));
  }
  std::uint64_t send(const Flow& flow, bool reply) {
    SentPacket sent;
    sent.flow = flow;
    sent.reply = reply;
    sent.at = timeline_.now;
    sent.size = static_cast<std::uint16_t>(8 + random_.below(900));
    const std::uint64_t number = truth_.packets.size();
    member::test::InnerPacket packet;
    packet.version = flow.version;
    packet.from_port = reply ? flow.port : flow.client_port;
    packet.to_port = reply ? flow.client_port : flow.port;
    packet.payload = payload_of(number, sent.size);
    MemberMachine& from = *hosts_[sent.sender()];
    const MemberMachine& to = *hosts_[sent.receiver()];
    truth_.packets.push_back(sent);
    if (!from.running()) return number;
    ++counts_.sent;
    from.send(member::test::build(packet, from.addresses(), to.addresses()));
    return number;
  }

  void delivered(MemberMachine& machine, const base::Endpoint& from,
                 base::ByteView packet) override {
    ++counts_.delivered;
    layer::inner::IpPacket ip;
    if (layer::inner::parse(packet, ip) != base::DropReason::none ||
        ip.payload_size() < kHeaderOfUdp + 8)
      return violated("what was delivered is no packet that anybody sent");
    const base::ByteView payload = ip.payload().subspan(kHeaderOfUdp);
    const std::uint64_t number = base::load_be64(payload.data());
    const std::string name = "packet " + std::to_string(number);
    if (number >= truth_.packets.size()) return violated(name + " was never sent");
    SentPacket& sent = truth_.packets[number];
    if (hosts_[sent.receiver()].get() != &machine)
      violated(name + " reached " + machine.birth().label + ", whom it was not for");
    if (std::exchange(sent.seen, true)) violated(name + " came twice");
    const base::Bytes as_sent = payload_of(number, sent.size);
    if (!std::equal(payload.begin(), payload.end(), as_sent.begin(), as_sent.end()))
      violated(name + " was changed");
    if (!layer::inner::test::checksums_right(base::Bytes(packet.begin(), packet.end())))
      violated(name + " has a wrong checksum");
    const auto node = std::find_if(nodes_.begin(), nodes_.end(),
                                   [&](const auto& each) { return each->address() == from; });
    if (node == nodes_.end()) return violated(name + " did not come from a node");
    const auto index = static_cast<std::size_t>(node - nodes_.begin());
    if (truth_.denied(sent, index))
      violated(name + " of " + about(sent) + " was delivered by " + (*node)->birth().label +
               ", which had acknowledged that it is denied");
    if (truth_.outcast(sent, index))
      violated(name + " of " + about(sent) + " was delivered by " + (*node)->birth().label +
               ", which knew who was revoked");
  }
  std::string about(const SentPacket& sent) const {
    return hosts_[sent.sender()]->birth().label + " to " + hosts_[sent.receiver()]->birth().label +
           " port " + std::to_string(sent.flow.port) + (sent.reply ? " (answer)" : "");
  }

  // ---- what is seen at the controller ------------------------------------------------------------------------------

  void joined(MemberMachine& machine, const Json& answer) override {
    ++counts_.joins;
    truth_.acknowledged.members[machine.birth().label] = answer["member"];
  }
  void refused(MemberMachine& machine, const std::string& why) override {
    const auto& who = machines_.at(machine.station());
    if (!who.first && leaving_.contains(who.second)) return;
    if (!machine.joined()) return;  // it asks again
    violated(machine.birth().label + ": " + why);
  }
  void handled(Underlay::StationId from, const http::Request& request) {
    ++counts_.requests;
    const auto& authority = controller_.authority();
    truth_.policy_is(authority.policy().revision, authority.policy().text);
    for (const std::size_t host : leaving_) {
      if (truth_.is_revoked(host)) continue;
      const auto record = authority.members().find(hosts_[host]->name());
      if (record != authority.members().end() && record->second.revoked_at != 0)
        truth_.revoked(host, authority.revision());
    }
    const auto machine = machines_.find(from);
    if (machine == machines_.end() || !machine->second.first ||
        request.target.rfind("/v1/directory", 0) != 0)
      return;
    const std::size_t node = machine->second.second;
    if (const auto policy = parameter(request.target, "policy="); !policy.empty())
      truth_.policy_heard(node, std::stoull(policy));
    if (const auto since = directory::parse_revision(parameter(request.target, "since=")))
      truth_.node_has_seen(node, *since);
  }
  static std::string parameter(const std::string& target, const std::string& key) {
    const auto at = target.find(key);
    if (at == std::string::npos) return {};
    return target.substr(at + key.size(), target.find('&', at) - at - key.size());
  }
  void controller_started() {
    const auto& authority = controller_.authority();
    for (const std::string& what : truth_.lost(authority, controller_.today())) violated(what);
    truth_.controller_opened(authority.revision());
    truth_.policy_is(authority.policy().revision, authority.policy().text);
    // What was not acknowledged may be gone.
    for (const std::size_t host : leaving_) {
      const auto record = authority.members().find(hosts_[host]->name());
      if (truth_.is_revoked(host) && record != authority.members().end() &&
          record->second.revoked_at == 0)
        truth_.not_revoked(host);
    }
    for (auto& [name, sequence] : at_controller_) {
      const auto found = authority.registrations().find(name);
      if (found == authority.registrations().end()) ++counts_.registrations_lost;
    }
    at_controller_.clear();
  }

  // ---- what is looked at, now and then -----------------------------------------------------------------------------

  void look() {
    for (auto& node : nodes_)
      if (node->running()) look_at(*node);
    if (controller_.up())
      for (const auto& [name, record] : controller_.authority().registrations()) {
        std::uint64_t& newest = at_controller_[name];
        if (record.sequence < newest) violated("an older registration won at the controller");
        newest = record.sequence;
      }
    timeline_.after(options_.hours > 0 ? 10 * kLookInterval : kLookInterval, [this] { look(); });
  }
  void look_at(MemberMachine& node) {
    auto& seen = last_seen_[node.station()];
    for (const auto& [name, known] : node.member().membership(0).all()) {
      std::uint64_t& newest = seen[name];
      if (known.sequence < newest)
        violated("an older registration of " + known.label + " won at " + node.birth().label);
      newest = known.sequence;
    }
    if (node.member().counters().drops[base::DropReason::ttl_exceeded] > 0)
      violated("packets went round in circles at " + node.birth().label);
  }

  void violated(const std::string& what) {
    char at[32];
    std::snprintf(at, sizeof at,
                  "%.3f s: ", seconds_of(timeline_.now - base::TimePoint{seconds(1000)}));
    if (outcome_.violations.size() < kMostViolations) outcome_.violations.push_back(at + what);
  }

  // ---- the end -----------------------------------------------------------------------------------------------------

  // Flows that ran before, and others: each tries once a second until something has come through.
  void recover() {
    const base::TimePoint ended = timeline_.now;
    std::set<Flow> open = flows_;
    const std::size_t partners = hosts_.size() <= kManyHosts ? hosts_.size() - 1 : kPartners;
    for (std::size_t from = 0; from < hosts_.size(); ++from)
      for (std::size_t i = 1; i <= partners; ++i) {
        const std::size_t step =
            hosts_.size() <= kManyHosts ? i : 1 + random_.below(hosts_.size() - 1);
        open.insert({from, (from + step) % hosts_.size(), random_.chance(50) ? 4 : 6, kOpenPort,
                     static_cast<std::uint16_t>(41000 + i)});
      }
    std::map<Flow, std::vector<std::uint64_t>> tried;
    bool all_in = false;
    while (timeline_.now < ended + seconds(kLayerRecoverySeconds)) {
      all_in = operator_.idle();
      for (std::size_t i = 0; i < hosts_.size(); ++i)
        all_in &= leaving_.contains(i) || hosts_[i]->running();
      std::erase_if(open, [&](const Flow& flow) {
        const auto& numbers = tried[flow];
        return std::any_of(numbers.begin(), numbers.end(),
                           [&](auto number) { return truth_.packets[number].seen; }) ||
               !may_talk(flow);
      });
      if (all_in && open.empty()) break;
      for (const Flow& flow : open)
        if (hosts_[flow.from]->running() && hosts_[flow.to]->running())
          tried[flow].push_back(send(flow, false));
      timeline_.run_for(seconds(1));
    }
    counts_.recovered_after = seconds_of(timeline_.now - ended);
    for (std::size_t i = 0; i < hosts_.size(); ++i)
      if (!leaving_.contains(i) && !hosts_[i]->running())
        violated(hosts_[i]->birth().label + " is not in the layer");
    if (!operator_.idle()) violated("the operator is not answered");
    for (const Flow& flow : open)
      violated(about({flow, false, {}, 0, false}) + " (IPv" + std::to_string(flow.version) +
               ", from port " + std::to_string(flow.client_port) + ") is stuck " +
               std::to_string(kLayerRecoverySeconds) + " s after the failures have ended: " +
               whereabouts(flow.from) + ", " + whereabouts(flow.to));
  }
  bool may_talk(const Flow& flow) const {
    if (leaving_.contains(flow.from) || leaving_.contains(flow.to)) return false;
    const PortPolicy* policy = truth_.policy_of(controller_.authority().policy().text);
    return policy != nullptr &&
           policy->allows(truth_.tags[flow.from], truth_.tags[flow.to], flow.port);
  }
  std::string whereabouts(std::size_t host) const {
    const MemberMachine& machine = *hosts_[host];
    if (!machine.running()) return machine.birth().label + " is down";
    const auto& own = machine.member().membership(0).own();
    const auto at = machine.node();
    std::string out = machine.birth().label +
                      (machine.attached() ? " is attached to " : " has dialled ") +
                      (at ? label_of(*at) : "nobody");
    const auto& registrations = controller_.authority().registrations();
    const auto registered = registrations.find(machine.name());
    out += registered == registrations.end()             ? "; not registered"
           : registered->second.sequence != own.sequence ? "; registered as it was"
                                                         : "; registered";
    for (const auto& node : nodes_) {
      out += "; " + node->birth().label;
      if (!node->running()) {
        out += " is down";
        continue;
      }
      const auto* known = node->member().membership(0).find(machine.name());
      const auto& tables = node->member().tables();
      const auto* place = tables.layers[0].names.find(machine.name());
      out += " (policy " + std::to_string(node->enrolment().policy_revision()) +
             (node->enrolment().last_error().empty() ? "" : ", no controller") + ")";
      out += known == nullptr                  ? " does not know it"
             : known->sequence == own.sequence ? " knows it"
                                               : " knows it as it was";
      if (known != nullptr && !known->attachments.empty())
        out += " at " + label_of(known->attachments.front());
      if (place == nullptr) {
        out += ", nowhere";
      } else {
        const auto& link = tables.links[place->link];
        out += link.name == machine.name() ? ", on its link" : ", over " + label_of(link.name);
        if (!link.send) out += " without keys";
      }
    }
    return out;
  }
  std::string label_of(const wire::Name& name) const {
    for (const auto* machines : {&nodes_, &hosts_})
      for (const auto& machine : *machines)
        if (machine->name() == name) return machine->birth().label;
    return "?";
  }

  // The controller's machine dies without having written what it had not to.
  void lose_registrations() {
    if (options_.faults) {
      controller_.kill(false);
      ++counts_.controller_restarts;
      controller_.start();
    }
    const base::TimePoint began = timeline_.now;
    const base::Duration renewal =
        std::min<base::Duration>(seconds(options_.certificate_lifetime * 77 / 100), seconds(3600));
    while (timeline_.now < began + renewal + kSettled && !all_registered())
      timeline_.run_for(seconds(5));
    counts_.registered_after = seconds_of(timeline_.now - began);
    for (const auto* machines : {&nodes_, &hosts_})
      for (const auto& machine : *machines)
        if (is_member(*machine) && !is_registered(*machine))
          violated(machine->birth().label + " is not registered one renewal after the loss");
  }
  // As it shows itself.
  bool is_registered(const MemberMachine& machine) const {
    const auto& registrations = controller_.authority().registrations();
    const auto found = registrations.find(machine.name());
    return found != registrations.end() &&
           found->second.sequence == machine.member().membership(0).own().sequence;
  }
  bool is_member(const MemberMachine& machine) const {
    const auto& who = machines_.at(machine.station());
    return machine.running() && (who.first || !leaving_.contains(who.second));
  }
  bool all_registered() const {
    if (!controller_.up()) return false;
    for (const auto* machines : {&nodes_, &hosts_})
      for (const auto& machine : *machines)
        if (is_member(*machine) && !is_registered(*machine)) return false;
    return true;
  }

  // Everybody is quiet: what one knows of another is what that one shows, as soon as a node has noticed that an answer which
  // it waits for was lost.
  void all_agree() {
    const base::TimePoint end = timeline_.now + kSettled + seconds(20);
    std::vector<std::string> wrong;
    do {
      timeline_.run_for(seconds(10));
      wrong = disagreements();
    } while (!wrong.empty() && timeline_.now < end);
    for (const std::string& what : wrong) violated(what);
  }
  std::vector<std::string> disagreements() {
    std::vector<std::string> wrong;
    const auto& authority = controller_.authority();
    wrong = truth_.lost(authority, controller_.today());
    for (const auto* machines : {&nodes_, &hosts_})
      for (const auto& machine : *machines)
        if (is_member(*machine)) agree_on(*machine, wrong);
    for (const auto& node : nodes_) {
      if (!node->running()) continue;
      if (node->enrolment().policy_revision() != authority.policy().revision)
        wrong.push_back(node->birth().label + " holds another policy than the controller");
      for (const std::size_t host : leaving_)
        if (node->member().membership(0).find(hosts_[host]->name()) != nullptr)
          wrong.push_back(node->birth().label + " knows a member that was revoked");
    }
    return wrong;
  }
  void agree_on(const MemberMachine& machine, std::vector<std::string>& wrong) {
    const auto& own = machine.member().membership(0).own();
    const auto at = controller_.authority().registrations().find(machine.name());
    const std::string& label = machine.birth().label;
    if (at != controller_.authority().registrations().end() && at->second.sequence != own.sequence)
      wrong.push_back("the controller has another registration of " + label + " than it shows");
    for (const auto& node : nodes_) {
      if (node.get() == &machine || !node->running()) continue;
      const auto* known = node->member().membership(0).find(machine.name());
      if (known == nullptr || known->sequence != own.sequence)
        wrong.push_back(node->birth().label +
                        (known == nullptr ? " does not know " : " has an old registration of ") +
                        label);
    }
  }

  LayerOutcome finish() {
    counts_.network = underlay_.counts();
    counts_.full_disks = controller_.full_disks;
    counts_.hours = seconds_of(timeline_.now - base::TimePoint{seconds(1000)}) / 3600;
    for (const auto& node : nodes_)
      if (node->running())
        counts_.refused += node->member().counters().drops[base::DropReason::refused_by_rule];
    outcome_.counts = counts_;
    outcome_.trace = underlay_.trace();
    outcome_.tallies = underlay_.tallies();
    return std::move(outcome_);
  }

  static constexpr std::size_t kManyHosts = 40;
  static constexpr std::size_t kPartners = 3;  // where there are many

  LayerOptions options_;
  security::SeededRandom random_;
  Timeline timeline_;
  Underlay underlay_;
  Truth truth_;
  PortPolicy first_policy_;
  LayerOutcome outcome_;
  LayerCounts counts_;
  ControllerMachine controller_;
  Operator operator_;
  std::vector<std::unique_ptr<MemberMachine>> nodes_, hosts_;
  std::map<Underlay::StationId, std::pair<bool, std::size_t>> machines_;  // nodes, and hosts
  std::set<std::size_t> leaving_;                                         // hosts
  std::set<Flow> flows_;
  bool trouble_ = false;
  std::map<Underlay::StationId, std::map<wire::Name, std::uint64_t>> last_seen_;
  std::map<wire::Name, std::uint64_t> at_controller_;
};

}  // namespace

LayerOutcome run_layer(const LayerOptions& options) {
  return LayerRun(options).run();
}

}  // namespace entresol::sim
