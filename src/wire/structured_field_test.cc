#include "wire/structured_field.h"

#include <gtest/gtest.h>

#include "wire/sample_packets.h"

namespace entresol::wire {
namespace {

using base::DropReason;

constexpr std::string_view kSealedText =
    "v=1, ttl=64, tc=40, np=3, layer=:q83vAQ==:, svc=1, flow=305419896, proto=6, opener=?1, "
    "frag=?0, "
    "port=443, src=:/TWrzQABAgMEBQYHCAkKCw==:, dst=:/TWrzfDx8vP09fb3+Pn6+w==:, sid=16909093, seq=7";

base::Bytes sealed_body() {
  return sample::hex("a1a2 000102030405060708090a0b0c0d0e0f");
}

std::string with(std::string_view what, std::string_view instead) {
  std::string text(kSealedText);
  const std::size_t at = text.find(what);
  if (at == std::string::npos) std::abort();
  return text.replace(at, what.size(), instead);
}

// "ok", "refused", or the drop reason.
std::string verdict(std::string_view text, const base::Bytes& body = sealed_body()) {
  base::Bytes packet;
  const FieldOutcome outcome = parse_field(text, body, packet);
  if (!outcome.refused.empty()) return "refused";
  return outcome.ok() ? "ok" : sample::text(outcome.reason);
}

TEST(Field, TextOfASealedPacket) {
  const base::Bytes packet = sample::sealed_packet();
  HeaderView view;
  ASSERT_EQ(HeaderView::parse(packet, view), DropReason::none);
  const FieldMessage message = to_field(view);
  EXPECT_EQ(message.field, kSealedText);
  EXPECT_EQ(sample::copy(message.body), sealed_body());
  base::Bytes back;
  const FieldOutcome outcome = parse_field(message.field, message.body, back);
  EXPECT_TRUE(outcome.ok()) << outcome.refused;
  EXPECT_EQ(back, packet);
}

TEST(Field, TextOfOptions) {
  const base::Bytes packet = sample::with_options(
      sample::hex("04 01 a0 04 00010203  02 ff 40 00  07 09 c0 01 ff000000"), 0x90);
  HeaderView view;
  ASSERT_EQ(HeaderView::parse(packet, view), DropReason::none);
  const FieldMessage message = to_field(view);
  EXPECT_NE(
      message.field.find(
          ", opt=(:AAECAw==:;c=4;t=1;crit;e2e ::;c=2;t=255;mut :/w==:;c=7;t=9;crit;mut), sid="),
      std::string::npos)
      << message.field;
  base::Bytes back;
  EXPECT_TRUE(parse_field(message.field, message.body, back).ok());
  EXPECT_EQ(back, packet);
}

TEST(Field, AnyOrderAndTheSpacesOfRfc9651) {
  EXPECT_EQ(verdict(kSealedText), "ok");
  std::string text(kSealedText);
  const std::size_t at = text.find(", sid=");
  EXPECT_EQ(verdict(text.substr(at + 2) + ", " + text.substr(0, at)), "ok");
  EXPECT_EQ(verdict("  " + text + "  "), "ok");
  EXPECT_EQ(verdict(with(", ttl", " \t,\t ttl")), "ok");
  EXPECT_EQ(verdict(with(", ttl", ",ttl")), "ok");
  EXPECT_EQ(verdict("\t" + text), "refused");
  EXPECT_EQ(verdict(text + ","), "refused");
  EXPECT_EQ(verdict(text + ", "), "refused");
  EXPECT_EQ(verdict(with(", ttl", " ttl")), "refused");
  EXPECT_EQ(verdict(with(", ttl", ",, ttl")), "refused");
  EXPECT_EQ(verdict(with("ttl=", "ttl =")), "refused");
  EXPECT_EQ(verdict(with("ttl=", "ttl= ")), "refused");
  EXPECT_EQ(verdict(text + "\n"), "refused");
  EXPECT_EQ(verdict(text + std::string(1, '\0')), "refused");
  EXPECT_EQ(verdict(""), "refused");
}

TEST(Field, Booleans) {
  EXPECT_EQ(verdict(with("opener=?1", "opener")), "ok");
  EXPECT_EQ(verdict(with("opener=?1", "opener=?0")), "ok");
  EXPECT_EQ(verdict(with("opener=?1", "opener=?2")), "refused");
  EXPECT_EQ(verdict(with("opener=?1", "opener=?")), "refused");
  EXPECT_EQ(verdict(with("opener=?1", "opener=1")), "refused");
  EXPECT_EQ(verdict(with("opener=?1", "opener=true")), "refused");
}

TEST(Field, Integers) {
  EXPECT_EQ(verdict(with("ttl=64", "ttl=0064")), "ok");
  EXPECT_EQ(verdict(with("ttl=64", "ttl=-0")), "ok");
  EXPECT_EQ(verdict(with("ttl=64", "ttl=255")), "ok");
  for (std::string_view bad :
       {"ttl=256", "ttl=-1", "ttl=64.0", "ttl=", "ttl", "ttl=?1", "ttl=\"64\"",
        "ttl=:QA==:", "ttl=sixty", "ttl=+6", "ttl=0000000000000064", "ttl=--6", "ttl=0x40",
        "ttl=(64)", "ttl=@64"}) {
    EXPECT_EQ(verdict(with("ttl=64", bad)), "refused") << bad;
  }
}

TEST(Field, LargestValues) {
  const std::tuple<std::string_view, std::string_view, std::string_view> limits[] = {
      {"tc=40", "tc=255", "tc=256"},
      {"np=3", "np=3", "np=256"},
      {"svc=1", "svc=4294967295", "svc=4294967296"},
      {"flow=305419896", "flow=4294967295", "flow=4294967296"},
      {"proto=6", "proto=255", "proto=256"},
      {"port=443", "port=65535", "port=65536"},
      {"sid=16909093", "sid=4294967295", "sid=4294967296"},
      {"seq=7", "seq=4294967295", "seq=4294967296"},
      {"v=1", "v=1", "v=16"},
  };
  for (auto [what, largest, above] : limits) {
    EXPECT_EQ(verdict(with(what, largest)), "ok") << largest;
    EXPECT_EQ(verdict(with(what, above)), "refused") << above;
  }
}

TEST(Field, ByteSequences) {
  for (std::string_view bad :
       {"layer=:q83vAQ:", "layer=:q83vAR==:", "layer=:q83v:", "layer=:q83vAQA=:",
        "layer=:q83v AQ==:", "layer=:q83vAQ==", "layer=q83vAQ==", "layer=\"q83vAQ==\"", "layer",
        "layer=1", "layer=::", "layer=:q83vAQ__:"}) {
    EXPECT_EQ(verdict(with("layer=:q83vAQ==:", bad)), "refused") << bad;
  }
  EXPECT_EQ(verdict(with("src=:/TWrzQABAgMEBQYHCAkKCw==:", "src=:/TWrzQABAgMEBQYHCAkK:")),
            "refused");
}

TEST(Field, KeysOnceAndAll) {
  EXPECT_EQ(verdict(std::string(kSealedText) + ", ttl=64"), "refused");
  EXPECT_EQ(verdict(std::string(kSealedText) + ", hops=64"), "refused");
  EXPECT_EQ(verdict(with("ttl=", "TTL=")), "refused");
  EXPECT_EQ(verdict(with("ttl=64", "ttl=64;x")), "refused");
  EXPECT_EQ(verdict(with("opener=?1", "opener;x=1")), "refused");
  for (std::string_view key : {"v", "ttl", "tc", "np", "layer", "svc", "flow", "proto", "opener",
                               "frag", "port", "src", "dst", "sid", "seq"}) {
    std::string text(kSealedText);
    const std::size_t at = key == "v" ? 0 : text.find(" " + std::string(key) + "=") + 1;
    const std::size_t comma = text.find(", ", at);
    if (comma == std::string::npos) {
      text.erase(at - 2);
    } else {
      text.erase(at, comma + 2 - at);
    }
    EXPECT_EQ(verdict(text), "refused") << text;
  }
}

TEST(Field, SessionKeysGoWithSealedPackets) {
  EXPECT_EQ(verdict(with("np=3", "np=4")), "refused");
  EXPECT_EQ(verdict(with(", sid=16909093, seq=7", "")), "refused");
  std::string text = with(", sid=16909093, seq=7", "");
  text.replace(text.find("np=3"), 4, "np=4");
  EXPECT_EQ(verdict(text), "ok");
}

TEST(Field, Options) {
  auto opt = [](std::string_view list) {
    return with(", sid", ", opt=" + std::string(list) + ", sid");
  };
  EXPECT_EQ(verdict(opt("(:AAECAw==:;c=4;t=1;crit;e2e)")), "ok");
  EXPECT_EQ(verdict(opt("(  :AAECAw==:; t=1;e2e=?1;  c=4;mut=?0  ::;c=0;t=0 )")), "ok");
  for (std::string_view bad : {"()",
                               "( )",
                               "(:AA==:)",
                               "(:AA==:;c=1)",
                               "(:AA==:;t=1)",
                               "(:AA==:;c=1;t=1;x)",
                               "(:AA==:;c=1;t=1;c=1)",
                               "(:AA==:;c=1;t=1;crit;crit)",
                               "(:AA==:;c=256;t=1)",
                               "(:AA==:;c=1;t=-1)",
                               "(:AA==:;c;t=1)",
                               "(:AA==:;c=1;t=1;crit=1)",
                               "(1;c=1;t=1)",
                               "(:AA==:;c=1;t=1",
                               ":AA==:;c=1;t=1",
                               "(:AA==:;c=1;t=1);x",
                               "(:AA==:;c=1;t=1:AA==:;c=1;t=1)",
                               "(:AA==:;c=1;t=1,:AA==:;c=1;t=1)",
                               "(:AA==: ;c=1;t=1)",
                               "?1",
                               "((:AA==:;c=1;t=1))"}) {
    EXPECT_EQ(verdict(opt(bad)), "refused") << bad;
  }
  EXPECT_EQ(verdict(with(", sid", ", opt, sid")), "refused");
  EXPECT_EQ(verdict(opt("(:" + base::to_base64(base::Bytes(255)) + ":;c=1;t=1)")), "ok");
  EXPECT_EQ(verdict(opt("(:" + base::to_base64(base::Bytes(256)) + ":;c=1;t=1)")), "refused");
  std::string many = "(";
  for (int i = 0; i < 241; ++i) many += "::;c=1;t=1 ";
  EXPECT_EQ(verdict(opt(many + ":AA==:;c=1;t=1)")), "refused");
  EXPECT_EQ(verdict(opt(many + ")")), "ok");
}

TEST(Field, ThenTheChecksOfTheBinaryForm) {
  EXPECT_EQ(verdict(with("v=1", "v=2")), "header_version");
  EXPECT_EQ(verdict(with("v=1", "v=0")), "header_version");
  EXPECT_EQ(verdict(kSealedText, base::Bytes(17)), "header_truncated");
  EXPECT_EQ(verdict(kSealedText, base::Bytes(18)), "ok");
  EXPECT_EQ(verdict(kSealedText, base::Bytes(65527)), "ok");
  EXPECT_EQ(verdict(kSealedText, base::Bytes(65528)), "refused");
  EXPECT_EQ(verdict(with(", sid", ", opt=(:AA==:;c=1;t=1;mut;e2e), sid")), "option_malformed");
  std::string text = with(", sid=16909093, seq=7", "");
  text.replace(text.find("np=3"), 4, "np=1");
  EXPECT_EQ(verdict(text), "header_reserved");
}

TEST(Field, PacketToTextAndBack) {
  EXPECT_TRUE(rc::check([] {
    const sample::Packet sent = sample::any_packet();
    const base::Bytes packet = emit_packet(sent.header, sent.payload);
    HeaderView view;
    RC_ASSERT(HeaderView::parse(packet, view) == DropReason::none);
    const FieldMessage message = to_field(view);
    base::Bytes back;
    RC_ASSERT(parse_field(message.field, message.body, back).ok());
    RC_ASSERT(back == packet);
  }));
}

}  // namespace
}  // namespace entresol::wire
