// A machine that is, or becomes, a member of the layer: a node or a host. It joins with a token, keeps on its disk what the
// product keeps, and runs what the product runs: Member, EnrolmentCore, and on a host WayIn. Its clock is wrong by a constant.
// When its power goes it forgets everything but its disk, and what was not on it yet.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controller_machine.h"
#include "layer/member/way_in.h"
#include "runtime/enrolment_core.h"
#include "service/dispatcher.h"

namespace entresol::sim {

class MemberMachine final : private layer::member::Output, private runtime::EnrolmentOutside {
 public:
  struct Birth {
    std::string label;
    bool node = false;
    std::size_t site = 0;
    std::uint64_t seed = 0;
    base::Duration skew{};  // of the calendar
  };
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void joined(MemberMachine& machine, const Json& answer) = 0;
    // An inner packet for its applications, which came in a datagram from there.
    virtual void delivered(MemberMachine& machine, const base::Endpoint& from,
                           base::ByteView packet) = 0;
    virtual void refused(MemberMachine& machine, const std::string& why) = 0;
  };

  MemberMachine(Timeline& timeline, Underlay& underlay, ControllerMachine& controller,
                Observer& observer, Birth birth);

  void start();  // what is not a member yet asks to join, again and again
  void kill();
  // A host goes to another place, with another address there.
  void move(std::size_t site) { underlay_.move(station_, site); }
  void give_token(const std::string& text);  // the text that people get

  const Birth& birth() const { return birth_; }
  bool up() const { return up_; }
  bool running() const { return process_ != nullptr; }
  bool joined() const { return !disk_.certificate.empty(); }
  Underlay::StationId station() const { return station_; }
  const base::Endpoint& address() const { return underlay_.address(station_); }
  const wire::Name& name() const { return name_; }
  const layer::inner::MemberAddresses& addresses() const { return addresses_; }

  // Of a machine that runs.
  layer::member::Member& member() { return process_->member; }
  const layer::member::Member& member() const { return process_->member; }
  const runtime::EnrolmentCore& enrolment() const { return process_->enrolment; }
  const service::Dispatcher& services() const { return process_->services; }
  bool attached() const { return running() && member().attached(0); }
  // The node that it has dialled.
  std::optional<wire::Name> node() const;
  void send(const base::Bytes& packet);  // of an application
  void rekey();

 private:
  using Ask = layer::directory::Ask;
  struct Disk {
    layer::membership::Identity identity;
    base::Bytes certificate;
    std::map<std::string, layer::membership::Objects> nodes;
    std::string directory;
  };
  // What a power cut ends.
  struct Process {
    explicit Process(MemberMachine& machine);
    service::Dispatcher services;
    layer::member::Member member;
    layer::member::LayerIndex layer = 0;
    runtime::Learnt learnt;
    runtime::EnrolmentCore enrolment;
    std::optional<layer::member::WayIn> way_in;
    std::optional<base::TimePoint> save_at;
    bool saving = false, save_again = false;
  };
  struct Asked {
    Ask ask;
    http::Request request;
    http::Patience patience;
  };
  struct Client {  // asks one request after the other
    std::deque<Asked> queue;
    bool busy = false;
  };

  std::int64_t unix_nanos() const { return unix_nanos_at(timeline_.now) + birth_.skew.count(); }
  runtime::EnrolmentCore::Now clocks() const { return {timeline_.now, unix_nanos()}; }
  layer::member::LayerSetup setup() const;
  void start_process();
  void ask_to_join();
  void take_admission(const http::Response& response);
  void receive(Underlay::Datagram& datagram);
  void settle();
  void due();
  void next_request(Client& client);
  void save();

  // layer::member::Output
  void send(const layer::forwarding::OutBurst& burst, const security::Path& path) override;
  void flush() override {}
  void send_datagram(base::ByteView datagram, const security::Path& path) override;
  void deliver(layer::member::LayerIndex layer, const layer::inner::InsidePacket& packet) override;
  void deliver_reply(layer::member::LayerIndex, base::ByteView) override {}
  void note(const layer::member::Note& note) override;
  // runtime::EnrolmentOutside
  void ask(Ask ask, http::Request request, const http::Patience& patience) override;
  void set_policy(layer::policy::Policy policy, std::uint64_t revision) override;
  void nodes_changed() override;
  void keep_certificate(base::ByteView chain) override;
  void keep_node(const std::string& label, base::ByteView certificate,
                 base::ByteView registration) override;
  void keep_learnt(base::Duration wait) override;
  void tell(config::LogLevel level, std::string_view event,
            std::initializer_list<runtime::LogField> fields) override;

  Timeline& timeline_;
  Underlay& underlay_;
  ControllerMachine& controller_;
  Observer& observer_;
  Birth birth_;
  security::SeededRandom random_;
  std::size_t timer_;
  Underlay::StationId station_;
  Disk disk_;
  std::string secret_;  // of its token
  wire::Name name_;
  layer::inner::MemberAddresses addresses_;
  bool up_ = false;
  std::uint64_t life_ = 0;
  std::unique_ptr<Process> process_;
  Client client_, watcher_;
  base::Endpoint from_;  // of the datagram that is being taken
};

}  // namespace entresol::sim
