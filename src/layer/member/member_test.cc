#include "layer/member/member.h"

#include <gtest/gtest.h>

#include "layer/membership/test_authority.h"
#include "service/dispatcher.h"

namespace entresol::layer::member {
namespace {

class Silent final : public Output {
 public:
  void send(const forwarding::OutBurst&, const security::Path&) override {}
  void flush() override {}
  void send_datagram(base::ByteView, const security::Path&) override {}
  void deliver(LayerIndex, const inner::InsidePacket&) override {}
  void deliver_reply(LayerIndex, base::ByteView) override {}
};

TEST(Member, TwoLayersThatLookAlikeOnTheWireAreRefused) {
  membership::test::Authority authority(1);
  service::Dispatcher decider;
  Silent output;
  security::SeededRandom random(2);
  Member member({}, decider, output, random);
  auto add = [&] {
    const membership::Identity identity = membership::test::make_identity(random);
    return member.add_layer({.label = "edge", .trust = authority.trust, .identity = identity,
                             .certificate_chain = authority.certify(identity, membership::Role::kHost, "a", {}),
                             .sequence = 1, .lease_end = membership::test::kNow + 1000, .attachments = {},
                             .suite = crypto::AeadSuite::kAes256Gcm, .reset_secret = {}, .timing = {}},
                            membership::test::kNow);
  };
  EXPECT_TRUE(add());
  EXPECT_FALSE(add());
}

}  // namespace
}  // namespace entresol::layer::member
