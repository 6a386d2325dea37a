#include "layer/directory/catalogue.h"

#include <algorithm>

#include "base/error_codes.h"

namespace entresol::layer::directory {
namespace {

constexpr std::uint8_t kForm = 1;

auto malformed(const char* what) {
  return base::fail(base::code::kCertificateMalformed,
                    std::string("not a catalogue of services: ") + what);
}

base::ByteView view(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void put_short(base::ByteWriter& out, std::string_view text) {
  out.u8(static_cast<std::uint8_t>(text.size()));
  out.bytes(view(text));
}

std::string get_short(base::ByteReader& in) {
  const base::ByteView octets = in.view(in.u8());
  return {octets.begin(), octets.end()};
}

void put(base::ByteWriter& out, const ServiceVersion& version) {
  out.u32(version.version);
  out.bytes(version.package);
  out.bytes(version.module);
  out.u32(version.size);
  out.u8(static_cast<std::uint8_t>(version.config.size()));
  for (const auto& [name, value] : version.config) {
    put_short(out, name);
    out.u16(static_cast<std::uint16_t>(value.size()));
    out.bytes(view(value));
  }
}

const char* get(base::ByteReader& in, ServiceVersion& out) {
  out.version = in.u32();
  out.package = in.array<32>();
  out.module = in.array<32>();
  out.size = in.u32();
  if (out.size > kMaxPackage) return "a package that is too large";
  const std::size_t values = in.u8();
  if (values > kMaxServiceConfig) return "too many values";
  for (std::size_t i = 0; i < values && in.ok(); ++i) {
    std::string name = get_short(in);
    const base::ByteView value = in.view(in.u16());
    if (value.size() > kMaxServiceValue) return "a value that is too long";
    if (!out.config.empty() && name <= out.config.rbegin()->first) return "values out of order";
    out.config.emplace(std::move(name), std::string(value.begin(), value.end()));
  }
  return nullptr;
}

const char* get(base::ByteReader& in, CatalogueEntry& out) {
  out.id = in.u32();
  out.name = get_short(in);
  if (out.id == 0 || out.name.empty() || out.name.size() > kMaxServiceName)
    return "a service without id or name";
  out.publisher = in.array<32>();
  if (const char* wrong = get(in, out.current)) return wrong;
  switch (in.u8()) {
    case 0:
      break;
    case 1:
      out.previous = in.array<32>();
      break;
    default:
      return "a flag that is neither 0 nor 1";
  }
  const std::size_t nodes = in.u8();
  if (nodes > kMaxServiceNodes) return "too many nodes";
  for (std::size_t i = 0; i < nodes; ++i) {
    const wire::Name node{in.array<16>()};
    if (!out.nodes.empty() && !(out.nodes.back() < node)) return "nodes out of order";
    out.nodes.push_back(node);
  }
  return nullptr;
}

}  // namespace

bool CatalogueEntry::meant_for(const wire::Name& node) const {
  return nodes.empty() || std::ranges::find(nodes, node) != nodes.end();
}

base::Bytes emit_catalogue(const std::vector<CatalogueEntry>& entries) {
  base::Bytes octets;
  base::ByteWriter out(octets);
  out.u8(kForm);
  out.u16(static_cast<std::uint16_t>(entries.size()));
  for (const CatalogueEntry& entry : entries) {
    out.u32(entry.id);
    put_short(out, entry.name);
    out.bytes(entry.publisher);
    put(out, entry.current);
    out.u8(entry.previous ? 1 : 0);
    if (entry.previous) out.bytes(*entry.previous);
    out.u8(static_cast<std::uint8_t>(entry.nodes.size()));
    for (const wire::Name& node : entry.nodes) out.bytes(node.octets);
  }
  return octets;
}

base::Result<std::vector<CatalogueEntry>> parse_catalogue(base::ByteView octets) {
  if (octets.size() > kMaxCatalogue) return malformed("it is too long");
  base::ByteReader in(octets);
  if (in.u8() != kForm) return malformed("its form is not known here");
  const std::size_t count = in.u16();
  if (count > kMaxServices) return malformed("too many services");
  std::vector<CatalogueEntry> out;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    CatalogueEntry entry;
    if (const char* wrong = get(in, entry)) return malformed(wrong);
    if (!out.empty() && entry.id <= out.back().id) return malformed("services out of order");
    out.push_back(std::move(entry));
  }
  if (!in.done()) return malformed("it was cut, or something was added");
  return out;
}

base::Bytes emit_version(const ServiceVersion& version) {
  base::Bytes octets;
  base::ByteWriter out(octets);
  put(out, version);
  return octets;
}

base::Result<ServiceVersion> parse_version(base::ByteView octets) {
  base::ByteReader in(octets);
  ServiceVersion out;
  if (const char* wrong = get(in, out)) return malformed(wrong);
  if (!in.done()) return malformed("it was cut, or something was added");
  return out;
}

}  // namespace entresol::layer::directory
