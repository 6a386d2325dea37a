#include <algorithm>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/commands.h"

namespace entresol::cli {
namespace {

base::UnixSeconds time_of(const Json& member, const char* key) {
  return static_cast<base::UnixSeconds>(number_of(member, key));
}

std::string state_of(const Json& member) {
  if (number_of(member, "revoked_at") > 0) return "revoked";
  // Of a node; one that the controller does not hear goes on with what it knows.
  if (truth_of(member, "registered") && member.contains("watching") &&
      !truth_of(member, "watching"))
    return "unheard";
  return truth_of(member, "registered") ? "registered" : "silent";
}

void print_member(const Json& member) {
  const std::string tags = texts_of(member, "tags");
  std::printf("%s  %s of the layer, %s\n", bold(text_of(member, "label")).c_str(),
              text_of(member, "role").c_str(), state_of(member).c_str());
  std::printf("  name         %s\n", text_of(member, "name").c_str());
  std::printf("  ipv4         %s\n", text_of(member, "ipv4").c_str());
  std::printf("  tags         %s\n", tags.empty() ? "-" : tags.c_str());
  std::printf("  admitted     %s\n", human_time(time_of(member, "admitted_at")).c_str());
  std::printf("  certificate  ends %s\n", human_time(time_of(member, "not_after")).c_str());
  if (const std::string at = texts_of(member, "attachments"); !at.empty())
    std::printf("  attached to  %s\n", at.c_str());
  if (const std::string at = texts_of(member, "endpoints"); !at.empty())
    std::printf("  dialled at   %s\n", at.c_str());
  if (number_of(member, "heard_at") > 0)
    std::printf("  policy       revision %.0f, heard of %s\n", number_of(member, "policy_revision"),
                human_time(time_of(member, "heard_at")).c_str());
}

// `host revoke` does not put out a node, whatever its name.
base::Result<void> has_role(const Json& member, const std::string& role, const std::string& who) {
  const std::string is = text_of(member, "role");
  if (is == role) return {};
  return base::fail(base::code::kMemberUnknown,
                    "'" + who + "' is a " + is + ": `entresol " + is + "` is for it");
}

}  // namespace

int list_members(const Global& global, const std::string& admin, const std::string& role) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto answer = ask_controller(*access, "GET", "/v1/members?role=" + role);
  if (!answer) return report(global, answer.error());
  if (global.json) {
    print(*answer);
    return runtime::kExitOk;
  }
  const bool node = role == "node";
  std::vector<std::vector<std::string>> rows{{"LABEL", "IPV4", "NAME", "TAGS", "STATE",
                                              node ? "DIALLED AT" : "ATTACHED TO",
                                              "CERTIFICATE ENDS"}};
  for (const Json& member : part_of(*answer, "members"))
    rows.push_back({text_of(member, "label"), text_of(member, "ipv4"), text_of(member, "name"),
                    texts_of(member, "tags"), state_of(member),
                    texts_of(member, node ? "endpoints" : "attachments"),
                    human_time(time_of(member, "not_after"))});
  print_table(rows);
  const auto present = std::find_if(rows.begin() + 1, rows.end(),
                                    [](const auto& row) { return row[4] != "revoked"; });
  if (present == rows.end())
    next(global, "entresol token create --role " + role, "there is none; a token admits one");
  else
    next(global, "entresol " + role + " show " + present->front(), "all about one of them");
  return runtime::kExitOk;
}

int show_member(const Global& global, const std::string& admin, const std::string& role,
                const std::string& who) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto member = ask_controller(*access, "GET", "/v1/members/" + segment(who));
  if (!member) return report(global, member.error());
  if (auto fits = has_role(*member, role, who); !fits) return report(global, fits.error());
  if (global.json) {
    print(*member);
    return runtime::kExitOk;
  }
  print_member(*member);
  next(global, "entresol " + role + " revoke " + text_of(*member, "label"),
       "puts it out of the layer");
  return runtime::kExitOk;
}

int revoke_member(const Global& global, const std::string& admin, const std::string& role,
                  const std::string& who) {
  auto access = read_admin(admin);
  if (!access) return report(global, access.error());
  auto known = ask_controller(*access, "GET", "/v1/members/" + segment(who));
  if (known) {
    if (auto fits = has_role(*known, role, who); !fits) return report(global, fits.error());
  } else if (known.error().code != base::code::kMemberUnknown) {
    return report(global, known.error());
  }
  // One that is not known was revoked already, perhaps: the controller can tell.
  auto member = ask_controller(*access, "DELETE", "/v1/members/" + segment(who));
  if (!member) return report(global, member.error());
  if (global.json) {
    print(*member);
    return runtime::kExitOk;
  }
  std::printf(
      "%s is revoked: nodes end its links as soon as they hear of it; its certificate would "
      "have ended %s\n",
      bold(text_of(*member, "label")).c_str(), human_time(time_of(*member, "not_after")).c_str());
  next(global, "entresol " + role + " list", "those that are left");
  return runtime::kExitOk;
}

}  // namespace entresol::cli
