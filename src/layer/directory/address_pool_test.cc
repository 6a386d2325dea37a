#include "layer/directory/address_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "security/test_random.h"

namespace entresol::layer::directory {
namespace {

TEST(AddressPool, GivesTheLowestFirstAndSkipsBothEnds) {
  AddressPool pool({{10, 0, 0, 0}, 30}, {});
  EXPECT_EQ(pool.available(), 2u);
  EXPECT_EQ(pool.lowest(), (Ipv4{10, 0, 0, 1}));
  pool.take({10, 0, 0, 1});
  EXPECT_EQ(pool.lowest(), (Ipv4{10, 0, 0, 2}));
  pool.take({10, 0, 0, 2});
  EXPECT_EQ(pool.lowest(), std::nullopt);
  pool.release({10, 0, 0, 1});
  EXPECT_EQ(pool.lowest(), (Ipv4{10, 0, 0, 1}));
}

TEST(AddressPool, SmallPrefixesAreUsedWhole) {
  EXPECT_EQ(AddressPool({{10, 0, 0, 6}, 31}, {}).available(), 2u);
  EXPECT_EQ(AddressPool({{10, 0, 0, 7}, 32}, {}).lowest(), (Ipv4{10, 0, 0, 7}));
  EXPECT_EQ(AddressPool().lowest(), std::nullopt);
}

TEST(AddressPool, TheWholeSpaceAndItsLastAddress) {
  AddressPool all({{0, 0, 0, 0}, 0}, {});
  EXPECT_EQ(all.available(), (std::uint64_t{1} << 32) - 3);
  AddressPool end({{255, 255, 255, 254}, 31}, {});
  end.take({255, 255, 255, 255});
  end.take({255, 255, 255, 254});
  EXPECT_EQ(end.available(), 0u);
  end.release({255, 255, 255, 255});
  end.release({255, 255, 255, 254});
  EXPECT_EQ(end.available(), 2u);
  EXPECT_EQ(end.lowest(), (Ipv4{255, 255, 255, 254}));
}

TEST(AddressPool, ReservedOnesStayAway) {
  AddressPool pool({{10, 0, 0, 0}, 29}, {{10, 0, 0, 1}, {10, 0, 0, 3}, {192, 0, 2, 1}});
  EXPECT_EQ(pool.lowest(), (Ipv4{10, 0, 0, 2}));
  pool.release({10, 0, 0, 1});
  EXPECT_EQ(pool.lowest(), (Ipv4{10, 0, 0, 2}));
  EXPECT_EQ(pool.available(), 4u);
}

TEST(AddressPool, TheResolversIsNobodys) {
  const Ipv4Pool small{{10, 0, 0, 16}, 28}, smaller{{10, 0, 0, 16}, 29};
  EXPECT_EQ(resolver_address(small), (Ipv4{10, 0, 0, 30}));
  EXPECT_EQ(resolver_address({{100, 64, 0, 0}, 10}), (Ipv4{100, 127, 255, 254}));
  EXPECT_EQ(resolver_address({{0, 0, 0, 0}, 0}), (Ipv4{255, 255, 255, 254}));
  EXPECT_EQ(resolver_address(smaller), std::nullopt);
  EXPECT_EQ(AddressPool(smaller, {}).available(), 6u);
  AddressPool pool(small, {});
  EXPECT_EQ(pool.available(), 13u);
  pool.release({10, 0, 0, 30});
  while (const auto next = pool.lowest()) {
    EXPECT_NE(*next, (Ipv4{10, 0, 0, 30}));
    pool.take(*next);
  }
}

TEST(AddressPool, TheResolversNameIsOfTheMembersLayer) {
  const wire::Name member = wire::name_from_text("fd35:1234:5678:9abc::7").value();
  EXPECT_EQ(wire::to_string(resolver_name(member)), "fd35:1234::35");
}

TEST(AddressPool, BehavesAsASetOfAddresses) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    security::SeededRandom random(seed);
    AddressPool pool({{10, 0, 0, 0}, 26}, {{10, 0, 0, 5}});
    std::set<std::uint32_t> model;
    for (std::uint32_t last = 1; last < 62; ++last)
      if (last != 5) model.insert(last);
    for (int step = 0; step < 2000; ++step) {
      const auto last = static_cast<std::uint32_t>(random.below(64));
      const Ipv4 address{10, 0, 0, static_cast<std::uint8_t>(last)};
      if (random.chance(50)) {
        pool.take(address);
        model.erase(last);
      } else {
        pool.release(address);
        if (last >= 1 && last < 62 && last != 5) model.insert(last);
      }
      ASSERT_EQ(pool.available(), model.size()) << "seed " << seed << " step " << step;
      ASSERT_EQ(pool.lowest().has_value(), !model.empty());
      if (!model.empty()) {
        ASSERT_EQ(pool.lowest()->back(), *model.begin()) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace entresol::layer::directory
