// Whom this member has asked its node about: inner packets for a destination that nobody knows here wait until the node
// answers, and are told if it knows nobody either. What was not found is remembered for a moment, so that an application
// that insists does not ask for each packet.
//
// Pure. One thread. Bounded: queries, waiting packets and their octets. docs/wire.md section 7, types 32 and 33.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "layer/inner/offload.h"
#include "layer/membership/object.h"
#include "wire/name.h"

namespace entresol::layer::session {

using Sought = std::variant<wire::Name, membership::Ipv4, std::string>;  // the last: a label

class Lookups {
 public:
  explicit Lookups(base::RandomSource& random) : random_(random) {}

  struct Waiting {
    wire::Name local;
    base::Bytes packet;
    inner::Offload offload;
  };
  enum class Asked : std::uint8_t {
    kWaits,    // the packet is kept; without one, the question has been asked
    kUnknown,  // the node has said so a moment ago
    kFull,     // too many wait
  };
  Asked ask(const Sought& sought, Waiting waiting, base::TimePoint now);
  Asked ask(const Sought& sought, base::TimePoint now);  // nothing waits for it

  // What is to be sent now: first questions and repeats. Times advance.
  struct Question {
    std::uint32_t id;
    Sought sought;
  };
  std::vector<Question> due(base::TimePoint now);
  // What a question that is open asks for; null if it was not asked, or has been answered.
  const Sought* open(std::uint32_t id) const;
  // The packets of a question that was answered; nothing if it is not open.
  std::optional<std::vector<Waiting>> answered(std::uint32_t id, bool found, base::TimePoint now);
  // Packets of questions that nobody has answered.
  std::vector<Waiting> expired(base::TimePoint now);
  // All packets that wait: nobody can be asked any more.
  std::vector<Waiting> abandon();
  base::TimePoint next_timer() const { return next_; }  // kNever if none

 private:
  static constexpr std::size_t kMaxQuestions = 256;
  static constexpr std::size_t kMaxPackets = 16;          // of one question
  static constexpr std::size_t kMaxOctets = 1024 * 1024;  // of all
  static constexpr int kTries = 5;
  static constexpr base::Duration kFirstRepeat = std::chrono::milliseconds(250);  // doubles
  static constexpr base::Duration kUnknownFor = std::chrono::seconds(2);

  struct Entry {
    std::uint32_t id = 0;
    int tries = 0;
    base::TimePoint at{};  // of the next try; of the end, once it is known that nobody knows
    bool unknown = false;
    std::vector<Waiting> waiting;
  };
  Entry* entry_for(const Sought& sought, base::TimePoint now);
  void release(const std::vector<Waiting>& waiting);
  void schedule();

  base::RandomSource& random_;
  std::map<Sought, Entry> entries_;
  std::size_t octets_ = 0;
  base::TimePoint next_ = base::kNever;
};

}  // namespace entresol::layer::session
