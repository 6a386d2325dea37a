#include "dns/forwarder.h"

#include <algorithm>

namespace entresol::dns {
namespace {

// What the C library takes as "ask the next one" too.
bool declines(Rcode rcode) {
  return rcode == Rcode::kServerFailure || rcode == Rcode::kNotImplemented ||
         rcode == Rcode::kRefused;
}

}  // namespace

void Forwarder::set_servers(std::vector<base::Endpoint> servers) {
  if (servers.size() > kMaxServers) servers.resize(kMaxServers);
  if (servers == servers_) return;
  servers_ = std::move(servers);
  preferred_ = 0;
  // Those who wait at a server that is none any more are asked again by who waits for them.
  while (!open_.empty()) {
    fail(open_.begin()->second);
    closed_.push_back(open_.begin()->first);
    open_.erase(open_.begin());
  }
}

void Forwarder::ask(Asker asker, base::ByteView message, const Query& query, bool stream,
                    std::size_t limit, base::TimePoint now) {
  ++counters_.asked;
  if (servers_.empty()) {
    ++counters_.given_up;
    replies_.push_back({asker, emit_answer(message, query, {Rcode::kRefused})});
    return;
  }
  if (open_.size() >= kMost) {
    ++counters_.crowded_out;
    fail(open_.begin()->second);
    closed_.push_back(open_.begin()->first);
    open_.erase(open_.begin());
  }
  if (now >= avoided_at_ + kForgiven) preferred_ = 0;
  Entry entry;
  entry.asker = asker;
  entry.message.assign(message.begin(), message.end());
  entry.stream = stream;
  entry.limit = limit;
  entry.first = preferred_;
  send(std::move(entry), now);
}

void Forwarder::send(Entry entry, base::TimePoint now) {
  const Ticket ticket(++last_ticket_);
  const auto number = random_.bytes<2>();
  entry.id = base::load_be16(number.data());
  entry.until = now + kPatience;
  Send out{ticket, servers_[(entry.first + entry.tries) % servers_.size()], entry.stream,
           entry.message};
  std::ranges::copy(number, out.message.begin());
  sends_.push_back(std::move(out));
  open_.emplace(ticket, std::move(entry));
}

void Forwarder::answered(Ticket ticket, base::ByteView message, base::TimePoint now) {
  const auto at = open_.find(ticket);
  if (at == open_.end()) return;
  const Entry& entry = at->second;
  Query query;
  if (parse_query(entry.message, query) != Parsed::kQuery) return;
  const auto rcode = parse_answer(message, entry.id, query.question(entry.message));
  if (!rcode) {
    ++counters_.mismatched;
    return;
  }
  if (declines(*rcode) && entry.tries + 1 < servers_.size()) {
    ++counters_.declined;
    return next_or_fail(at, now);
  }
  ++counters_.answered;
  base::Bytes reply(message.begin(), message.end());
  std::copy_n(entry.message.begin(), 2, reply.begin());
  if (reply.size() > entry.limit) reply = emit_answer(entry.message, query, {*rcode, false, true});
  replies_.push_back({entry.asker, std::move(reply)});
  closed_.push_back(ticket);
  open_.erase(at);
}

void Forwarder::unreachable(Ticket ticket, base::TimePoint now) {
  const auto at = open_.find(ticket);
  if (at == open_.end()) return;
  ++counters_.unreachable;
  avoid(at->second, now);
  next_or_fail(at, now);
}

void Forwarder::forget(Asker asker) {
  for (auto each = open_.begin(); each != open_.end();) {
    if (each->second.asker != asker) {
      ++each;
      continue;
    }
    closed_.push_back(each->first);
    each = open_.erase(each);
  }
}

void Forwarder::on_timer(base::TimePoint now) {
  while (!open_.empty() && open_.begin()->second.until <= now) {
    ++counters_.timeouts;
    avoid(open_.begin()->second, now);
    next_or_fail(open_.begin(), now);
  }
}

base::TimePoint Forwarder::next_timer() const {
  return open_.empty() ? base::kNever : open_.begin()->second.until;
}

// Once for all questions that have met its silence.
void Forwarder::avoid(const Entry& entry, base::TimePoint now) {
  if ((entry.first + entry.tries) % servers_.size() != preferred_) return;
  preferred_ = (preferred_ + 1) % servers_.size();
  avoided_at_ = now;
}

void Forwarder::next_or_fail(std::map<Ticket, Entry>::iterator at, base::TimePoint now) {
  Entry entry = std::move(at->second);
  closed_.push_back(at->first);
  open_.erase(at);
  if (++entry.tries < most_tries()) return send(std::move(entry), now);
  ++counters_.given_up;
  fail(entry);
}

void Forwarder::fail(const Entry& entry) {
  Query query;
  if (parse_query(entry.message, query) != Parsed::kQuery) return;
  replies_.push_back({entry.asker, emit_answer(entry.message, query, {Rcode::kServerFailure})});
}

}  // namespace entresol::dns
