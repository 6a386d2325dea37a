#include "cli/kit/script.h"

#include <gtest/gtest.h>

namespace entresol::cli::kit {
namespace {

std::string error(std::string_view text) {
  const auto parsed = parse_script(text, "a.script");
  return parsed ? "" : parsed.error().code + " " + parsed.error().message;
}

template <typename T>
T only(std::string_view line) {
  const auto parsed = parse_script(line, "a.script");
  if (!parsed) {
    ADD_FAILURE() << parsed.error().message;
    return {};
  }
  EXPECT_EQ(parsed->steps.size(), 1u);
  const T* action = std::get_if<T>(&parsed->steps.front().action);
  EXPECT_NE(action, nullptr) << line;
  return action == nullptr ? T{} : *action;
}

TEST(Script, KeepsPlaceAndTextOfEachStep) {
  const auto parsed = parse_script("# first\n\n  advance 2s   # later\r\nexpect log \"#\"", "a");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->steps.size(), 2u);
  EXPECT_EQ(parsed->steps[0].place.line, 3u);
  EXPECT_EQ(parsed->steps[0].place.column, 3u);
  EXPECT_EQ(parsed->steps[0].text, "advance 2s");
  EXPECT_EQ(parsed->steps[1].text, "expect log \"#\"");
}

TEST(Script, APacket) {
  const auto send = only<SendPacket>(
      "packet source=fd35::1 destination=fd35::2 flow=0x10 inner_protocol=udp inner_flags=1 "
      "port=53 "
      "next_protocol=4 traffic_class=8 payload=\"a\\x00\\n\\\"\" times=3 as=first");
  EXPECT_EQ(send.packet.source.octets[1], 0x35);
  EXPECT_EQ(send.packet.destination.octets[15], 2);
  EXPECT_EQ(send.packet.flow, 16u);
  EXPECT_EQ(send.packet.inner_protocol, 17);
  EXPECT_EQ(send.packet.inner_flags, 1);
  EXPECT_EQ(send.packet.port, 53);
  EXPECT_EQ(send.packet.next_protocol, 4);
  EXPECT_EQ(send.packet.traffic_class, 8);
  EXPECT_EQ(send.packet.length, 4);
  EXPECT_EQ(*send.payload, (base::Bytes{'a', 0, '\n', '"'}));
  EXPECT_EQ(send.times, 3u);
  EXPECT_EQ(send.label, "first");
  EXPECT_EQ(only<SendPacket>("packet payload=00ff length=9").packet.length, 9);
}

TEST(Script, Expectations) {
  const auto verdict = only<ExpectVerdict>("expect replicate to=::1 to=::2").verdict;
  EXPECT_EQ(verdict.action, ENTRESOL_REPLICATE);
  EXPECT_EQ(verdict.to.size(), 2u);
  EXPECT_FALSE(verdict.keep);
  const auto drop = only<ExpectVerdict>("expect drop reason=7 keep=no for=2s").verdict;
  EXPECT_EQ(drop.reason, 7);
  EXPECT_EQ(drop.keep, false);
  EXPECT_EQ(drop.lifetime_ms, 2000u);
  EXPECT_EQ(only<ExpectVerdict>("expect hold for=20ms").verdict.lifetime_ms, 20u);
  EXPECT_EQ(only<ExpectRelease>("expect release of=a deliver to=::1").label, "a");
  EXPECT_EQ(only<ExpectMetric>("expect metric denied=1.5").value, 1.5);
  EXPECT_EQ(only<ExpectFault>("expect fault").text, "");
  EXPECT_EQ(only<ExpectNo>("expect no release").event, Event::kRelease);
  EXPECT_EQ(only<ExpectStanding>("expect resting").standing, "resting");
  EXPECT_EQ(only<SetConfig>("config rule a=b").value, "a=b");
  EXPECT_EQ(only<Advance>("advance 3min").by, std::chrono::minutes(3));
}

TEST(Script, ErrorsSayWhereAndWhat) {
  EXPECT_EQ(error("\n send x"),
            "E0723 a.script:2:2: 'send' is none of config, packet, advance, expect");
  EXPECT_EQ(
      error("packet colour=3"),
      "E0723 a.script:1:8: 'colour' is no part of a packet: there are source, destination, "
      "flow, inner_protocol, inner_flags, port, next_protocol, traffic_class, length, payload, "
      "times and as");
  EXPECT_EQ(error("packet port=65536"), "E0723 a.script:1:8: '65536' is no number from 0 to 65535");
  EXPECT_EQ(error("packet port=1 port=2"), "E0723 a.script:1:15: 'port' is here twice");
  EXPECT_EQ(error("packet source=alice"),
            "E0723 a.script:1:8: 'alice' is no name: write it like fd35::1");
  EXPECT_EQ(error("packet times=0"), "E0723 a.script:1:8: at least once");
  EXPECT_EQ(error("packet payload=abc"),
            "E0723 a.script:1:8: expected a text in quotes, or an even number of hexadecimal "
            "digits");
  EXPECT_EQ(error("advance 2"),
            "E0723 a.script:1:9: '2' is no time: a whole number and us, ms, s, min or h");
  EXPECT_EQ(error("advance 9999999999h").substr(0, 22), "E0723 a.script:1:9: '9");
  EXPECT_EQ(error("advance"), "E0723 a.script:1:8: a time, such as 2s is missing");
  EXPECT_EQ(error("advance 2s 3s"), "E0723 a.script:1:12: nothing more is expected here");
  EXPECT_EQ(error("expect log \"a"), "E0723 a.script:1:12: a '\"' that does not end on its line");
  EXPECT_EQ(error("expect log \"a\"b"), "E0723 a.script:1:15: a blank is missing behind '\"'");
  EXPECT_EQ(error("expect log \"\\q\"").substr(0, 20), "E0723 a.script:1:13:");
  EXPECT_EQ(error("expect log \"a\\").substr(0, 20), "E0723 a.script:1:14:");
  EXPECT_EQ(error("expect log a"),
            "E0723 a.script:1:12: expected a part of the log's line in quotes");
  EXPECT_EQ(error("expect hold keep"), "E0723 a.script:1:13: 'keep' is no part of 'hold'");
  EXPECT_EQ(error("expect deliver to=::1 to=::2"),
            "E0723 a.script:1:23: 'to' is no part of 'deliver'");
  EXPECT_EQ(error("expect release hold"),
            "E0723 a.script:1:16: 'hold': a release delivers, refuses or drops");
  EXPECT_EQ(error("config\x01 a"), "E0723 a.script:1:7: an octet that is no text");
}

TEST(Script, WhatTheManifestDoesNotKnowIsAnError) {
  service::Manifest manifest;
  manifest.fields = service::fields_of({service::Field::kPort});
  const auto wrong = [&](std::string_view text) {
    const auto checked = check_script(*parse_script(text, "a"), manifest, "a");
    return checked ? "" : checked.error().message;
  };
  EXPECT_EQ(wrong("packet port=1"), "");
  EXPECT_EQ(wrong("packet port=1 flow=0"),
            "a:1:1: the service does not see 'flow': the manifest's `fields` do not list it");
  EXPECT_NE(wrong("packet payload=00"), "");
  EXPECT_NE(wrong("expect metric x=1"), "");
  EXPECT_NE(wrong("config x 1"), "");
}

}  // namespace
}  // namespace entresol::cli::kit
