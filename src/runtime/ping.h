// `entresol ping`: echo requests into the layer, with rising TTL for the members on the way and then full for the far one.
#pragma once

#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "io/event_loop.h"
#include "io/unix_socket.h"
#include "layer/member/member.h"

namespace entresol::runtime {

using Json = nlohmann::ordered_json;

class Pings {
 public:
  Pings(layer::member::Member& member, io::EventLoop& loop);

  // {"name": NAME, "layer": LABEL?, "count": N?}: answers when all echoes are back, or after a second each. Whom this
  // member does not know it asks its node for first.
  void start(const Json& call, io::ControlServer::Reply reply);
  void collect();  // takes what echoes have come; once a round

 private:
  struct Probe {
    base::TimePoint sent{};
    bool answered = false;
    bool reply = false;
    double milliseconds = 0;
    wire::Name from;
    wire::ControlType error{};
    std::string text;
  };
  struct Search {
    Json call;
    io::ControlServer::Reply reply;
    base::TimePoint until{};
  };
  bool begin(const Json& call, io::ControlServer::Reply& reply);
  bool seek(const Json& call);
  void search();
  struct Ping {
    std::uint16_t identifier = 0;
    layer::member::LayerIndex layer = 0;
    wire::Name target;
    std::string label;
    std::size_t count = 3;
    std::size_t hops = 0;  // probes for the members on the way
    bool tracing = true;   // the last of them has named somebody, or is to be sent
    // An echo that only finds the way: links and sessions are made on demand. Then the hops' probes, then the echoes.
    std::vector<Probe> probes;
    std::size_t first_echo() const { return 1 + hops; }
    io::TimerId timer{};
    io::ControlServer::Reply reply;
    bool done = false;
  };
  void send_next(Ping& ping);
  void finish(Ping& ping);
  Json path(const Ping& ping) const;

  layer::member::Member& member_;
  io::EventLoop& loop_;
  std::deque<Ping> pings_;
  std::deque<Search> searches_;
  io::TimerId search_timer_{};
  std::uint16_t next_identifier_ = 1;
};

}  // namespace entresol::runtime
