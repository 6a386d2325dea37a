#include "dns/message.h"

#include <gtest/gtest.h>

#include "dns/test_messages.h"

namespace entresol::dns {
namespace {

TEST(Query, IsReadWithItsQuestionAndEdns) {
  const base::Bytes message = query({.name = "Alice.edge.internal",
                                     .type = type::kA,
                                     .id = 7,
                                     .edns_size = 4096,
                                     .dnssec_ok = true});
  Query out;
  ASSERT_EQ(parse_query(message, out), Parsed::kQuery);
  EXPECT_EQ(out.id, 7);
  EXPECT_TRUE(out.recursion_desired);
  EXPECT_EQ(text_of(out.name), "Alice.edge.internal");
  EXPECT_EQ(out.type, type::kA);
  EXPECT_EQ(out.klass, kClassIn);
  EXPECT_TRUE(out.edns && out.dnssec_ok);
  EXPECT_EQ(out.udp_size, 4096);
  ASSERT_EQ(parse_query(query({.name = "a", .edns_size = 100}), out), Parsed::kQuery);
  EXPECT_EQ(out.udp_size, kUdpMinimum);  // RFC 6891, section 6.2.3
  ASSERT_EQ(parse_query(query({.name = ""}), out), Parsed::kQuery);
  EXPECT_TRUE(is_root(out.name));
  EXPECT_EQ(out.udp_size, kUdpMinimum);
}

TEST(Query, EveryPrefixOfOneIsNone) {
  const base::Bytes message = query({.name = "alice.edge.internal", .edns_size = 1232});
  for (std::size_t size = 0; size < message.size(); ++size) {
    Query out;
    const base::Bytes part(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(parse_query(part, out), size < kHeaderSize ? Parsed::kNothing : Parsed::kMalformed)
        << size;
  }
}

base::Bytes with(base::Bytes message, std::size_t at, std::uint8_t value) {
  message[at] = value;
  return message;
}

TEST(Query, WhatIsWrongIsRefusedByKind) {
  const base::Bytes good = query({.name = "alice.edge.internal", .edns_size = 1232});
  const std::size_t opt = good.size() - 11;
  base::Bytes two = good;
  two.insert(two.end(), good.end() - 11, good.end());
  two[11] = 2;
  base::Bytes longer = good;
  longer.push_back(0);
  const struct {
    std::string what;
    base::Bytes message;
    Parsed parsed;
  } cases[] = {
      {"a response", with(good, 2, 0x81), Parsed::kNothing},
      {"opcode 2", with(good, 2, 0x11), Parsed::kNotImplemented},
      {"opcode 15", with(good, 2, 0x79), Parsed::kNotImplemented},
      {"no question", with(good, 5, 0), Parsed::kMalformed},
      {"two questions", with(good, 5, 2), Parsed::kMalformed},
      {"an answer", with(good, 7, 1), Parsed::kMalformed},
      {"authority", with(good, 9, 1), Parsed::kMalformed},
      {"a pointer in the question", with(good, 12, 0xc0), Parsed::kMalformed},
      {"a label of 64", with(good, 12, 64), Parsed::kMalformed},
      {"a whole label of 64", query({.name = std::string(64, 'a') + ".org"}), Parsed::kMalformed},
      {"more records than there are", with(good, 11, 2), Parsed::kMalformed},
      {"octets behind", longer, Parsed::kMalformed},
      {"OPT twice", two, Parsed::kMalformed},
      {"OPT of a name", with(good, opt, 1), Parsed::kMalformed},
      {"OPT longer than there is", with(good, opt + 10, 1), Parsed::kMalformed},
      {"a question for OPT", query({.name = "a", .type = type::kOpt}), Parsed::kMalformed},
  };
  for (const auto& c : cases) {
    Query out;
    EXPECT_EQ(parse_query(c.message, out), c.parsed) << c.what;
  }
}

TEST(Query, NamesEndAt255Octets) {
  const std::string label(63, 'a');
  const std::string most = label + "." + label + "." + label + "." + std::string(61, 'b');
  Query out;
  EXPECT_EQ(parse_query(query({.name = most}), out), Parsed::kQuery);
  EXPECT_EQ(out.name.size(), kNameMaximum);
  EXPECT_EQ(parse_query(query({.name = most + "b"}), out), Parsed::kMalformed);
}

TEST(Answer, RepeatsTheQuestionAndSaysWhatItIs) {
  const base::Bytes message =
      query({.name = "ALICE.edge.internal", .edns_size = 1232, .dnssec_ok = true});
  Query parsed;
  ASSERT_EQ(parse_query(message, parsed), Parsed::kQuery);
  const Record record{6, type::kA, 60, {192, 0, 2, 1}};
  const Read out =
      read(emit_answer(message, parsed, {Rcode::kNoError, true, true}, std::span(&record, 1)));
  EXPECT_TRUE(out.whole);
  EXPECT_EQ(out.id, parsed.id);
  EXPECT_TRUE(out.has(0x8000) && out.has(kAa) && out.has(kTc) && out.has(kRa) && out.has(0x0100));
  EXPECT_EQ(out.name, "ALICE.edge.internal");  // the asker compares (0x20)
  ASSERT_EQ(out.answers.size(), 1u);
  EXPECT_EQ(out.answers[0].owner, "edge.internal");
  EXPECT_EQ(out.answers[0].data, record.data);
  ASSERT_EQ(out.additional.size(), 1u);
  EXPECT_EQ(out.additional[0].type, type::kOpt);
  EXPECT_EQ(out.additional[0].klass, kUdpAccepted);
  EXPECT_EQ(out.additional[0].ttl, 0x8000u);
}

TEST(Answer, AnExtendedCodeIsSplit) {
  const base::Bytes message = query({.name = "a", .edns_size = 1232, .edns_version = 1});
  Query parsed;
  ASSERT_EQ(parse_query(message, parsed), Parsed::kQuery);
  EXPECT_EQ(parsed.edns_version, 1);
  const Read out = read(emit_answer(message, parsed, {Rcode::kBadVersion}));
  EXPECT_EQ(out.rcode(), 0);
  ASSERT_EQ(out.additional.size(), 1u);
  EXPECT_EQ(out.additional[0].ttl, 1u << 24);
}

TEST(Answer, AnErrorIsAHeader) {
  base::Bytes message = query({.name = "a", .id = 9});
  message[2] |= 0x28;  // opcode 5
  const base::Bytes out = emit_error(message, Rcode::kNotImplemented);
  ASSERT_EQ(out.size(), kHeaderSize);
  EXPECT_EQ(read(out).id, 9);
  EXPECT_EQ(read(out).flags, 0x8000 | 0x2900 | 4);
}

TEST(Answer, BelongsToAQuestion) {
  const base::Bytes message = query({.name = "Alice.edge.internal"});
  Query parsed;
  ASSERT_EQ(parse_query(message, parsed), Parsed::kQuery);
  const base::ByteView question = parsed.question(message);
  const base::Bytes good = answer_to(message, Rcode::kNameError);
  EXPECT_EQ(parse_answer(good, 0x1234, question), Rcode::kNameError);
  EXPECT_EQ(parse_answer(answer_to(query({.name = "aLICE.edge.internal"}), Rcode::kNoError), 0x1234,
                         question),
            Rcode::kNoError);
  EXPECT_EQ(parse_answer(good, 0x1235, question), std::nullopt);
  EXPECT_EQ(parse_answer(message, 0x1234, question), std::nullopt);  // a query
  EXPECT_EQ(parse_answer(answer_to(query({.name = "blice.edge.internal"}), Rcode::kNoError), 0x1234,
                         question),
            std::nullopt);
  EXPECT_EQ(parse_answer(answer_to(query({.name = "alice.edge.internal", .type = type::kA}),
                                   Rcode::kNoError),
                         0x1234, question),
            std::nullopt);
  for (std::size_t size = 0; size < kHeaderSize + question.size(); ++size)
    EXPECT_EQ(parse_answer(base::ByteView(good).first(size), 0x1234, question), std::nullopt)
        << size;
  base::Bytes bare(good.begin(), good.begin() + kHeaderSize);
  bare[5] = 0;
  EXPECT_EQ(parse_answer(bare, 0x1234, question),
            Rcode::kNameError);  // an error without a question
  bare[3] &= 0xf0;
  EXPECT_EQ(parse_answer(bare, 0x1234, question), std::nullopt);
}

TEST(Name, FromTextAndBack) {
  EXPECT_EQ(text_of(*name_from_text("Edge.INTERNAL.")), "edge.internal");
  EXPECT_EQ(name_from_text("")->size(), 1u);
  for (const std::string_view bad : {"a..b", ".a", "a..", "a b", "a/b", "\xc3\xa4"})
    EXPECT_EQ(name_from_text(bad), std::nullopt) << bad;
  EXPECT_EQ(name_from_text(std::string(64, 'a')), std::nullopt);
  EXPECT_EQ(name_from_text(std::string(63, 'a') + "." + std::string(63, 'a') + "." +
                           std::string(63, 'a') + "." + std::string(62, 'a')),
            std::nullopt);
  const base::Bytes odd{4, 'a', '.', 0, 0xff, 0};
  EXPECT_EQ(text_of(odd), "a\\046\\000\\255");
}

TEST(Name, IsWithinAZone) {
  const base::Bytes zone = *name_from_text("edge.internal");
  EXPECT_EQ(within(wire_name("Alice.EDGE.internal"), zone), 6u);
  EXPECT_EQ(within(zone, zone), 0u);
  EXPECT_EQ(within(*name_from_text("internal"), zone), std::nullopt);
  EXPECT_EQ(within(*name_from_text("ledge.internal"), zone), std::nullopt);
  EXPECT_EQ(within(*name_from_text("a.edge.internall"), zone), std::nullopt);
  EXPECT_EQ(within(*name_from_text(""), zone), std::nullopt);
  // Octets of a label that look like the zone are none of it.
  base::Bytes inside{15, 'x', 4, 'e', 'd', 'g', 'e', 8, 'i', 'n', 't', 'e', 'r', 'n', 'a', 'l', 0};
  EXPECT_EQ(within(inside, zone), std::nullopt);
  EXPECT_EQ(first_label(wire_name("ALice.edge")), "alice");
}

}  // namespace
}  // namespace entresol::dns
