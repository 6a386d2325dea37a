// What an author's kit reads: test scripts, and packages that anybody may have made.
// fuzzes: cli/kit/script.h
// fuzzes: service/packages/package.h
#include "cli/kit/script.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "service/packages/package.h"

using namespace entresol;

namespace {

void require(bool held) {
  if (!held) std::abort();
}

crypto::Ed25519KeyPair key() {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(7);
  return crypto::ed25519_keypair(seed);
}

// The input as a package whose signature holds, so that what is behind the check is reached as well.
void sealed_package(base::ByteView input) {
  static const crypto::Ed25519KeyPair kKey = key();
  if (input.size() < 40) return;
  service::packages::Package package;
  package.manifest.assign(input.begin(), input.begin() + 20);
  package.module.assign(input.begin() + 20, input.begin() + 40);
  for (base::ByteView rest = input.subspan(40); !rest.empty();) {
    const std::size_t size = std::min<std::size_t>(rest.front(), rest.size());
    package.sources.push_back({std::string(rest.begin(), rest.begin() + size), {}});
    rest = rest.subspan(std::max<std::size_t>(size, 1));
    if (package.sources.size() == service::packages::Package::kMaxSources) break;
  }
  const base::Bytes octets = service::packages::sign_package(package, kKey);
  const auto parsed = service::packages::parse_package(octets);
  if (!parsed) return;
  require(service::packages::sign_package(*parsed, kKey) == octets);
  for (const auto& source : parsed->sources) require(source.file.find("..") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto script = cli::kit::parse_script(text, "f.script");
  require(script || script.error().message.starts_with("f.script"));
  if (script) {
    service::Manifest manifest;
    manifest.fields = 3;
    static_cast<void>(cli::kit::check_script(*script, manifest, "f.script"));
    for (const auto& step : script->steps) {
      require(step.place.line > 0 && !step.text.empty());
      // A step's own text says the same again.
      require(cli::kit::parse_script(step.text, "f.script").has_value());
    }
  }
  static_cast<void>(service::packages::parse_package({data, size}));
  sealed_package({data, size});
  return 0;
}
