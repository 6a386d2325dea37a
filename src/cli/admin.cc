#include "cli/admin.h"

#include "base/error_codes.h"
#include "cli/place.h"
#include "io/files.h"

namespace entresol::cli {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kMaxFile = 64 * 1024;

}  // namespace

std::string emit_admin(const AdminAccess& access) {
  Json addresses = Json::array();
  for (const config::Address& address : access.addresses)
    addresses.push_back(config::to_text(address));
  return Json{{"version", kVersion},
              {"layer", access.layer},
              {"addresses", std::move(addresses)},
              {"key", http::to_text(access.pin)},
              {"token", access.token}}
             .dump(2) +
         "\n";
}

base::Result<AdminAccess> read_admin(const std::string& named) {
  const std::string file = named.empty() ? default_directory() + "/admin.json" : named;
  auto text = io::read_text_file(file, kMaxFile);
  if (!text) {
    if (named.empty())
      text.error().message +=
          "; name the admin file that `entresol init` has made with --admin FILE";
    return tl::unexpected(text.error());
  }
  const auto bad = [&](const std::string& what) {
    return base::fail(base::code::kConfigBadValue, file + ": " + what);
  };
  const Json root = Json::parse(*text, nullptr, false);
  if (!root.is_object()) return bad("is no admin file: it holds no JSON object");
  if (number_of(root, "version") != kVersion) return bad("its version is not 1");
  AdminAccess out;
  out.layer = text_of(root, "layer");
  out.token = text_of(root, "token");
  for (const Json& each : part_of(root, "addresses")) {
    auto address = config::parse_address(each.is_string() ? each.get<std::string>() : "");
    if (!address) return bad("addresses: " + address.error().message);
    out.addresses.push_back(std::move(*address));
  }
  if (out.addresses.empty()) return bad("addresses: there is none");
  auto pin = http::parse_pin(text_of(root, "key"));
  if (!pin) return bad("key: " + pin.error().message);
  out.pin = *pin;
  // It becomes a header's line.
  if (out.token.empty() || out.token.find_first_of(" \t\r\n") != std::string::npos)
    return bad("token: there is none");
  return out;
}

http::Destination destination_of(const std::vector<config::Address>& addresses,
                                 const http::Pin& pin) {
  http::Destination out;
  for (const config::Address& address : addresses)
    out.addresses.push_back({address.host, address.port});
  out.pin = pin;
  return out;
}

base::Result<Json> ask_controller(const AdminAccess& access, const std::string& method,
                                  const std::string& target, const Json& body) {
  http::Request request;
  request.method = method;
  request.target = target;
  request.authorization = "Bearer " + access.token;
  if (!body.is_null()) request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  auto response = http::check(http::ask(destination_of(access.addresses, access.pin), request));
  if (!response) return tl::unexpected(response.error());
  Json answer = Json::parse(response->body, nullptr, false);
  if (!answer.is_object())
    return base::fail(base::code::kHttpBadAnswer, "the controller's answer is no JSON object");
  return answer;
}

std::string segment(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    }
  }
  return out;
}

}  // namespace entresol::cli
