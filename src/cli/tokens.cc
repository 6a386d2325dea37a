#include <cstdio>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/commands.h"
#include "cli/place.h"

namespace entresol::cli {
namespace {

std::string state_of(const Json& token) {
  if (number_of(token, "used_at") > 0) return "used by " + text_of(token, "used_by");
  const auto ends = static_cast<base::UnixSeconds>(number_of(token, "expires_at"));
  return human_time(ends).starts_with("in ") ? "open" : "expired";
}

}  // namespace

int create_token(const Global& global, const std::string& admin, const TokenOptions& options) {
  auto lifetime = lifetime_of("--lifetime", options.lifetime);
  if (!lifetime) return report(global, lifetime.error());
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  Json body{{"role", options.role}, {"tags", options.tags}, {"lifetime", *lifetime}};
  if (!options.label.empty()) body["label"] = options.label;
  auto token = ask_controller(*access, "POST", "/v1/tokens", body);
  if (!token) return report(global, token.error());
  if (global.json) {
    print(*token);
    return runtime::kExitOk;
  }
  // The token alone on standard output: `entresol token create > FILE` is what --token-file reads.
  std::printf("%s\n", text_of(*token, "token").c_str());
  std::fflush(stdout);
  std::fprintf(stderr,
               "It admits one %s to layer %s and ends %s. Whoever has it can use it: pass it on as "
               "you would a password.\nnext: on that machine  entresol join%s\n",
               options.role.c_str(), access->layer.c_str(),
               human_time(static_cast<base::UnixSeconds>(number_of(*token, "expires_at"))).c_str(),
               options.role == "node" ? " --endpoint ADDRESS:4850" : "");
  return runtime::kExitOk;
}

int list_tokens(const Global& global, const std::string& admin) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto answer = ask_controller(*access, "GET", "/v1/tokens");
  if (!answer) return report(global, answer.error());
  if (global.json) {
    print(*answer);
    return runtime::kExitOk;
  }
  std::vector<std::vector<std::string>> rows{{"ID", "ROLE", "LABEL", "TAGS", "ENDS", "STATE"}};
  for (const Json& token : part_of(*answer, "tokens"))
    rows.push_back({text_of(token, "id"), text_of(token, "role"), text_of(token, "label"),
                    texts_of(token, "tags"),
                    human_time(static_cast<base::UnixSeconds>(number_of(token, "expires_at"))),
                    state_of(token)});
  print_table(rows);
  next(global, "entresol token create", "one more; `entresol token revoke ID` takes one back");
  return runtime::kExitOk;
}

int revoke_token(const Global& global, const std::string& admin, const std::string& id) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto token = ask_controller(*access, "DELETE", "/v1/tokens/" + segment(id));
  if (!token) return report(global, token.error());
  if (global.json) {
    print(*token);
    return runtime::kExitOk;
  }
  std::printf("the token %s admits nobody any more\n", text_of(*token, "id").c_str());
  if (const std::string who = text_of(*token, "used_by"); !who.empty())
    next(global, "entresol " + text_of(*token, "role") + " revoke " + who,
         "it was used: puts out who came with it");
  else
    next(global, "entresol token list", "those that are left");
  return runtime::kExitOk;
}

}  // namespace entresol::cli
