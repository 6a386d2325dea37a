// A request's way: take it apart, find its route, see who asks, let the handler answer, hold the answer until it is durable.
#include "controller/api.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error_codes.h"
#include "controller/call.h"

namespace entresol::controller {
namespace {

namespace code = base::code;

constexpr std::size_t kMaxTarget = 1024;
constexpr std::int64_t kMaxWait = 50;
constexpr std::string_view kBearer = "Bearer ";

constexpr std::array<std::pair<std::string_view, unsigned>, 31> kStatuses{{
    {code::kTokenUnknown, 403},
    {code::kTokenExpired, 403},
    {code::kTokenUsed, 403},
    {code::kTokenRefused, 403},
    {code::kMemberRevoked, 403},
    {code::kScopeMissing, 403},
    {code::kRequestUnproved, 401},
    {code::kRequestStale, 401},
    {code::kApiTokenUnknown, 401},
    {code::kMemberUnknown, 404},
    {code::kLabelTaken, 409},
    {code::kNameTaken, 409},
    {code::kNameKeyElsewhere, 409},
    {code::kRegistrationOld, 409},
    {code::kObjectsTooLarge, 413},
    {code::kHttpTooLarge, 413},
    {code::kServiceUnpublished, 404},
    {code::kServiceTaken, 409},
    {code::kServiceVersion, 409},
    {code::kServiceId, 403},
    {code::kServiceFull, 413},
    {code::kPoolExhausted, 503},
    {code::kDelegationEnded, 503},
    {code::kStoreFull, 507},
    {code::kStoreFailed, 503},
    {code::kStoreBroken, 503},
    {code::kStoreLocked, 503},
    {code::kHttpInternal, 500},
    {code::kHttpBusy, 503},
    {code::kUsage, 404},
    {code::kHttpTooManyFailures, 429},
}};

// What somebody is refused for who tries what he has no right to. Not kRequestStale: a clock is no attack.
constexpr std::array kFailures{code::kTokenUnknown,  code::kTokenExpired,    code::kTokenUsed,
                               code::kTokenRefused,  code::kRequestUnproved, code::kApiTokenUnknown,
                               code::kMemberUnknown, code::kMemberRevoked};

base::TimePoint point_of(base::UnixSeconds now) {
  return base::TimePoint(std::chrono::seconds(now));
}

bool split_target(std::string_view target, std::string& path,
                  std::map<std::string, std::string, std::less<>>& query) {
  const std::size_t mark = target.find('?');
  path = target.substr(0, mark);
  if (mark == std::string_view::npos) return true;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const std::size_t equals = one.find('=');
    std::string key, value;
    if (!decode_percent(one.substr(0, equals), key)) return false;
    if (equals != std::string_view::npos && !decode_percent(one.substr(equals + 1), value))
      return false;
    query.insert_or_assign(std::move(key), std::move(value));
  }
  return true;
}

// "/v1/members/alice" is "/v1/members/*" and "alice".
bool split_path(std::string& path, std::string& who) {
  const std::size_t second = path.find('/', 1);
  const std::size_t third = second == std::string::npos ? second : path.find('/', second + 1);
  if (third == std::string::npos) return true;
  if (!decode_percent(std::string_view(path).substr(third + 1), who)) return false;
  path.resize(third + 1);
  path += '*';
  return true;
}

bool number_of(const std::map<std::string, std::string, std::less<>>& query, std::string_view key,
               std::int64_t most, std::int64_t& out) {
  const auto at = query.find(key);
  if (at == query.end()) return true;
  const char* end = at->second.data() + at->second.size();
  const auto read = std::from_chars(at->second.data(), end, out);
  return read.ec == std::errc() && read.ptr == end && out >= 0 && out <= most;
}

}  // namespace

bool decode_percent(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    base::Bytes octet;
    if (i + 2 >= text.size() || !base::from_hex(text.substr(i + 1, 2), octet)) return false;
    out += static_cast<char>(octet[0]);
    i += 2;
  }
  return true;
}

unsigned http_status(const base::Error& error) {
  const auto found = std::find_if(kStatuses.begin(), kStatuses.end(),
                                  [&](const auto& each) { return each.first == error.code; });
  return found == kStatuses.end() ? 400 : found->second;
}

// The request of who wants to be told what changes.
Watch Api::watch_of(const Call& call, std::shared_ptr<http::Responder> responder,
                    std::size_t page) {
  std::int64_t limit = static_cast<std::int64_t>(page), seconds = 0, policy = -1;
  number_of(call.query, "limit", limit, limit);
  number_of(call.query, "wait", kMaxWait, seconds);
  number_of(call.query, "policy", INT64_MAX, policy);
  Watch watch{std::move(responder), std::nullopt, static_cast<std::size_t>(limit),
              call.now + seconds,   call.member,  std::nullopt};
  if (policy >= 0) watch.policy_revision = static_cast<std::uint64_t>(policy);
  if (const auto since = call.query.find("since"); since != call.query.end())
    watch.since = directory::parse_revision(since->second);
  return watch;
}

Api::Api(ApiConfig config, directory::Authority& authority, directory::Store& store,
         Observer observer)
    : config_(std::move(config)),
      authority_(authority),
      store_(store),
      observer_(std::move(observer)),
      failures_(config_.failures) {}

Api::~Api() = default;

const Api::Route* Api::find(const Call& call, bool& known_path) {
  using Auth = Route::Auth;
  using directory::Scope;
  static constexpr std::array kRoutes{
      Route{"GET", "/v1", Auth::kNone, Scope::kRead, &Api::version},
      Route{"POST", "/v1/join", Auth::kNone, Scope::kAdmin, &Api::join},
      Route{"POST", "/v1/certificate", Auth::kMember, Scope::kAdmin, &Api::renew},
      Route{"PUT", "/v1/registration", Auth::kMember, Scope::kAdmin, &Api::put_registration},
      Route{"GET", "/v1/nodes", Auth::kEither, Scope::kRead, &Api::list_nodes},
      Route{"GET", "/v1/directory", Auth::kEither, Scope::kRead, &Api::watch},
      Route{"GET", "/v1/status", Auth::kPerson, Scope::kRead, &Api::get_status},
      Route{"GET", "/v1/members", Auth::kPerson, Scope::kRead, &Api::list_members},
      Route{"GET", "/v1/members/*", Auth::kPerson, Scope::kRead, &Api::show_member},
      Route{"DELETE", "/v1/members/*", Auth::kPerson, Scope::kAdmit, &Api::revoke_member},
      Route{"GET", "/v1/tokens", Auth::kPerson, Scope::kRead, &Api::list_tokens},
      Route{"POST", "/v1/tokens", Auth::kPerson, Scope::kAdmit, &Api::create_token},
      Route{"DELETE", "/v1/tokens/*", Auth::kPerson, Scope::kAdmit, &Api::revoke_token},
      Route{"GET", "/v1/guests", Auth::kPerson, Scope::kRead, &Api::list_guests},
      Route{"GET", "/v1/guests/*", Auth::kPerson, Scope::kRead, &Api::show_guest},
      Route{"POST", "/v1/guests", Auth::kPerson, Scope::kAdmit, &Api::add_guest},
      Route{"DELETE", "/v1/guests/*", Auth::kPerson, Scope::kAdmit, &Api::remove_guest},
      Route{"GET", "/v1/names", Auth::kPerson, Scope::kRead, &Api::list_names},
      Route{"GET", "/v1/names/*", Auth::kPerson, Scope::kRead, &Api::show_name},
      Route{"POST", "/v1/names", Auth::kPerson, Scope::kAdmit, &Api::create_name},
      Route{"PUT", "/v1/names/*", Auth::kPerson, Scope::kAdmit, &Api::change_name},
      Route{"DELETE", "/v1/names/*", Auth::kPerson, Scope::kAdmit, &Api::revoke_name},
      Route{"GET", "/v1/services", Auth::kPerson, Scope::kRead, &Api::list_services},
      Route{"GET", "/v1/services/*", Auth::kPerson, Scope::kRead, &Api::show_service},
      Route{"POST", "/v1/services", Auth::kPerson, Scope::kServices, &Api::publish_service},
      Route{"PUT", "/v1/services/*", Auth::kPerson, Scope::kServices, &Api::change_service},
      Route{"DELETE", "/v1/services/*", Auth::kPerson, Scope::kServices, &Api::remove_service},
      Route{"GET", "/v1/packages/*", Auth::kEither, Scope::kRead, &Api::get_package},
      Route{"PUT", "/v1/standing", Auth::kMember, Scope::kAdmin, &Api::report_services},
      Route{"GET", "/v1/policy", Auth::kPerson, Scope::kRead, &Api::get_policy},
      Route{"PUT", "/v1/policy", Auth::kPerson, Scope::kPolicy, &Api::set_policy},
      Route{"GET", "/v1/api-tokens", Auth::kPerson, Scope::kAdmin, &Api::list_api_tokens},
      Route{"POST", "/v1/api-tokens", Auth::kPerson, Scope::kAdmin, &Api::create_api_token},
      Route{"DELETE", "/v1/api-tokens/*", Auth::kPerson, Scope::kAdmin, &Api::revoke_api_token},
  };
  known_path = false;
  for (const Route& route : kRoutes) {
    if (route.path != call.path) continue;
    known_path = true;
    if (route.method == call.request.method) return &route;
  }
  return nullptr;
}

base::Result<void> Api::admit(const Route& route, Call& call, http::Responder& responder) const {
  using Auth = Route::Auth;
  if (route.auth == Auth::kNone) return {};
  const std::string_view said = call.request.authorization;
  const bool bearer = said.substr(0, kBearer.size()) == kBearer;
  if (bearer ? route.auth == Auth::kMember : route.auth == Auth::kPerson)
    return base::fail(code::kRequestUnproved,
                      bearer ? "this is for members: a request signed with an identity key"
                             : "this is for people: Authorization: Bearer and an API token");
  if (bearer) {
    auto token = authority_.check_api_token(said.substr(kBearer.size()), route.scope, call.now);
    if (!token) return tl::unexpected(token.error());
  } else {
    const base::ByteView body(reinterpret_cast<const std::uint8_t*>(call.request.body.data()),
                              call.request.body.size());
    auto member =
        authority_.authenticate(said, {call.request.method, call.request.target, body}, call.now);
    if (!member) return tl::unexpected(member.error());
    call.member = (*member)->name;
  }
  responder.vouch();
  call.proved = true;
  return {};
}

Api::Answer Api::answer(const http::Request& request, http::Responder& responder,
                        base::UnixSeconds now, bool& waits, Call& call) {
  if (request.target.size() > kMaxTarget || !split_target(request.target, call.path, call.query) ||
      !split_path(call.path, call.who))
    return base::fail(code::kHttpBadRequest, "the request's target is malformed");
  bool known_path = false;
  const Route* route = call.route = find(call, known_path);
  if (route == nullptr)
    return base::fail(code::kUsage, known_path ? request.method + " is not possible here"
                                               : "there is no such path: docs/api.md lists them");
  if (auto admitted = admit(*route, call, responder); !admitted)
    return tl::unexpected(admitted.error());
  auto body = parse_body(request.body);
  if (!body) return tl::unexpected(body.error());
  call.body = std::move(*body);
  waits = route->handler == &Api::watch;
  call.now = now;
  return (this->*route->handler)(call);
}

// Before anything of it is looked at, so that it costs next to nothing.
bool Api::held_up(const http::Request& request, base::UnixSeconds now) {
  return !request.vouched && !failures_.has(http::source_of(request.peer), point_of(now));
}

void Api::handle(const http::Request& request, std::shared_ptr<http::Responder> responder,
                 base::UnixSeconds now) {
  ++counters_.requests;
  Call call{request, now, {}, {}, {}, {}, std::nullopt, false, nullptr};
  bool waits = false;
  Answer result = base::fail(code::kHttpTooManyFailures,
                             "too many requests from this address have failed: wait a minute");
  if (!held_up(request, now)) result = answer(request, *responder, now, waits, call);
  AnswerKind kind;
  if (call.route != nullptr) kind = {call.route->method, call.route->path, {}};
  if (!result) {
    kind.code = result.error().code;
    ++counters_.refused[kind.code];
    if (!call.proved && std::ranges::find(kFailures, kind.code) != kFailures.end())
      failures_.take(http::source_of(request.peer), point_of(now));
    observe("request_refused", kind.code, call);
    pending_.push_back({std::move(responder),
                        http::error_response(http_status(result.error()), result.error()),
                        std::move(kind)});
    return;
  }
  if (!waits) {
    pending_.push_back(
        {std::move(responder), {200, result->dump(), "application/json"}, std::move(kind)});
    return;
  }
  ++counters_.answers[kind];
  watchers_.add(watch_of(call, std::move(responder), config_.page), now);
}

void Api::end_of_round(base::UnixSeconds now) {
  if (batch_ && !batch_->empty()) {
    ++counters_.commits;
    if (auto committed = batch_->commit(); !committed) {
      ++counters_.commit_failures;
      ++counters_.refused[committed.error().code];
      if (observer_) observer_("store_failed", committed.error().message, {});
      for (Pending& each : pending_) {
        each.response = http::error_response(http_status(committed.error()), committed.error());
        each.kind.code = committed.error().code;
      }
    } else {
      counters_.committed_at = now;
    }
  }
  batch_.reset();
  for (Pending& each : std::exchange(pending_, {})) {
    ++counters_.answers[each.kind];
    each.responder->answer(std::move(each.response));
  }
  watchers_.tell(authority_, now);
}

base::Result<void> Api::upkeep(base::UnixSeconds now) {
  watchers_.prune(authority_);
  std::erase_if(reported_, [&](const auto& each) {
    const auto node = authority_.members().find(each.first);
    return node == authority_.members().end() || node->second.revoked_at != 0;
  });
  auto forgotten = directory::settle(authority_, store_, authority_.expire(now));
  if (!forgotten) return tl::unexpected(forgotten.error());
  auto renewed = directory::settle(authority_, store_, authority_.renew_names(now));
  if (!renewed) return tl::unexpected(renewed.error());
  return {};
}

// Often enough for the last third of a certificate's time.
base::Duration Api::upkeep_interval() const {
  return std::chrono::seconds(
      std::clamp<base::UnixSeconds>(authority_.settings().lifetime / 10, 1, 60));
}

void Api::observe(std::string_view event, std::string_view subject, const Call& call) const {
  if (observer_) observer_(event, subject, call.request.peer);
}

}  // namespace entresol::controller
