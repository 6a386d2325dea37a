#include "runtime/learnt.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "io/files.h"
#include "layer/directory/records.h"
#include "layer/membership/armor.h"

namespace entresol::runtime {
namespace {

namespace membership = layer::membership;

constexpr std::size_t kMaxState = std::size_t{256} << 20;
constexpr std::array<std::string_view, 6> kKinds{"member", "guest",    "name",
                                                 "policy", "services", "revoked"};
// Of the API when a kind was added last. Who has kept items without that kind asks for all of them again.
constexpr int kMinor = 3;

int rank_of(const Json& item) {
  if (!item.is_object() || !item.contains("kind") || !item["kind"].is_string()) return -1;
  const auto found = std::find(kKinds.begin(), kKinds.end(), item["kind"].get<std::string>());
  return found == kKinds.end() ? -1 : static_cast<int>(found - kKinds.begin());
}

}  // namespace

std::string armored_chain(std::string_view label, base::ByteView chain) {
  std::string text;
  const auto first = membership::extent(chain);
  if (first && first->kind == membership::Kind::kDelegation) {
    text = membership::armor(membership::kDelegation, chain.first(first->size));
    chain = chain.subspan(first->size);
  }
  return text + membership::armor(label, chain);
}

std::vector<std::string> Learnt::node_files() const {
  std::vector<std::string> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/nodes", ignored))
    if (entry.path().extension() == ".member") out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

base::Result<void> Learnt::keep_node(const std::string& label, base::ByteView certificate,
                                     base::ByteView registration) const {
  // Whoever signed the certificate does not choose where files go.
  if (auto fits = layer::directory::check_label(label); !fits) return fits;
  if (auto made = io::make_directories(directory_ + "/nodes", 0700); !made) return made;
  const std::string file = directory_ + "/nodes/" + label + ".member";
  const std::string text = armored_chain(membership::kCertificate, certificate) +
                           membership::armor(membership::kRegistration, registration);
  if (auto old = io::read_text_file(file, kMaxState); old && *old == text) return {};
  return io::write_text_file(file, text);
}

bool Learnt::keep_item(const Json& item, std::string_view about) {
  const int rank = rank_of(item);
  if (rank < 0) return false;
  // Who was revoked is no member any more, and the other way round.
  forget(about);
  items_[{rank, std::string(about)}] = item.dump();
  return true;
}

void Learnt::forget(std::string_view about) {
  for (int rank = 0; rank < static_cast<int>(kKinds.size()); ++rank)
    items_.erase({rank, std::string(about)});
}

std::vector<Json> Learnt::items() const {
  std::vector<Json> out;
  out.reserve(items_.size());
  for (const auto& [key, item] : items_) out.push_back(Json::parse(item));
  return out;
}

void Learnt::load() {
  auto text = io::read_text_file(directory_ + "/directory.json", kMaxState);
  take(text ? *text : "");
}

void Learnt::take(std::string_view text) {
  items_.clear();
  revision_.clear();
  const Json state = Json::parse(text, nullptr, false);
  if (!state.is_object() || !state.contains("items") || !state["items"].is_object()) return;
  for (const auto& [about, item] : state["items"].items()) keep_item(item, about);
  const bool all_kinds = state.contains("minor") && state["minor"].is_number_integer() &&
                         state["minor"].get<int>() >= kMinor;
  if (all_kinds && state.contains("revision") && state["revision"].is_string())
    revision_ = state["revision"].get<std::string>();
}

std::string Learnt::text() const {
  std::string out = R"({"minor":)" + std::to_string(kMinor) + R"(,"revision":)" +
                    Json(revision_).dump() + R"(,"items":{)";
  bool first = true;
  for (const auto& [key, item] : items_) {
    if (!std::exchange(first, false)) out += ',';
    out += Json(key.second).dump() + ":" + item;
  }
  return out + "}}";
}

base::Result<void> Learnt::write(const std::string& directory, std::string_view text) {
  if (auto made = io::make_directories(directory, 0700); !made) return made;
  return io::write_text_file(directory + "/directory.json", text);
}

}  // namespace entresol::runtime
