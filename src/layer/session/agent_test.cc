#include "layer/session/agent.h"

#include <gtest/gtest.h>

#include "layer/membership/test_authority.h"

namespace entresol::layer::session {
namespace {

FlowKey key_of(std::uint16_t port) {
  FlowKey key;
  key.local_port = port;
  key.far_port = 443;
  key.protocol = inner::kProtocolTcp;
  return key;
}

TEST(FlowTable, FindsByKeyAndById) {
  security::SeededRandom random(1);
  FlowTable flows(random);
  const Flow& flow = flows.add(key_of(1), true, 0, {});
  EXPECT_EQ(flows.find(key_of(1)), &flow);
  EXPECT_EQ(flows.find_id(flow.id), &flow);
  EXPECT_EQ(flows.find(key_of(2)), nullptr);
}

}  // namespace
}  // namespace entresol::layer::session
