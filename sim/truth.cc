#include "truth.h"

#include "controller/json.h"

namespace entresol::sim {

std::string tag_text(unsigned tag) {
  return std::string(1, static_cast<char>('a' + tag));
}

PortPolicy PortPolicy::any(security::SeededRandom& random) {
  PortPolicy out;
  out.number_ = random.next();
  const auto rules = random.below(6);
  for (std::uint64_t i = 0; i < rules; ++i) {
    PortRule rule;
    rule.allow = random.chance(50);
    rule.from_tag = static_cast<unsigned>(random.below(kTags + 1));
    rule.to_tag = static_cast<unsigned>(random.below(kTags + 1));
    rule.first = static_cast<std::uint16_t>(kFirstPort + random.below(kLastPort - kFirstPort + 1));
    rule.last = static_cast<std::uint16_t>(rule.first + random.below(kLastPort - rule.first + 1u));
    out.rules_.push_back(rule);
  }
  out.rules_.push_back({true, 0, 0, kOpenPort, kOpenPort});
  if (random.chance(50)) out.rules_.push_back({true, 0, 0, kFirstPort, kLastPort});
  return out;
}

std::string PortPolicy::text() const {
  std::string out = "# " + std::to_string(number_) + "\n";
  const auto who = [](unsigned tag) { return tag == 0 ? "*" : "tag:" + tag_text(tag); };
  for (const PortRule& rule : rules_)
    out += std::string(rule.allow ? "allow " : "deny ") + who(rule.from_tag) + " " +
           who(rule.to_tag) + " udp/" + std::to_string(rule.first) + "-" +
           std::to_string(rule.last) + "\n";
  return out;
}

bool PortPolicy::allows(unsigned from_tag, unsigned to_tag, std::uint16_t port) const {
  for (const PortRule& rule : rules_)
    if ((rule.from_tag == 0 || rule.from_tag == from_tag) &&
        (rule.to_tag == 0 || rule.to_tag == to_tag) && port >= rule.first && port <= rule.last)
      return rule.allow;
  return false;
}

const PortPolicy* Truth::policy_of(const std::string& text) const {
  const auto found = meant_.find(text);
  return found == meant_.end() ? nullptr : &found->second;
}

void Truth::policy_is(std::uint64_t revision, const std::string& text) {
  const PortPolicy* policy = policy_of(text);
  if (policies_.empty() || policies_.back().revision != revision ||
      policies_.back().policy != policy)
    policies_.push_back({revision, policy});
}

void Truth::policy_heard(std::size_t node, std::uint64_t revision) {
  auto& heard = heard_[node];
  if (heard.empty() || heard.back().second < revision) heard.emplace_back(timeline_.now, revision);
}

// A reply passes as the reverse of what its opener may.
bool Truth::allows(const PortPolicy& policy, const SentPacket& packet) const {
  return policy.allows(tags[packet.flow.from], tags[packet.flow.to], packet.flow.port);
}

bool Truth::denied(const SentPacket& packet, std::size_t node) const {
  const auto found = heard_.find(node);
  if (found == heard_.end()) return false;
  std::uint64_t holds = 0;
  for (const auto& [at, revision] : found->second)
    if (at <= packet.at) holds = revision;
  if (holds == 0) return false;
  return std::none_of(policies_.begin(), policies_.end(), [&](const InForce& each) {
    return each.revision >= holds && (each.policy == nullptr || allows(*each.policy, packet));
  });
}

// Of an incarnation that began after the revocation, whoever has seen all that it began with has seen it too.
void Truth::node_has_seen(std::size_t node, const directory::Revision& since) {
  for (auto& [host, told] : revoked_) {
    if (told.nodes.contains(node)) continue;
    const bool same = since.incarnation == told.at.incarnation;
    const auto opened = opened_.find(since.incarnation);
    const auto before = opened_.find(told.at.incarnation);
    if (opened == opened_.end() || before == opened_.end()) continue;
    const std::uint64_t needed = same ? told.at.counter : opened->second.second;
    if (opened->second.first >= before->second.first && since.counter >= needed)
      told.nodes[node] = timeline_.now;
  }
}

bool Truth::outcast(const SentPacket& packet, std::size_t node) const {
  for (const std::size_t host : {packet.sender(), packet.receiver()}) {
    const auto found = revoked_.find(host);
    if (found == revoked_.end()) continue;
    const auto told = found->second.nodes.find(node);
    if (told != found->second.nodes.end() && told->second <= packet.at) return true;
  }
  return false;
}

std::vector<std::string> Truth::lost(const directory::Authority& authority,
                                     base::UnixSeconds now) const {
  std::vector<std::string> out;
  for (const auto& [label, answer] : acknowledged.members) {
    const auto name = wire::name_from_text(answer["name"].get<std::string>());
    const auto found = authority.members().find(*name);
    const bool out_again = acknowledged.revoked.contains(label);
    if (found == authority.members().end()) {
      if (!out_again) out.push_back("member " + label + " was acknowledged and is lost");
      continue;
    }
    if (found->second.label != label ||
        controller::ipv4_text(found->second.ipv4) != answer["ipv4"].get<std::string>())
      out.push_back("member " + label + " is another one than was acknowledged");
    if (out_again && found->second.revoked_at == 0)
      out.push_back("the revocation of " + label + " was acknowledged and is lost");
  }
  for (const auto& [id, ends] : acknowledged.tokens)
    if (!authority.tokens().contains(*controller::parse_id(id)) && now < ends)
      out.push_back("token " + id + " was acknowledged and is lost");
  for (const std::string& id : acknowledged.revoked_tokens)
    if (authority.tokens().contains(*controller::parse_id(id)))
      out.push_back("the revocation of token " + id + " was acknowledged and is lost");
  const auto& policy = authority.policy();
  if (policy.revision < acknowledged.policy_revision ||
      (policy.revision == acknowledged.policy_revision && policy.text != acknowledged.policy))
    out.push_back("policy " + std::to_string(acknowledged.policy_revision) +
                  " was acknowledged and is lost");
  return out;
}

}  // namespace entresol::sim
