#include "http/identity.h"

#include <gtest/gtest.h>

#include "base/error_codes.h"

namespace entresol::http {
namespace {

namespace code = base::code;

// Made by the openssl command (3.0): a P-256 key, `openssl req -x509`, and the pin by
// `openssl pkey -pubout -outform DER | openssl dgst -sha256`.
constexpr std::string_view kPem = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmwik9OaMj/FSd/d3
n4A2QLRtpPWGGUTp0zns6KLF5gShRANCAAQwj1ElN5wlJvgwY7+5ZexK5LFCO9S/
3h/cecyWSjKbsfkW4MsrteJhO3AycBi8JSPgRZpWlLZy+09J0xPQ06q8
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUTg7oLjYMjjGe00Bgx4hCNOqLQF0wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjExMjU4NTlaFw0zNjExMTgxMjU4NTla
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQwj1El
N5wlJvgwY7+5ZexK5LFCO9S/3h/cecyWSjKbsfkW4MsrteJhO3AycBi8JSPgRZpW
lLZy+09J0xPQ06q8o1MwUTAdBgNVHQ4EFgQUv+LcxnmgOP3KG4eSwgn8+N0VmYEw
HwYDVR0jBBgwFoAUv+LcxnmgOP3KG4eSwgn8+N0VmYEwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiB27MC7H0F5roczFGFYY67qJ4L5fY8wvyqeLuLV
pyf3ZwIgIteaoB4+Z8qKCmYDNE9gz6V8WqOiSEYleFzy+CK7Azg=
-----END CERTIFICATE-----
)";
constexpr std::string_view kPin =
    "sha256:d7650abc5ee43b24456eda6942b51dbfd5c35c22f84615f2152e441eee26cf4d";

std::string key_of(const std::string& pem) {
  return pem.substr(0, pem.find("-----BEGIN CERTIFICATE"));
}
std::string certificate_of(const std::string& pem) {
  return pem.substr(pem.find("-----BEGIN CERTIFICATE"));
}

TEST(Identity, IsReadBack) {
  const auto made = make_identity();
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->pem.rfind("-----BEGIN PRIVATE KEY-----", 0), 0u);
  const auto read = parse_identity(made->pem);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->pin, made->pin);
  EXPECT_EQ(read->pem, made->pem);
}

TEST(Identity, EachHasItsOwnKey) {
  EXPECT_NE(make_identity()->pin, make_identity()->pin);
}

TEST(Identity, PinIsWhatOpensslComputes) {
  const auto read = parse_identity(std::string(kPem));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_text(read->pin), kPin);
}

TEST(Identity, HasAKeyAndItsCertificate) {
  const std::string one = make_identity()->pem, other = make_identity()->pem;
  EXPECT_TRUE(parse_identity(certificate_of(one) + key_of(one))) << "in either order";
  for (const std::string& pem : {std::string(), std::string("hello"), key_of(one),
                                 certificate_of(one), key_of(one) + certificate_of(other),
                                 one.substr(0, one.size() / 3), one + std::string(70'000, '\n')}) {
    const auto read = parse_identity(pem);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, code::kKeyMalformed);
  }
}

TEST(Pin, ReadsWhatItWrites) {
  Pin pin;
  for (std::size_t i = 0; i < pin.size(); ++i) pin[i] = static_cast<std::uint8_t>(i * 9);
  EXPECT_EQ(parse_pin(to_text(pin)), pin);
  for (const char* text : {"", "sha256:", "sha256:00", "sha1:00"}) {
    const auto read = parse_pin(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, code::kConfigBadValue);
  }
  EXPECT_FALSE(parse_pin(to_text(pin) + "00"));
  EXPECT_FALSE(parse_pin("sha256:" + std::string(64, 'g')));
}

}  // namespace
}  // namespace entresol::http
