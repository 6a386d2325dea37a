#include "wire/record.h"

#include <gtest/gtest.h>

#include "wire/sample_packets.h"

namespace entresol::wire {
namespace {

using base::DropReason;

base::Bytes keepalive() {
  return sample::hex("14000000 01020325 0000abcd 000102030405060708090a0b0c0d0e0f");
}

DropReason reason_of(const base::Bytes& datagram) {
  RecordView view;
  return RecordView::parse(datagram, view);
}

TEST(Datagram, TypesOfTheTable) {
  for (unsigned type = 0; type < 256; ++type) {
    const base::Bytes datagram{static_cast<std::uint8_t>(type)};
    const bool assigned =
        (type >= 1 && type <= 4) || (type >= 0x10 && type <= 0x14) || type == 0x17 || type == 0x18;
    ASSERT_EQ(datagram_type(datagram).has_value(), assigned) << type;
    if (assigned) {
      EXPECT_EQ(static_cast<unsigned>(*datagram_type(datagram)), type);
    }
  }
  EXPECT_FALSE(datagram_type({}));
}

TEST(Record, FieldsAreWhereTheDiagramHasThem) {
  const base::Bytes datagram = keepalive();
  RecordView view;
  ASSERT_EQ(RecordView::parse(datagram, view), DropReason::none);
  EXPECT_EQ(view.id().index(), 0x010203u);
  EXPECT_EQ(view.id().lane(), 0x25);
  EXPECT_EQ(view.id().path(), 2);
  EXPECT_EQ(view.id().worker(), 5);
  EXPECT_EQ(view.counter(), 0xabcdu);
  EXPECT_EQ(view.associated_data().size(), 12u);
  EXPECT_EQ(view.sealed().size(), 16u);
  EXPECT_EQ(view.plaintext_size(), 0u);
  EXPECT_EQ(wire_id(0x010203, lane_of(2, 5)), view.id());
}

TEST(Record, ChecksInOrder) {
  base::Bytes datagram = keepalive();
  datagram[0] = 0x15;
  EXPECT_EQ(reason_of(datagram), DropReason::record_type_unknown);
  datagram[3] = 1;
  EXPECT_EQ(reason_of(datagram), DropReason::record_type_unknown);
  datagram[0] = 0x14;
  EXPECT_EQ(reason_of(datagram), DropReason::header_reserved);
  datagram.pop_back();
  EXPECT_EQ(reason_of(datagram), DropReason::record_truncated);
  for (std::size_t i = 1; i <= 3; ++i) {
    datagram = keepalive();
    datagram[i] = 0x80;
    EXPECT_EQ(reason_of(datagram), DropReason::header_reserved) << i;
  }
  EXPECT_EQ(reason_of({}), DropReason::record_truncated);
}

TEST(Record, EmitAndParse) {
  EXPECT_TRUE(rc::check([](std::uint32_t id, std::uint32_t counter) {
    base::Bytes datagram(kRecordMinimum + 3);
    emit_record_header(datagram.data(), {id}, counter);
    RecordView view;
    RC_ASSERT(RecordView::parse(datagram, view) == DropReason::none);
    RC_ASSERT(view.id().value == id);
    RC_ASSERT(view.counter() == counter);
    RC_ASSERT(view.plaintext_size() == 3u);
    RC_ASSERT(wire_id(view.id().index(), view.id().lane()) == view.id());
  }));
}

}  // namespace
}  // namespace entresol::wire
