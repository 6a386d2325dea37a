// The way of a packet through a node, in process: Pipeline::process, as the node calls it, between links whose keys were
// put into the tables by hand. Beside it stands bench_aead_loop, whose options and record sizes these are.
//
// Like there, a batch is brought into the receive buffer first, outside the timed part. Counters advance, so records
// cannot be sent twice: they are sealed ahead, by the links' far ends, a store at a time. Each link has one flow, whose
// decision is cached; 1 % of packets begin a flow of their own, 1 % carry an option that nobody must understand. With one
// link, packets leave on the link that they came from.
//
// --registrations N: the node knows so many members, who the links' names are then of; --rules N: a policy of so many
// rules, of which the last allows what is sent.
//
// Prints one JSON object: nanoseconds a packet, allocations per million packets, hits and misses of the decision cache.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "layer/forwarding/pipeline.h"
#include "layer/membership/test_authority.h"
#include "layer/policy/policy.h"
#include "product/allocations.h"
#include "reference/options.h"
#include "security/lanes.h"
#include "security/test_random.h"
#include "service/dispatcher.h"
#include "service/trusted.h"
#include "services/ip_delivery/ip_delivery.h"

namespace entresol::bench {
namespace {

namespace forwarding = layer::forwarding;
namespace membership = layer::membership;
using base::DropReason;
using forwarding::InBurst;
using forwarding::LinkId;
using forwarding::OutBurst;

constexpr std::uint32_t kLayer = 0xabcdef01;
constexpr std::size_t kRecordOverhead = security::kNativeRecordHeader + security::kRecordTag;
constexpr std::uint32_t kOneIn = 100;       // packets that miss the cache, and that carry an option
constexpr std::uint32_t kOptionLinks = 16;  // whose flows have packets with options
constexpr std::size_t kRounds = 8;  // packets of each link, on the average, that are sealed ahead

struct Plan {
  std::size_t plaintext;  // octets sealed in a record
  std::size_t links;
  std::size_t batch;
  double seconds;
  std::size_t registrations = 0;
  std::size_t rules = 0;
};

struct Result {
  double mean_ns = 0;
  double median_ns = 0;
  std::uint64_t packets = 0, hits = 0, misses = 0, options = 0, allocations = 0;
};

wire::Name name_of(std::uint32_t link, std::uint8_t end) {
  wire::Name name;
  name.octets = {0xfd, 0x35, 0xab, 0xcd, end};
  base::store_be32(name.octets.data() + 12, link);
  return name;
}

// What a node with a controller knows: its layer's members.
class Directory {
 public:
  explicit Directory(std::size_t members)
      : authority_(11), members_(authority_.trust, membership::test::make_identity(random_)) {
    names_.reserve(members);
    for (std::uint32_t i = 0; i < members; ++i) add(i);
  }
  const membership::Membership& members() const { return members_; }
  const wire::Name& name(std::size_t i) const { return names_[i]; }
  std::size_t size() const { return names_.size(); }

 private:
  void add(std::uint32_t i) {
    const membership::Identity identity = membership::test::make_identity(random_);
    const base::Bytes certificate =
        authority_.certify(identity, membership::Role::kHost, "host-" + std::to_string(i),
                           {10, static_cast<std::uint8_t>(i >> 16),
                            static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
    auto name =
        members_.learn(certificate, authority_.registration(identity), membership::test::kNow);
    if (!name) Options::fail(name.error().message);
    names_.push_back(*name);
  }

  security::SeededRandom random_{13};
  membership::test::Authority authority_;
  membership::Membership members_;
  std::vector<wire::Name> names_;
};

// About pairs of members, tags and ports; the last is for all that was not named.
layer::policy::Policy many_rules(std::size_t rules) {
  std::string text;
  for (std::size_t i = 1; i < rules; ++i) {
    const std::string from = i % 3 == 0 ? "*" : "host-" + std::to_string(i * 7 % 10000);
    const std::string to = i % 5 == 0 ? "tag:servers" : "host-" + std::to_string(i * 13 % 10000);
    text += "deny " + from + " " + to + " tcp/" + std::to_string(1000 + i) + "\n";
  }
  auto policy = layer::policy::parse(text + "members: allow * *\n");
  if (!policy) Options::fail(policy.error().message);
  return std::move(*policy);
}

// Nothing lives at this node.
class Nobody final : public forwarding::Local {
 public:
  void from_guests(std::span<forwarding::Packet* const>, base::TimePoint) override { std::abort(); }
  void to_guests(std::span<forwarding::Packet* const>, base::TimePoint) override { std::abort(); }
  void to_self(std::span<forwarding::Packet* const>, base::TimePoint) override { std::abort(); }
};

forwarding::PipelineConfig configure() {
  forwarding::PipelineConfig config;
  config.node = true;
  config.seed = 42;
  return config;
}

class Node {
 public:
  explicit Node(const Plan& plan)
      : plan_(plan),
        record_(plan.plaintext + kRecordOverhead),
        directory_(plan.registrations),
        pipeline_(configure(), tables_, services_, nobody_) {
    services_.add(service::trusted(*entresol_service_ip_delivery(), "ip-delivery", 1,
                                   service::fields_of({service::Field::kDestination}),
                                   service_random_));
    forwarding::LayerTable table;
    table.wire_id = kLayer;
    table.own = name_of(0xffffffff, 0);
    table.names.place(table.own, forwarding::kSelf);
    tables_.layers.push_back(std::move(table));
    if (plan.rules > 0) services_.rules().set(0, many_rules(plan.rules), 1, directory_.members());
    egress_.resize(plan.links);
    std::iota(egress_.begin(), egress_.end(), 0U);
    std::shuffle(egress_.begin(), egress_.end(), random_);
    for (std::uint32_t i = 0; i < plan.links; ++i) add_link(i);
    for (std::size_t i = 2 * plan.links; i < directory_.size(); ++i)
      tables_.layers[0].names.place(directory_.name(i), links_[i % plan.links]);
    tables_.links.changed();
    make_packets();
    const std::size_t run_up = std::max<std::size_t>(plan.links, 2 * plan.batch);
    run_up_ = (run_up + plan.batch - 1) / plan.batch;
    store_.resize(std::max<std::size_t>(plan.links * kRounds, 2048) / plan.batch * plan.batch *
                  record_);
    from_.resize(store_.size() / record_);
    received_.resize(plan.batch * record_ + 64);
    bursts_.reserve(plan.batch);
  }

  Result run() {
    using Clock = std::chrono::steady_clock;
    check_one_batch();
    const std::size_t batches = from_.size() / plan_.batch;
    std::vector<double> per_batch;
    Result result;
    double total_ns = 0;
    std::uint64_t timed = 0, hits = 0, misses = 0, options = 0;
    const auto warm_until = Clock::now() + std::chrono::milliseconds(100);
    const auto end = warm_until + std::chrono::duration<double>(plan_.seconds);
    for (auto now = Clock::now(); now < end || timed < 64; now = Clock::now()) {
      fill_store();
      for (std::size_t b = 0; b < batches; ++b) {
        receive(b * plan_.batch);
        const std::uint64_t allocated = allocations;
        const auto start = Clock::now();
        forward();
        const double ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
        if (start >= warm_until && b >= run_up_) {
          const forwarding::PipelineCounters& counters = pipeline_.counters();
          total_ns += ns;
          ++timed;
          result.allocations += allocations - allocated;
          result.hits += counters.hits - hits;
          result.misses += counters.misses - misses;
          result.options += options_ - options;
          if (timed % 16 == 0) per_batch.push_back(ns / static_cast<double>(plan_.batch));
        }
        hits = pipeline_.counters().hits;
        misses = pipeline_.counters().misses;
        options = options_;
        after_batch();
      }
    }
    if (!per_batch.empty()) {
      auto middle = per_batch.begin() + static_cast<std::ptrdiff_t>(per_batch.size() / 2);
      std::nth_element(per_batch.begin(), middle, per_batch.end());
      result.median_ns = *middle;
    }
    result.packets = timed * plan_.batch;
    result.mean_ns = total_ns / static_cast<double>(result.packets);
    return result;
  }

 private:
  // Of the member at a link's far end, or of another there.
  wire::Name name_at(std::uint32_t link, std::uint8_t end) const {
    const std::size_t member = 2u * link + end - 1u;
    return member < directory_.size() ? directory_.name(member) : name_of(link, end);
  }

  void add_link(std::uint32_t i) {
    const LinkId id = tables_.links.add();
    forwarding::Link& link = tables_.links[id];
    link.kind = forwarding::LinkKind::kHost;
    link.max_packet = static_cast<std::uint16_t>(plan_.plaintext + 256);
    link.name = name_at(i, 1);
    link.peer = security::PeerId(i + 1);
    link.path.remote.port = static_cast<std::uint16_t>(1024 + i % 50000);
    base::store_be32(link.path.remote.address.data() + 12, i);
    security::Keys keys;
    keys.send = crypto::SecretBytes<32>(keys_.bytes<32>());
    keys.receive = crypto::SecretBytes<32>(keys_.bytes<32>());
    keys.local_index = 1 + i;
    keys.remote_index = 0x500000 + i;
    tables_.receive.insert(id, keys);
    link.send = security::send_lane(keys, 0);
    link.send_index = keys.local_index;
    tables_.layers[0].names.place(link.name, id);
    if (plan_.links == 1) tables_.layers[0].names.place(name_at(i, 2), id);
    far_receive_.push_back(security::receive_lane(keys.protocol, keys.suite, keys.send, 0));
    std::swap(keys.send, keys.receive);
    std::swap(keys.local_index, keys.remote_index);
    far_send_.push_back(security::send_lane(keys, 0));
    links_.push_back(id);
  }

  // One packet with, and one without an option; names and flow are written into them.
  void make_packets() {
    wire::Header header;
    header.next_protocol = wire::next_protocol::kSealed;
    header.layer = kLayer;
    header.service = wire::service::kIpDelivery;
    header.inner_protocol = 6;
    header.opener = true;
    header.responder_port = 443;
    plain_ = wire::emit_packet(header, base::Bytes(plan_.plaintext - header.size(), 0x5a));
    wire::Option option;
    option.option_class = wire::option_class::kTelemetry;
    option.type = 1;
    option.value = base::Bytes(4, 1);
    header.options.push_back(option);
    with_option_ = wire::emit_packet(header, base::Bytes(plan_.plaintext - header.size(), 0x5a));
  }

  // What the links' far ends send, in the order in which it will arrive.
  void fill_store() {
    for (std::size_t i = 0; i < from_.size(); ++i) {
      const bool option = random_() % kOneIn == 0;
      const bool fresh = random_() % kOneIn == 0;
      const std::uint32_t links = static_cast<std::uint32_t>(plan_.links);
      const auto link =
          static_cast<std::uint32_t>(random_() % (option ? std::min(links, kOptionLinks) : links));
      base::Bytes& packet = option ? with_option_ : plain_;
      const wire::Name to = links == 1 ? name_at(0, 2) : name_at(egress_[link], 1);
      base::store_be32(packet.data() + wire::offset::kFlowId, fresh ? fresh_flow_++ : link);
      const wire::Name from = name_at(link, 1);
      std::copy(from.octets.begin(), from.octets.end(), packet.begin() + wire::offset::kSource);
      std::copy(to.octets.begin(), to.octets.end(), packet.begin() + wire::offset::kDestination);
      if (security::seal_record(*far_send_[link], packet.data(), packet.size(),
                                &store_[i * record_]) != record_)
        Options::fail("a far end's counters are used up");
      from_[i] = link << 1 | (option ? 1 : 0);
    }
  }

  // Records of one link that follow each other are a train, as the kernel hands them over.
  void receive(std::size_t first) {
    std::copy_n(&store_[first * record_], plan_.batch * record_, received_.data());
    bursts_.clear();
    std::uint32_t last = ~0u;
    for (std::size_t i = 0; i < plan_.batch; ++i) {
      const std::uint32_t link = from_[first + i] >> 1;
      options_ += from_[first + i] & 1;
      if (link == last) {
        bursts_.back().length += static_cast<std::uint32_t>(record_);
        continue;
      }
      last = link;
      InBurst burst;
      burst.data = &received_[i * record_];
      burst.length = burst.segment = static_cast<std::uint32_t>(record_);
      burst.path = tables_.links[links_[link]].path;
      bursts_.push_back(burst);
    }
  }

  void forward() {
    pipeline_.process(bursts_, now_, [this](std::span<const OutBurst> out) { out_ = out; });
  }

  // What the control side does between batches: every packet has to have left.
  void after_batch() {
    std::size_t octets = 0;
    for (const OutBurst& burst : out_) octets += burst.length;
    if (octets != plan_.batch * record_) Options::fail("not all packets were forwarded");
    pipeline_.clear_reports();
    now_ += std::chrono::microseconds(10);
  }

  // The far ends open what the node sends, and find what was sent.
  void check_one_batch() {
    fill_store();
    receive(0);
    forward();
    for (const OutBurst& burst : out_) {
      const std::uint32_t link = burst.link.value() - links_[0].value();
      for (std::uint32_t at = 0; at < burst.length; at += burst.segment) {
        base::Bytes record(burst.data + at, burst.data + at + burst.segment);
        std::size_t plain = 0;
        const DropReason reason =
            security::open_native_record(*far_receive_[link], record.data(), record.size(), plain);
        const std::uint8_t* packet = record.data() + security::kNativeRecordHeader;
        const bool good = reason == DropReason::none && plain == plan_.plaintext &&
                          packet[plain - 1] == 0x5a &&
                          packet[wire::offset::kTtl] == wire::Header{}.ttl - 1;
        if (!good) Options::fail("a forwarded record is not what was sent");
      }
    }
    after_batch();
  }

  Plan plan_;
  std::size_t record_;
  std::size_t run_up_ =
      0;  // batches until the caches hold the tables again, which sealing ahead has displaced
  security::SeededRandom keys_{7};
  std::mt19937 random_{7};
  Directory directory_;
  forwarding::Tables tables_;
  security::SeededRandom service_random_{17};
  service::Dispatcher services_;
  Nobody nobody_;
  forwarding::Pipeline pipeline_;
  base::TimePoint now_{std::chrono::seconds(1)};
  std::vector<LinkId> links_;
  std::vector<std::uint32_t> egress_;  // where link i's packets go
  std::vector<std::unique_ptr<security::SendLane>> far_send_;
  std::vector<std::unique_ptr<security::ReceiveLane>> far_receive_;
  base::Bytes plain_, with_option_;
  base::Bytes store_, received_;
  std::vector<std::uint32_t>
      from_;  // link and, in the lowest bit, whether there is an option; by record of the store
  std::vector<InBurst> bursts_;
  std::span<const OutBurst> out_;
  std::uint32_t fresh_flow_ = 1u << 31;
  std::uint64_t options_ = 0;
};

// Workers share nothing: each thread has a node of its own.
std::vector<Result> run_threads(const Plan& plan, int threads, int first_cpu) {
  std::vector<Result> results(static_cast<std::size_t>(threads));
  std::vector<std::jthread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      pin_to_cpu(first_cpu < 0 ? -1 : first_cpu + t);
      Node node(plan);
      results[static_cast<std::size_t>(t)] = node.run();
    });
  }
  running.clear();
  return results;
}

int run_forwarding(int argc, char** argv) {
  Options options(argc, argv);
  const int size = static_cast<int>(options.number("size", 64));
  const int family = static_cast<int>(options.number("family", 6));
  const int threads = static_cast<int>(options.number("threads", 1));
  const int first_cpu = static_cast<int>(options.number("cpu", 0));
  Plan plan{};
  plan.plaintext =
      static_cast<std::size_t>(options.number("plaintext", size - (family == 4 ? 20 : 40) + 82));
  plan.links = static_cast<std::size_t>(options.number("links", 1));
  plan.batch = static_cast<std::size_t>(options.number("batch", 64));
  plan.seconds = options.number("seconds", 0.5);
  plan.registrations = static_cast<std::size_t>(options.number("registrations", 0));
  plan.rules = static_cast<std::size_t>(options.number("rules", 0));
  options.refuse_unknown();
  if (plan.registrations > 100000 || plan.rules > 10000)
    Options::fail("--registrations or --rules out of range");
  if (plan.links == 0 || plan.links > 100000) Options::fail("--links out of range");
  if (plan.batch == 0 || plan.batch > forwarding::kBatch ||
      plan.batch * (plan.plaintext + kRecordOverhead) >= forwarding::Pipeline::kBatchBytes)
    Options::fail("--batch out of range");
  if (plan.plaintext < 100) Options::fail("--size out of range");
  const auto results = run_threads(plan, threads, first_cpu);
  double mean = 0, median = 0;
  Result sum;
  for (const Result& result : results) {
    mean += result.mean_ns / threads;
    median += result.median_ns / threads;
    sum.packets += result.packets;
    sum.hits += result.hits;
    sum.misses += result.misses;
    sum.options += result.options;
    sum.allocations += result.allocations;
  }
  std::printf(
      "{\"program\": \"forwarding\", \"symbol\": "
      "\"entresol::layer::forwarding::Pipeline::process\", \"size\": %d, "
      "\"family\": %d, \"plaintext\": %zu, \"links\": %zu, \"threads\": %d, \"batch\": %zu, "
      "\"packets\": %llu, "
      "\"ns_per_packet\": %.2f, \"median_ns\": %.2f, \"allocations\": %.3f, \"hits\": %llu, "
      "\"misses\": %llu, "
      "\"options\": %llu}\n",
      size, family, plan.plaintext, plan.links, threads, plan.batch,
      static_cast<unsigned long long>(sum.packets), mean, median,
      static_cast<double>(sum.allocations) * 1e6 / static_cast<double>(sum.packets),
      static_cast<unsigned long long>(sum.hits), static_cast<unsigned long long>(sum.misses),
      static_cast<unsigned long long>(sum.options));
  return 0;
}

}  // namespace
}  // namespace entresol::bench

int main(int argc, char** argv) {
  return entresol::bench::run_forwarding(argc, argv);
}
