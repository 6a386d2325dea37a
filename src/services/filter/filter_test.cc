// Native here; service/modules runs the same source as a module beside it.
#include "services/filter/filter.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {

// A host with a configuration, that counts.
struct FakeHost : entresol_host {
  std::map<std::string, std::string> values{{"otherwise", "deny"}};
  std::map<std::uint32_t, int> metrics;
  std::vector<std::string> lines;
  int withdrawn = 0;

  static FakeHost& of(entresol_host* host) { return *static_cast<FakeHost*>(host); }
  static const entresol_host_calls& table() {
    static const entresol_host_calls made = [] {
      entresol_host_calls out{};
      out.config = [](entresol_host* host, const char* name, std::uint32_t size, char* value,
                      std::uint32_t room) -> std::int32_t {
        const std::string& text = of(host).values[std::string(name, size)];
        if (text.size() > room) return ENTRESOL_TOO_SMALL;
        std::memcpy(value, text.data(), text.size());
        return static_cast<std::int32_t>(text.size());
      };
      out.metric = [](entresol_host* host, std::uint32_t number, double) {
        ++of(host).metrics[number];
      };
      out.log = [](entresol_host* host, std::uint32_t, const char* text, std::uint32_t size) {
        of(host).lines.emplace_back(text, size);
      };
      out.withdraw = [](entresol_host* host) -> std::int32_t { return ++of(host).withdrawn, 0; };
      return out;
    }();
    return made;
  }
  FakeHost() : entresol_host{&table()} {}
};

class FilterTest : public ::testing::Test {
 protected:
  FilterTest() {
    state_.resize(service_.state_size / sizeof(std::max_align_t) + 1);
    service_.start(&host_, state_.data());
  }
  void rules(const std::string& text, const std::string& otherwise = "deny") {
    host_.values = {{"rules", text}, {"otherwise", otherwise}};
    service_.configure(&host_, state_.data());
  }
  entresol_verdict ask(std::uint8_t from, std::uint8_t to, std::uint8_t protocol,
                       std::uint16_t port, bool opener = true) {
    entresol_packet packet{};
    packet.source = name(opener ? from : to);
    packet.destination = name(opener ? to : from);
    packet.inner_protocol = protocol;
    packet.port = port;
    packet.inner_flags = opener;
    entresol_verdict verdict{};
    const entresol_batch batch{1, 0, &packet, &verdict, nullptr, nullptr};
    service_.packets(&host_, state_.data(), &batch);
    EXPECT_EQ(verdict.keep, 1);
    return verdict;
  }
  bool allows(std::uint8_t from, std::uint8_t to, std::uint8_t protocol, std::uint16_t port,
              bool opener = true) {
    return ask(from, to, protocol, port, opener).action == ENTRESOL_DELIVER;
  }
  static entresol_name name(std::uint8_t last) {
    entresol_name out{{0xfd, 0x35, 0xab, 0xcd}};
    out.octets[15] = last;
    return out;
  }

  const entresol_service& service_ = *entresol_service_filter();
  FakeHost host_;
  std::vector<std::max_align_t> state_;
};

TEST_F(FilterTest, WithoutRulesOtherwiseDecides) {
  rules("");
  EXPECT_FALSE(allows(1, 2, 6, 80));
  rules("", "allow");
  EXPECT_TRUE(allows(1, 2, 6, 80));
  EXPECT_EQ(host_.metrics[2], 2);
}

TEST_F(FilterTest, TheFirstRuleThatMatchesDecides) {
  rules("deny tcp/22; allow tcp/1-1023\n allow to fd35:abcd::7 udp");
  EXPECT_FALSE(allows(1, 2, 6, 22));
  EXPECT_EQ(ask(1, 2, 6, 22).reason, 1);
  EXPECT_TRUE(allows(1, 2, 6, 1));
  EXPECT_TRUE(allows(1, 2, 6, 1023));
  EXPECT_FALSE(allows(1, 2, 6, 1024));
  EXPECT_TRUE(allows(1, 7, 17, 5353));
  EXPECT_FALSE(allows(1, 8, 17, 5353));
}

// from is who opened the flow, whichever way the packet goes.
TEST_F(FilterTest, AnswersPassAsTheFlowsThatTheyBelongTo) {
  rules("allow from fd35:abcd::1 to fd35:abcd::2 tcp/80");
  EXPECT_TRUE(allows(1, 2, 6, 80, true));
  EXPECT_TRUE(allows(1, 2, 6, 80, false));
  EXPECT_FALSE(allows(2, 1, 6, 80, true));
}

TEST_F(FilterTest, NamesInEveryForm) {
  for (const char* text : {"fd35:abcd::9", "fd35:ABCD:0:0:0:0:0:9", "fd35:abcd:0::0:9"}) {
    rules(std::string("allow from ") + text);
    EXPECT_TRUE(allows(9, 1, 6, 1)) << text;
    EXPECT_FALSE(allows(8, 1, 6, 1)) << text;
  }
  rules("allow to ::");
  EXPECT_TRUE(host_.lines.empty());
}

TEST_F(FilterTest, ATextWithAnErrorRefusesEverythingAndSaysWhere) {
  for (const char* text :
       {"allow tcp/80; alow udp", "allow tcp/", "allow tcp/9-8", "allow tcp/65536", "allow 256",
        "allow from fd35", "allow from fd35::1::2", "allow from 1:2:3:4:5:6:7:8:9",
        "allow from fd35:abcde::1", "allow to", "allow tcp udp", "allow tcp/1-2-3",
        "allow from fd35:abcd::1:"}) {
    host_.lines.clear();
    rules(text, "allow");
    EXPECT_FALSE(allows(1, 2, 6, 80)) << text;
    EXPECT_EQ(host_.lines.size(), 2u) << text;
  }
  rules("allow tcp/80; alow udp");
  EXPECT_EQ(host_.lines.back(), " alow udp");
}

TEST_F(FilterTest, NewRulesWithdrawWhatWasKept) {
  const int before = host_.withdrawn;
  rules("allow tcp");
  EXPECT_EQ(host_.withdrawn, before + 1);
}

TEST_F(FilterTest, NoMoreRulesThanItHasRoomFor) {
  std::string text;
  for (int i = 0; i < 64; ++i) text += "deny udp/" + std::to_string(i + 1) + ";";
  rules(text, "allow");
  EXPECT_TRUE(allows(1, 2, 6, 80));
  rules(text + "deny udp", "allow");
  EXPECT_FALSE(allows(1, 2, 6, 80));
}

}  // namespace
