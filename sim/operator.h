// The layer's operator: makes tokens, sets policies, revokes members and tokens, and asks again until there is an answer.
// What is acknowledged is kept in Truth.
#pragma once

#include <functional>

#include "truth.h"

namespace entresol::sim {

class Operator {
 public:
  Operator(Timeline& timeline, Underlay& underlay, ControllerMachine& controller, Truth& truth,
           std::uint64_t seed);

  // `made` gets the text. With `take_back` the token is revoked at once instead of used.
  void make_token(bool node, unsigned tag, std::function<void(const std::string&)> made,
                  bool take_back = false);
  void set_policy(const std::string& text, std::function<void()> done);
  void revoke(const std::string& label, std::function<void()> done);
  bool idle() const { return open_ == 0; }  // everything is answered

 private:
  struct Errand {
    std::string method, target;
    Json body;
    // False: the answer is none that this can end with, and it is asked again.
    std::function<void(const Json&)> done;
  };
  void begin(Errand errand);
  void ask(const std::shared_ptr<Errand>& errand);
  void revoke_token(const std::string& id);

  Timeline& timeline_;
  ControllerMachine& controller_;
  Truth& truth_;
  security::SeededRandom random_;
  Underlay::StationId station_;
  std::size_t open_ = 0;
};

}  // namespace entresol::sim
