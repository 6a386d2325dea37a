#include "runtime/code_cache.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "io/files.h"

namespace entresol::runtime {
namespace {

namespace fs = std::filesystem;
using service::sandbox::Engine;
using service::sandbox::Module;

constexpr std::string_view kEnding = ".code";
constexpr std::size_t kMaxFile = std::size_t{64} << 20;
constexpr std::string_view kPurpose = "entresol seal of compiled code 1";

base::ByteView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

CodeCache::CodeCache(std::string directory, const crypto::Ed25519KeyPair& identity,
                     std::size_t most)
    : directory_(std::move(directory)),
      key_(crypto::hmac_sha256(base::ByteView(identity.secret).first(crypto::kEd25519SeedSize),
                               view(kPurpose))),
      most_(most) {}

std::string CodeCache::file_of(const crypto::Hash256& hash) const {
  return directory_ + "/" + base::to_hex(hash) + std::string(kEnding);
}

base::Result<Module> CodeCache::module_of(const Engine& engine, base::ByteView wasm) {
  const crypto::Hash256 hash = crypto::sha256(wasm);
  const std::string file = file_of(hash);
  std::error_code failed;
  if (fs::exists(file, failed)) {
    const auto sealed = io::read_file(file, kMaxFile);
    if (sealed) {
      auto module = Module::unseal(engine, *sealed, key_, hash);
      if (module) {
        ++found_;
        fs::last_write_time(file, fs::file_time_type::clock::now(), failed);
        return module;
      }
    }
    ++refused_;
  }
  auto module = Module::compile(engine, wasm);
  if (!module) return module;
  ++compiled_;
  if (!keep(*module, hash)) ++unwritable_;
  return module;
}

bool CodeCache::keep(const Module& module, const crypto::Hash256& hash) {
  auto sealed = module.seal(key_, hash);
  if (!sealed || sealed->size() > std::min(most_, kMaxFile)) return false;
  if (!io::make_directories(directory_, 0700)) return false;
  if (!io::write_file(file_of(hash), *sealed, {0600, true})) return false;
  trim();
  return true;
}

void CodeCache::trim() const {
  struct File {
    fs::file_time_type used;
    fs::path path;
    std::uintmax_t size = 0;
  };
  std::vector<File> files;
  std::uintmax_t all = 0;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(directory_, failed)) {
    if (entry.path().extension() != kEnding) continue;
    File file{entry.last_write_time(failed), entry.path(), entry.file_size(failed)};
    if (failed) continue;  // gone meanwhile
    all += file.size;
    files.push_back(std::move(file));
  }
  std::ranges::sort(files, {}, &File::used);
  for (const File& file : files) {
    if (all <= most_) return;
    if (fs::remove(file.path, failed)) all -= file.size;
  }
}

CodeCache::Counters CodeCache::counters() const {
  return {found_, compiled_, refused_, unwritable_};
}

}  // namespace entresol::runtime
