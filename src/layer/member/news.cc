// What nodes tell one another of who is where, inside their links, so that they do without a controller: a node that gets
// a host tells the node that had it and those who have used the host's name; one that is sent to in vain tells who sends;
// one that does not know whom another sends for asks. Every registration proves itself, and the newest wins.
#include <algorithm>

#include "layer/member/layer.h"
#include "layer/member/member.h"

namespace entresol::layer::member {
namespace {

using forwarding::Link;
using forwarding::LinkKind;

constexpr int kTells = 3;                                               // of one change
constexpr base::Duration kFirstAgain = std::chrono::milliseconds(500);  // doubles
constexpr base::Duration kQuiet = std::chrono::seconds(1);  // about one name to one node
constexpr std::size_t kMaxSaid = 4096;
constexpr std::size_t kMaxNews = 4096;
constexpr std::size_t kNewsPerTick = 64;
constexpr std::size_t kMaxTold = 256;
constexpr std::size_t kMaxInterest = 16384;  // names
constexpr std::size_t kMaxNodes = 8;         // of a name

}  // namespace

// ---- what is said --------------------------------------------------------------------------------------------------

bool Member::may_say(Layer& layer, const wire::Name& node, const wire::Name& about, bool ask) {
  const auto known = layer.said.find({node, about, ask});
  if (known != layer.said.end()) {
    if (known->second > ticked_at_) return false;
    known->second = ticked_at_ + kQuiet;
    return true;
  }
  if (layer.said.size() >= kMaxSaid) {
    if (ticked_at_ < layer.said_swept + kQuiet) return false;
    layer.said_swept = ticked_at_;
    std::erase_if(layer.said, [&](const auto& each) { return each.second <= ticked_at_; });
    if (layer.said.size() >= kMaxSaid) return false;
  }
  layer.said[{node, about, ask}] = ticked_at_ + kQuiet;
  return true;
}

void Member::say(Layer& layer, const News& news) {
  const membership::Objects objects = layer.membership.objects(news.about);
  const bool guest = !objects.grant.empty();
  if (!guest && objects.certificate.empty()) return;
  const auto kind = !guest                         ? wire::AnswerKind::member
                    : objects.registration.empty() ? wire::AnswerKind::guest
                                                   : wire::AnswerKind::placed_guest;
  const base::Bytes told =
      wire::emit_answer(0, kind, guest ? objects.grant : objects.certificate, objects.registration);
  if (!told.empty()) layer.agent.send_own(news.node, told);
}

void Member::tell(Layer& layer, const wire::Name& node, const wire::Name& about) {
  if (!layer.neighbours.contains(node) || !may_say(layer, node, about, false)) return;
  const News news{node, about, kTells - 1};
  say(layer, news);
  if (layer.news.size() < kMaxNews) layer.news.emplace(ticked_at_ + kFirstAgain, news);
  due_ = true;
}

void Member::news_due(LayerIndex index, base::TimePoint now) {
  Layer& layer = *layers_[index];
  for (std::size_t n = 0; n < kNewsPerTick && !layer.news.empty(); ++n) {
    if (layer.news.begin()->first > now) return;
    News news = layer.news.begin()->second;
    layer.news.erase(layer.news.begin());
    say(layer, news);
    const base::Duration again = kFirstAgain * (1 << (kTells - news.left));
    if (--news.left > 0) layer.news.emplace(now + again, news);
  }
}

// Whoever sends to where a name was, or has it from there, hears of where it is.
void Member::tell_former(LayerIndex index, const membership::Moved& moved) {
  Layer& layer = *layers_[index];
  const auto* member = layer.membership.find(moved.name);
  if (member == nullptr) layer.interest.erase(moved.name);
  if (member == nullptr) return;
  const wire::Name& own = layer.membership.own().name;
  if (member->guest && member->placed()) {
    // The node that had it says so if it has it still.
    for (const wire::Name& node : moved.from)
      if (node != own && node != member->place) tell(layer, node, moved.name);
    return;
  }
  if (!member->is_host()) return;
  if (member->attached_to(own))
    for (const wire::Name& node : moved.from)
      if (node != own) tell(layer, node, moved.name);
  tell_interested(layer, *member);
}

void Member::tell_interested(Layer& layer, const membership::Member& member) {
  const auto found = layer.interest.find(member.name);
  if (found == layer.interest.end()) return;
  for (auto& [node, sequence] : found->second) {
    if (sequence >= member.sequence || member.attached_to(node)) continue;
    sequence = member.sequence;
    tell(layer, node, member.name);
  }
}

// ---- what others do and say ----------------------------------------------------------------------------------------

void Member::note_interest(Layer& layer, const wire::Name& node, const wire::Name& name) {
  const auto* member = layer.membership.find(name);
  if (member == nullptr || !member->is_host()) return;
  if (layer.interest.size() >= kMaxInterest && !layer.interest.contains(name)) return;
  auto& nodes = layer.interest[name];
  if (nodes.size() < kMaxNodes || nodes.contains(node)) nodes[node] = member->sequence;
}

void Member::settle_mentions() {
  for (const forwarding::Mention& stray : pipeline_.strays()) {
    const Link& link = tables_.links[stray.link];
    if (!link.used) continue;
    Layer& layer = *layers_[link.layer];
    const wire::Name& own = layer.membership.own().name;
    const auto* member = layer.membership.find(stray.name);
    if (stray.name == own || layer.membership.revoked(stray.name)) continue;
    if (link.kind != LinkKind::kNode) {
      seek_guest(layer, stray.name);
    } else if (!stray.source) {
      const bool elsewhere =
          member != nullptr &&
          (member->guest ? member->placed() && member->place != own
                         : !member->attachments.empty() && !member->attached_to(own));
      if (elsewhere) tell(layer, link.name, stray.name);
    } else if (may_say(layer, link.name, stray.name, true)) {
      layer.agent.send_own(link.name,
                           wire::emit_lookup(0, wire::LookupKind::name, stray.name.octets));
    }
  }
  pipeline_.strays().clear();
  for (const forwarding::Mention& met : pipeline_.met()) {
    const Link& link = tables_.links[met.link];
    if (link.used && link.kind == LinkKind::kNode)
      note_interest(*layers_[link.layer], link.name, met.name);
  }
  pipeline_.met().clear();
}

// A control message of another node, by its own link. True: it is dealt with here; what costs signatures waits its turn.
bool Member::from_neighbour(LayerIndex index, const forwarding::Packet& packet,
                            const wire::HeaderView& view) {
  const Link& link = tables_.links[packet.ingress];
  wire::ControlView message;
  if (!config_.node || link.kind != LinkKind::kNode || link.name != view.source() ||
      wire::ControlView::parse(view.payload(), message) != base::DropReason::none)
    return false;
  if (message.type() == wire::ControlType::lookup &&
      message.lookup_kind() == wire::LookupKind::name)
    note_interest(*layers_[index], link.name, wire::load_name(message.lookup_key().data()));
  if (message.type() != wire::ControlType::answer) return false;
  if (told_.size() < kMaxTold) {
    told_.push_back({index, base::Bytes(view.payload().begin(), view.payload().end())});
  } else {
    count_drop(base::DropReason::news_queue_full);  // who tells repeats it
  }
  return true;
}

void Member::take_told() {
  for (std::size_t n = 0; n < config_.handshakes_per_tick && !told_.empty(); ++n) {
    const Told told = std::move(told_.front());
    told_.pop_front();
    wire::ControlView message;
    if (wire::ControlView::parse(told.message, message) != base::DropReason::none) continue;
    const base::UnixSeconds today = unix_nanos_ / 1'000'000'000;
    const base::ByteView first = message.answer_first(), second = message.answer_second();
    if (message.answer_kind() == wire::AnswerKind::guest ||
        message.answer_kind() == wire::AnswerKind::placed_guest) {
      // What is known already is cheaper to see than that it proves itself.
      base::Bytes grant(first.begin(), first.end());
      const wire::Name guest = membership::Membership::name_granted(grant);
      if (layers_[told.layer]->membership.objects(guest).grant != grant)
        (void)learn_guest(told.layer, std::move(grant), today);
      if (!second.empty()) learn_place(told.layer, second);
    } else if (message.answer_kind() == wire::AnswerKind::member) {
      // It may well be known already, and that is cheaper to see than that it proves itself.
      security::Credentials shown;
      shown.certificate.assign(first.begin(), first.end());
      const auto& membership = layers_[told.layer]->membership;
      const base::Bytes known =
          membership.objects(membership::Membership::name_shown(shown)).registration;
      if (!std::equal(known.begin(), known.end(), second.begin(), second.end()))
        (void)learn(told.layer, first, second, today);
    }
  }
}

}  // namespace entresol::layer::member
