#include "dns/server.h"

#include <algorithm>

namespace entresol::dns {

const Zone* Server::zone_of(base::ByteView name) const {
  const auto found = std::ranges::find_if(zones_, [&](const Zone& zone) { return zone.has(name); });
  return found == zones_.end() ? nullptr : &*found;
}

bool Server::take(Asker asker, base::ByteView message, bool stream, std::size_t largest,
                  base::TimePoint now) {
  ++counters_.queries;
  Query query;
  const Parsed parsed = parse_query(message, query);
  if (parsed == Parsed::kQuery) {
    answer(asker, message, query, stream, largest, now);
    return true;
  }
  ++counters_.malformed;
  if (parsed == Parsed::kNothing) return false;
  reply(asker, emit_error(message, parsed == Parsed::kMalformed ? Rcode::kFormatError
                                                                : Rcode::kNotImplemented));
  return true;
}

void Server::answer(Asker asker, base::ByteView message, const Query& query, bool stream,
                    std::size_t largest, base::TimePoint now) {
  if (query.edns_version != 0) {
    ++counters_.malformed;
    return reply(asker, emit_answer(message, query, {Rcode::kBadVersion}));
  }
  if (query.klass != kClassIn || query.type == type::kAxfr || query.type == type::kIxfr) {
    ++counters_.refused;
    return reply(asker, emit_answer(message, query, {Rcode::kRefused}));
  }
  const std::size_t limit =
      stream ? kMessageMaximum : std::min<std::size_t>(query.udp_size, largest);
  const Zone* zone = zone_of(query.name);
  if (zone == nullptr) return forwarder_.ask(asker, message, query, stream, limit, now);
  if (auto answer = zone->answer(message, query))
    return reply_here(asker, message, query, std::move(*answer), limit);
  if (waiting_.size() >= kMostWaiting) {
    ++counters_.unanswered;
    return reply(asker, emit_answer(message, query, {Rcode::kServerFailure}));
  }
  waiting_.push_back({asker, {message.begin(), message.end()}, zone, limit, now + kPatience});
}

void Server::reply_here(Asker asker, base::ByteView message, const Query& query, base::Bytes answer,
                        std::size_t limit) {
  ++counters_.answered_here;
  if (answer.size() > limit) answer = emit_answer(message, query, {Rcode::kNoError, true, true});
  reply(asker, std::move(answer));
}

void Server::retry(base::TimePoint now) {
  std::erase_if(waiting_, [&](const Waiting& each) {
    Query query;
    if (parse_query(each.message, query) != Parsed::kQuery) return true;
    if (auto answer = each.zone->answer(each.message, query)) {
      reply_here(each.asker, each.message, query, std::move(*answer), each.limit);
      return true;
    }
    if (each.until > now) return false;
    ++counters_.unanswered;
    reply(each.asker, emit_answer(each.message, query, {Rcode::kServerFailure}));
    return true;
  });
}

void Server::forget(Asker asker) {
  std::erase_if(waiting_, [&](const Waiting& each) { return each.asker == asker; });
  forwarder_.forget(asker);
}

void Server::on_timer(base::TimePoint now) {
  if (!waiting_.empty() && waiting_.front().until <= now) retry(now);
  forwarder_.on_timer(now);
}

base::TimePoint Server::next_timer() const {
  return std::min(forwarder_.next_timer(),
                  waiting_.empty() ? base::kNever : waiting_.front().until);
}

}  // namespace entresol::dns
