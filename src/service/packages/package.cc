#include "service/packages/package.h"

#include <algorithm>
#include <string_view>

#include "base/error_codes.h"

namespace entresol::service::packages {
namespace {

constexpr std::string_view kMagic = "ESVC";
constexpr std::uint8_t kForm = 1;
// In front of what is signed, so that a signature on anything else never fits.
constexpr std::string_view kPurpose = "entresol service package 1\n";

base::ByteView octets_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

base::Bytes signed_octets(base::ByteView package) {
  base::Bytes out(kPurpose.begin(), kPurpose.end());
  out.insert(out.end(), package.begin(), package.end());
  return out;
}

// Names stay within a folder, whoever unpacks them.
bool is_file_name(std::string_view name) {
  return !name.empty() && name.size() <= Package::kMaxFile && name.front() != '/' &&
         name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

std::string text_of(base::ByteView octets) {
  return {octets.begin(), octets.end()};
}

}  // namespace

base::Bytes sign_package(Package package, const crypto::Ed25519KeyPair& key) {
  std::sort(package.sources.begin(), package.sources.end(),
            [](const SourceDigest& a, const SourceDigest& b) { return a.file < b.file; });
  base::Bytes out;
  base::ByteWriter writer(out);
  writer.bytes(octets_of(kMagic));
  writer.u8(kForm);
  writer.u8(0);
  writer.u16(static_cast<std::uint16_t>(package.sources.size()));
  writer.bytes(key.public_key);
  writer.u32(static_cast<std::uint32_t>(package.manifest.size()));
  writer.u32(static_cast<std::uint32_t>(package.module.size()));
  writer.bytes(octets_of(package.manifest));
  writer.bytes(package.module);
  for (const SourceDigest& source : package.sources) {
    writer.u8(static_cast<std::uint8_t>(source.file.size()));
    writer.bytes(octets_of(source.file));
    writer.bytes(source.sha256);
  }
  writer.bytes(crypto::ed25519_sign(key, signed_octets(out)));
  return out;
}

base::Result<Package> parse_package(base::ByteView octets) {
  const auto refuse = [](std::string why) {
    return base::fail(base::code::kKitPackage, std::move(why));
  };
  base::ByteReader in(octets);
  if (text_of(in.view(kMagic.size())) != kMagic) return refuse("it is no package of a service");
  if (in.u8() != kForm || in.u8() != 0) return refuse("it has a form that is not known here");
  Package out;
  const std::size_t sources = in.u16();
  out.publisher = in.array<crypto::kEd25519PublicKeySize>();
  const std::size_t manifest = in.u32(), module = in.u32();
  if (manifest > Package::kMaxManifest || module > Package::kMaxModule ||
      sources > Package::kMaxSources)
    return refuse("it is larger than a service may be");
  out.manifest = text_of(in.view(manifest));
  const base::ByteView code = in.view(module);
  out.module.assign(code.begin(), code.end());
  for (std::size_t i = 0; i < sources && in.ok(); ++i) {
    SourceDigest source;
    source.file = text_of(in.view(in.u8()));
    source.sha256 = in.array<32>();
    if (!is_file_name(source.file) ||
        (!out.sources.empty() && source.file <= out.sources.back().file))
      return refuse("the names of its sources are not in order");
    out.sources.push_back(std::move(source));
  }
  const auto signature = in.array<crypto::kEd25519SignatureSize>();
  if (!in.done()) return refuse("it was cut, or something was added");
  const base::ByteView body = octets.first(octets.size() - signature.size());
  if (!crypto::ed25519_verify(out.publisher, signed_octets(body), signature))
    return refuse("it was changed after " + base::to_hex(out.publisher) + " signed it");
  return out;
}

}  // namespace entresol::service::packages
