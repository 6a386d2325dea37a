// What members ask: to join, a new certificate, to be registered, what has changed.
#include "base/error_codes.h"
#include "controller/call.h"

namespace entresol::controller {
namespace {

namespace code = base::code;

base::ByteView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Json Api::admission(const directory::Issued& issued, directory::Role role,
                    base::UnixSeconds now) const {
  return {{"layer", layer_json(authority_)},
          {"member", issued_json(issued, role)},
          {"nodes", nodes_json(authority_.nodes(now))}};
}

Api::Answer Api::join(const Call& call) {
  Fields fields(call.body);
  directory::JoinRequest request;
  const base::Bytes secret = fields.octets("token", 16);
  const base::Bytes identity = fields.octets("identity", 32);
  request.label = fields.text("label");
  request.role = fields.role("role", directory::Role::kHost);
  const base::Bytes registration = fields.octets("registration");
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  request.secret =
      directory::TokenSecret(std::span<const std::uint8_t, 16>(secret.data(), secret.size()));
  std::copy(identity.begin(), identity.end(), request.identity.begin());
  request.registration = registration;
  // A member that joins again says with its key that it is the one.
  if (!call.request.authorization.empty())
    request.proved =
        authority_
            .authenticate(call.request.authorization,
                          {call.request.method, call.request.target, view(call.request.body)},
                          call.now)
            .has_value();
  auto issued = settle(authority_.join(request, call.now));
  if (!issued) return tl::unexpected(issued.error());
  observe("member_joined", issued->label, call);
  return admission(*issued, request.role, call.now);
}

Api::Answer Api::renew(const Call& call) {
  auto issued = settle(authority_.renew(*call.member, call.now));
  if (!issued) return tl::unexpected(issued.error());
  return admission(*issued, authority_.members().at(*call.member).role, call.now);
}

Api::Answer Api::put_registration(const Call& call) {
  Fields fields(call.body);
  const base::Bytes certificate = fields.octets("certificate");
  const base::Bytes registration = fields.octets("registration");
  if (auto fine = fields.error(); !fine) return tl::unexpected(fine.error());
  auto put = settle(authority_.put_registration(certificate, registration, call.now));
  if (!put) return tl::unexpected(put.error());
  return Json::object();
}

Api::Answer Api::list_nodes(const Call& call) {
  return Json{{"nodes", nodes_json(authority_.nodes(call.now))}};
}

// handle() keeps the request until there is something to tell.
Api::Answer Api::watch(const Call& call) {
  (void)call;
  return Json::object();
}

}  // namespace entresol::controller
