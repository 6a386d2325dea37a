// All that has a name in a layer, whatever it is: what stands for it, and where it is.
#include <algorithm>
#include <cstdio>

#include "base/error_codes.h"
#include "cli/admin.h"
#include "cli/commands.h"

namespace entresol::cli {
namespace {

struct Named {
  std::string kind;  // host, node, guest, shared or service
  Json record;
  std::string label() const { return text_of(record, "label"); }
  bool shared() const { return kind == "shared" || kind == "service"; }
  // Who may answer for it.
  std::string answering() const {
    std::string out;
    for (const Json& each : part_of(record, "delegates")) {
      if (number_of(each, "weight") == 0) continue;
      const std::string who = text_of(each, "label");
      out += (out.empty() ? "" : ",") + (who.empty() ? text_of(each, "name") : who);
    }
    return out.empty() ? "-" : out;
  }
  bool revoked() const { return number_of(record, "revoked_at") > 0; }
  // A guest is at a node of its grant; without any, wherever it attaches.
  std::string where() const {
    if (shared()) return answering();
    const char* key = kind == "node" ? "endpoints" : kind == "host" ? "attachments" : "nodes";
    const std::string at = texts_of(record, key);
    return at.empty() ? "-" : at;
  }
};

struct Names {
  std::string domain;
  std::vector<Named> all;  // by label
};

base::Result<Names> read_names(const std::string& admin) {
  auto access = read_admin(admin);
  if (!access) return tl::unexpected(access.error());
  auto status = ask_controller(*access, "GET", "/v1/status");
  if (!status) return tl::unexpected(status.error());
  auto members = ask_controller(*access, "GET", "/v1/members");
  if (!members) return tl::unexpected(members.error());
  auto guests = ask_controller(*access, "GET", "/v1/guests");
  if (!guests) return tl::unexpected(guests.error());
  auto shared = ask_controller(*access, "GET", "/v1/names");
  // A controller of API 1.1 and before has none.
  if (!shared && shared.error().code == base::code::kUsage) shared = Json{{"names", Json::array()}};
  if (!shared) return tl::unexpected(shared.error());
  Names out{text_of(part_of(*status, "layer"), "domain"), {}};
  for (const Json& member : part_of(*members, "members"))
    out.all.push_back({text_of(member, "role"), member});
  for (const Json& guest : part_of(*guests, "guests")) out.all.push_back({"guest", guest});
  for (const Json& name : part_of(*shared, "names"))
    out.all.push_back({text_of(name, "kind"), name});
  std::erase_if(out.all, [](const Named& each) { return each.revoked(); });
  std::ranges::sort(out.all, {}, &Named::label);
  return out;
}

Json described(const Named& named, const std::string& domain) {
  Json out{{"dns", named.label() + "." + domain}, {"kind", named.kind}};
  out.update(named.record);
  return out;
}

}  // namespace

int list_names(const Global& global, const std::string& admin) {
  auto names = read_names(admin);
  if (!names) return report(global, names.error());
  if (global.json) {
    Json all = Json::array();
    for (const Named& each : names->all) all.push_back(described(each, names->domain));
    print({{"domain", names->domain}, {"names", std::move(all)}});
    return runtime::kExitOk;
  }
  std::vector<std::vector<std::string>> rows{{"NAME", "KIND", "IPV4", "IPV6", "WHERE"}};
  for (const Named& each : names->all)
    rows.push_back({each.label() + "." + names->domain, each.kind, text_of(each.record, "ipv4"),
                    text_of(each.record, "name"), each.where()});
  print_table(rows);
  if (names->all.empty()) {
    next(global, "entresol token create", "nobody has a name yet; a token admits a host");
  } else {
    next(global, "entresol name show " + names->all.front().label(), "all about one of them");
  }
  return runtime::kExitOk;
}

int show_name(const Global& global, const std::string& admin, const std::string& who) {
  auto names = read_names(admin);
  if (!names) return report(global, names.error());
  const auto found = std::ranges::find_if(names->all, [&](const Named& each) {
    return who == each.label() || who == each.label() + "." + names->domain ||
           who == text_of(each.record, "name") || who == text_of(each.record, "ipv4");
  });
  if (found == names->all.end())
    return report(global, {std::string(base::code::kMemberUnknown),
                           "nothing in the layer is called '" + who +
                               "': `entresol name list` shows what there is"});
  if (global.json) {
    print(described(*found, names->domain));
    return runtime::kExitOk;
  }
  std::printf("%s  %s\n", bold(found->label() + "." + names->domain).c_str(), found->kind.c_str());
  std::printf("  ipv6   %s\n", text_of(found->record, "name").c_str());
  std::printf("  ipv4   %s\n", text_of(found->record, "ipv4").c_str());
  std::printf("  where  %s\n", found->where().c_str());
  if (!found->shared()) {
    next(global, "entresol " + found->kind + " show " + found->label(), "its membership");
    return runtime::kExitOk;
  }
  if (found->kind == "service")
    std::printf("  service  %.0f\n", number_of(found->record, "service"));
  std::printf("  key    %s\n", truth_of(found->record, "key_here")
                                   ? "at the controller, which renews what it signs"
                                   : "its owner's, who signs with it");
  for (const Json& each : part_of(found->record, "delegates"))
    if (number_of(each, "weight") > 0)
      std::printf("  member  %s  weight %.0f, ends %s\n", text_of(each, "label").c_str(),
                  number_of(each, "weight"),
                  human_time(static_cast<base::UnixSeconds>(number_of(each, "not_after"))).c_str());
  next(global, "entresol name delegate " + found->label() + " MEMBER",
       "one more may answer for it");
  return runtime::kExitOk;
}

}  // namespace entresol::cli
