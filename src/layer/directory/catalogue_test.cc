#include "layer/directory/catalogue.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"

namespace entresol::layer::directory {
namespace {

wire::Name name(std::uint8_t octet) {
  wire::Name out;
  out.octets.fill(octet);
  return out;
}

std::vector<CatalogueEntry> two() {
  CatalogueEntry a, b;
  a.id = 16;
  a.name = "filter";
  a.publisher.fill(1);
  a.current = {3, {2}, {3}, 4096, {{"rules", "allow icmp"}, {"strict", ""}}};
  a.previous = crypto::Hash256{4};
  a.nodes = {name(1), name(2)};
  b.id = kPrivateServices;
  b.name = "x";
  b.current.size = kMaxPackage;
  return {a, b};
}

TEST(Catalogue, ComesBackAsItWas) {
  const auto parsed = parse_catalogue(emit_catalogue(two()));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, two());
  EXPECT_TRUE((*parsed)[0].meant_for(name(2)));
  EXPECT_FALSE((*parsed)[0].meant_for(name(3)));
  EXPECT_TRUE((*parsed)[1].meant_for(name(3)));
  EXPECT_TRUE(parse_catalogue(emit_catalogue({}))->empty());
}

TEST(Catalogue, EveryCutIsRefused) {
  const base::Bytes octets = emit_catalogue(two());
  for (std::size_t size = 0; size < octets.size(); ++size)
    EXPECT_FALSE(parse_catalogue({octets.data(), size})) << size;
  base::Bytes longer = octets;
  longer.push_back(0);
  EXPECT_FALSE(parse_catalogue(longer));
}

TEST(Catalogue, OneOrderAndBoundsAlone) {
  const auto refused = [](std::vector<CatalogueEntry> entries) {
    return !parse_catalogue(emit_catalogue(entries)).has_value();
  };
  auto entries = two();
  std::swap(entries[0], entries[1]);
  EXPECT_TRUE(refused(entries));
  entries = two();
  entries[1].id = 16;
  EXPECT_TRUE(refused(entries)) << "one id twice";
  entries = two();
  std::swap(entries[0].nodes[0], entries[0].nodes[1]);
  EXPECT_TRUE(refused(entries));
  entries = two();
  entries[0].name = std::string(kMaxServiceName + 1, 'a');
  EXPECT_TRUE(refused(entries));
  entries = two();
  entries[1].current.size = kMaxPackage + 1;
  EXPECT_TRUE(refused(entries));
  entries = two();
  entries[0].current.config["rules"] = std::string(kMaxServiceValue + 1, 'a');
  EXPECT_TRUE(refused(entries));
}

TEST(Catalogue, AVersionByItself) {
  const ServiceVersion version = two()[0].current;
  EXPECT_EQ(*parse_version(emit_version(version)), version);
  base::Bytes octets = emit_version(version);
  octets.pop_back();
  EXPECT_FALSE(parse_version(octets));
}

}  // namespace
}  // namespace entresol::layer::directory
