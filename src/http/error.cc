// Errors as answers carry them: {"error":{"code":"E0511","message":"…"}}.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error_codes.h"
#include "http/client.h"
#include "http/server.h"

namespace entresol::http {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestMessage = 1024;

bool is_code(const std::string& text) {
  return text.size() == 5 && text[0] == 'E' &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// One line, for a terminal or a log.
std::string one_line(std::string text) {
  if (text.size() > kLongestMessage) text.resize(kLongestMessage);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  return text;
}

}  // namespace

Response error_response(unsigned status, const base::Error& error) {
  const json body = {{"error", {{"code", error.code}, {"message", error.message}}}};
  return {.status = status,
          .body = body.dump(-1, ' ', false, json::error_handler_t::replace),
          .content_type = "application/json"};
}

base::Result<Response> check(base::Result<Response> response) {
  if (!response || (response->status >= 200 && response->status <= 299)) return response;
  const json body = json::parse(response->body, nullptr, false);
  const auto error = body.is_object() ? body.find("error") : body.end();
  if (body.is_object() && error != body.end() && error->is_object()) {
    const auto code = error->find("code"), message = error->find("message");
    if (code != error->end() && message != error->end() && code->is_string() &&
        message->is_string() && is_code(code->get_ref<const std::string&>()))
      return base::fail(code->get_ref<const std::string&>(), one_line(message->get<std::string>()));
  }
  return base::fail(
      base::code::kHttpBadAnswer,
      "the server answered with status " + std::to_string(response->status) + " and no reason");
}

}  // namespace entresol::http
