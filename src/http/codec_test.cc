#include "http/codec.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error_codes.h"

namespace entresol::http {
namespace {

constexpr RequestLimits kLimits{.header_bytes = 512, .body_bytes = 200, .anonymous_body_bytes = 20};
constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

// All at once, or an octet at a time.
Progress feed(RequestParser& parser, std::string_view octets, bool whole) {
  if (whole) {
    parser.add(octets);
    return parser.run();
  }
  Progress progress = parser.run();
  for (std::size_t i = 0; i < octets.size() && progress != Progress::kRefused; ++i) {
    parser.add(octets.substr(i, 1));
    progress = parser.run();
    if (progress == Progress::kComplete) {
      parser.add(octets.substr(i + 1));
      break;
    }
  }
  return progress;
}

Progress feed(ResponseParser& parser, std::string_view octets, bool whole) {
  if (whole) return parser.add(octets);
  Progress progress = Progress::kNothing;
  for (std::size_t i = 0; i < octets.size() && progress != Progress::kRefused; ++i)
    progress = parser.add(octets.substr(i, 1));
  return progress;
}

std::string header_of(std::size_t size) {
  std::string text = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
  return text + std::string(size - text.size() - 4, 'a') + "\r\n\r\n";
}

TEST(RequestParser, ReadsWhatHandlersGet) {
  for (const bool whole : {true, false}) {
    RequestParser parser(kLimits);
    ASSERT_EQ(feed(parser,
                   "POST /v1/tokens?x=%20 HTTP/1.1\r\nhOST: h\r\nAuthorization:  Bearer a b \r\n"
                   "Content-Length: 5\r\n\r\nhello",
                   whole),
              Progress::kComplete);
    const Request request = parser.take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/v1/tokens?x=%20");
    EXPECT_EQ(request.authorization, "Bearer a b");
    EXPECT_EQ(request.body, "hello");
    EXPECT_TRUE(parser.keep_alive());
    EXPECT_EQ(parser.run(), Progress::kNothing);
  }
}

TEST(RequestParser, TellsNothingFromSome) {
  RequestParser parser(kLimits);
  EXPECT_EQ(parser.run(), Progress::kNothing);
  parser.add("G");
  EXPECT_EQ(parser.run(), Progress::kSome);
}

TEST(RequestParser, OneRequestAfterTheOther) {
  for (const bool whole : {true, false}) {
    RequestParser parser(kLimits);
    ASSERT_EQ(feed(parser,
                   "PUT /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                   "GET /2 HTTP/1.1\r\nHost: x\r\nAuthorization: b\r\nConnection: close\r\n\r\nGE",
                   whole),
              Progress::kComplete);
    EXPECT_EQ(parser.take().body, "abc");
    ASSERT_EQ(parser.run(), Progress::kComplete);
    const Request second = parser.take();
    EXPECT_EQ(second.target, "/2");
    EXPECT_EQ(second.authorization, "b");
    EXPECT_EQ(second.body, "");
    EXPECT_FALSE(parser.keep_alive());
    EXPECT_EQ(parser.waiting(), 2u);
    EXPECT_EQ(parser.run(), Progress::kSome);
  }
}

TEST(RequestParser, ChunksBecomeABody) {
  for (const bool whole : {true, false}) {
    RequestParser parser(kLimits);
    ASSERT_EQ(feed(parser,
                   "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3;name=value\r\nabc\r\n02\r\nde\r\n0\r\nAuthorization: late\r\n\r\n",
                   whole),
              Progress::kComplete);
    const Request request = parser.take();
    EXPECT_EQ(request.body, "abcde");
    EXPECT_EQ(request.authorization, "") << "a trailer is no header";
  }
}

struct Case {
  const char* what;
  std::string text;
  unsigned status;
};

const std::string kStart = "GET / HTTP/1.1\r\n", kHost = "Host: x\r\n",
                  kPost = "POST / HTTP/1.1\r\nHost: x\r\n";

void expect_refused(const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    for (const bool whole : {true, false}) {
      RequestParser parser(kLimits);
      ASSERT_EQ(feed(parser, test.text, whole), Progress::kRefused) << test.what << whole;
      EXPECT_EQ(parser.refusal().status, test.status)
          << test.what << ' ' << parser.refusal().error.message;
      EXPECT_EQ(parser.refusal().error.code, test.status == 413 || test.status == 431
                                                 ? base::code::kHttpTooLarge
                                                 : base::code::kHttpBadRequest);
      EXPECT_FALSE(parser.keep_alive());
      parser.add("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      EXPECT_EQ(parser.run(), Progress::kRefused) << "after " << test.what;
    }
  }
}

TEST(RequestParser, RefusesWhatIsNoRequest) {
  expect_refused({
      {"no HTTP", "hello\r\n\r\n", 400},
      {"TLS inside", "\x16\x03\x01\x02\x01\r\n\r\n", 400},
      {"an empty line first", "\r\n" + kStart + kHost + "\r\n", 400},
      {"a method that is no token", "G@T / HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"another method", "PATCH / HTTP/1.1\r\n" + kHost + "\r\n", 405},
      {"a method in lower case", "get / HTTP/1.1\r\n" + kHost + "\r\n", 405},
      {"HEAD", "HEAD / HTTP/1.1\r\n" + kHost + "\r\n", 405},
      {"CONNECT", "CONNECT a:1 HTTP/1.1\r\n" + kHost + "\r\n", 405},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"HTTP/0.9", "GET /\r\n\r\n", 400},
      {"HTTP/1.2", "GET / HTTP/1.2\r\n" + kHost + "\r\n", 400},
      {"absolute form", "GET http://x/ HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"asterisk form", "GET * HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"two targets", "GET / / HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"eight bits in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"no host", kStart + "\r\n", 400},
      {"two hosts", kStart + kHost + kHost + "\r\n", 400},
      {"two authorizations", kStart + kHost + "Authorization: a\r\nAuthorization: a\r\n\r\n", 400},
      {"lines that end in LF", "GET / HTTP/1.1\nHost: x\n\n\r\n\r\n", 400},
      {"a field without colon", kStart + kHost + "Accept\r\n\r\n", 400},
      {"a space before the colon", kStart + kHost + "Accept : a\r\n\r\n", 400},
      {"a NUL", kStart + kHost + std::string("A: \0\r\n\r\n", 8), 400},
  });
}

TEST(RequestParser, RefusesBodiesWithoutAClearEnd) {
  expect_refused({
      {"length and chunks",
       kPost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"chunks and length",
       kPost + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
      {"two lengths", kPost + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
      {"a list of lengths", kPost + "Content-Length: 1, 2\r\n\r\nab", 400},
      {"a negative length", kPost + "Content-Length: -1\r\n\r\n", 400},
      {"a length of many digits", kPost + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"gzip", kPost + "Transfer-Encoding: gzip\r\n\r\n", 400},
      {"gzip in chunks", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
      {"chunks in chunks",
       kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"a chunk without size", kPost + "Transfer-Encoding: chunked\r\n\r\nx\r\nabc\r\n", 400},
      {"a chunk that is longer", kPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
       400},
      {"a chunk's extension without end",
       kPost + "Transfer-Encoding: chunked\r\n\r\n2;" + std::string(5000, 'a'), 400},
      {"trailers without end",
       kPost + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + std::string(5000, 'a'), 400},
  });
}

TEST(RequestParser, RefusesWhatIsTooLarge) {
  expect_refused({
      {"a header without end", "GET / HTTP/1.1\r\nA: " + std::string(600, 'a'), 431},
      {"a target without end", "GET /" + std::string(600, 'a'), 431},
      {"a method without end", std::string(600, 'A'), 431},
      {"fields without end",
       kStart + kHost +
           [] {
             std::string fields;
             for (int i = 0; i < 100; ++i) fields += "A: b\r\n";
             return fields;
           }(),
       431},
      {"a header of one octet too much", header_of(513), 431},
      {"a body of one octet too much", kPost + "Content-Length: 21\r\n\r\n", 413},
      {"a body of one octet too much, with proof",
       kPost + "Authorization: a\r\nContent-Length: 201\r\n\r\n", 413},
      {"a body of 2^64 - 1 octets", kPost + "Content-Length: 18446744073709551615\r\n\r\n", 413},
      {"chunks of one octet too much",
       kPost + "Transfer-Encoding: chunked\r\n\r\n14\r\n" + std::string(20, 'a') + "\r\n1\r\n",
       413},
      {"a chunk of 2^64 - 1 octets",
       kPost + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 413},
  });
}

TEST(RequestParser, TakesWhatIsJustWithinTheLimits) {
  const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
  const std::vector<std::string> cases = {
      header_of(512),
      post + "Content-Length: 20\r\n\r\n" + std::string(20, 'a'),
      post + "Authorization: a\r\nContent-Length: 200\r\n\r\n" + std::string(200, 'a'),
      post + "Transfer-Encoding: Chunked\r\n\r\n14\r\n" + std::string(20, 'a') + "\r\n0\r\n\r\n",
      "GET / HTTP/1.0\r\n\r\n",
  };
  for (const std::string& text : cases)
    for (const bool whole : {true, false}) {
      RequestParser parser(kLimits);
      EXPECT_EQ(feed(parser, text, whole), Progress::kComplete)
          << text << parser.refusal().error.message;
    }
}

TEST(RequestParser, KeepsOldClientsOnlyIfTheyAsk) {
  RequestParser parser(kLimits);
  parser.add("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n");
  ASSERT_EQ(parser.run(), Progress::kComplete);
  parser.take();
  EXPECT_TRUE(parser.keep_alive());
  ASSERT_EQ(parser.run(), Progress::kComplete);
  parser.take();
  EXPECT_FALSE(parser.keep_alive());
}

TEST(RequestParser, SaysOnceThatSomebodyWaitsForContinue) {
  RequestParser parser(kLimits);
  parser.add("PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n");
  parser.run();
  EXPECT_FALSE(parser.take_expectation());
  parser.add("\r\n");
  EXPECT_EQ(parser.run(), Progress::kSome);
  EXPECT_TRUE(parser.take_expectation());
  EXPECT_FALSE(parser.take_expectation());
  parser.add("ab");
  parser.run();
  EXPECT_EQ(parser.body_size(), 2u);
}

TEST(ResponseParser, ReadsWhatServersEmit) {
  for (const bool whole : {true, false}) {
    ResponseParser parser(100);
    const std::string text =
        emit({.status = 201, .body = "{\"a\":1}", .content_type = "application/json"}, true, kDate);
    ASSERT_EQ(feed(parser, text, whole), Progress::kComplete) << parser.refusal();
    EXPECT_TRUE(parser.keep_alive());
    const Response response = parser.take();
    EXPECT_EQ(response.status, 201u);
    EXPECT_EQ(response.body, "{\"a\":1}");
    EXPECT_EQ(response.content_type, "application/json");
  }
}

TEST(ResponseParser, SkipsInterimAnswers) {
  const std::string interim = "HTTP/1.1 100 Continue\r\nContent-Type: a\r\n\r\n";
  for (const bool whole : {true, false}) {
    ResponseParser parser(100);
    ASSERT_EQ(feed(parser, interim + "HTTP/1.1 102 P\r\n\r\n" + emit({}, true, kDate), whole),
              Progress::kComplete);
    EXPECT_EQ(parser.take().content_type, "application/json");
  }
  std::string endless;
  for (int i = 0; i < 9; ++i) endless += interim;
  ResponseParser parser(100);
  EXPECT_EQ(parser.add(endless), Progress::kRefused);
}

TEST(ResponseParser, ABodyMayEndWithTheStream) {
  ResponseParser parser(100);
  EXPECT_EQ(parser.add("HTTP/1.1 200 OK\r\n\r\nabc"), Progress::kSome);
  EXPECT_EQ(parser.end(), Progress::kComplete);
  EXPECT_FALSE(parser.keep_alive());
  EXPECT_EQ(parser.take().body, "abc");
}

TEST(ResponseParser, AnEndInTheMiddleIsNone) {
  for (const char* text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "HTTP/1.1 200 OK\r\nConten", "HTTP/1.1",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    ResponseParser parser(100);
    EXPECT_EQ(parser.add(text), Progress::kSome);
    EXPECT_EQ(parser.end(), Progress::kRefused) << text;
  }
  EXPECT_EQ(ResponseParser(100).end(), Progress::kNothing);
}

TEST(ResponseParser, RefusesWhatIsNoAnswer) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  for (const std::string& text : std::initializer_list<std::string>{
           "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 020 OK\r\n\r\n",
           "HTTP/1.1 600 OK\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/2 200\r\n\r\n",
           ok + "Content-Length: 101\r\n\r\n", ok + "Transfer-Encoding: chunked\r\n\r\n65\r\na",
           ok + "Transfer-Encoding: gzip\r\n\r\nabc", ok + "\r\n" + std::string(101, 'a'),
           ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
           ok + "A: " + std::string(17'000, 'a')})
    for (const bool whole : {true, false}) {
      ResponseParser parser(100);
      EXPECT_EQ(feed(parser, text, whole), Progress::kRefused) << text;
      EXPECT_FALSE(parser.refusal().empty());
    }
}

TEST(ResponseParser, KeepsNoStreamThatSaysMore) {
  ResponseParser parser(100);
  ASSERT_EQ(parser.add(emit({}, true, kDate) + "HTTP/1.1"), Progress::kComplete);
  EXPECT_FALSE(parser.keep_alive());
  ResponseParser closing(100);
  ASSERT_EQ(closing.add(emit({}, false, kDate)), Progress::kComplete);
  EXPECT_FALSE(closing.keep_alive());
}

TEST(Emit, WhatAParserReadsBack) {
  const Request request{.method = "PUT",
                        .target = "/v1/policy?a=b",
                        .authorization = "Bearer x",
                        .body = "{}",
                        .peer = {}};
  RequestParser parser(kLimits);
  parser.add(emit(request, "host:1").value());
  ASSERT_EQ(parser.run(), Progress::kComplete);
  const Request read = parser.take();
  EXPECT_EQ(read.method, request.method);
  EXPECT_EQ(read.target, request.target);
  EXPECT_EQ(read.authorization, request.authorization);
  EXPECT_EQ(read.body, request.body);
}

TEST(Emit, LetsNothingSlipIntoAHeader) {
  const Request good{.target = "/v1"};
  ASSERT_TRUE(emit(good, "h"));
  const auto refused = [](Request request, std::string_view host = "h") {
    const auto text = emit(request, host);
    return !text && text.error().code == base::code::kHttpBadRequest;
  };
  EXPECT_TRUE(refused({.method = "HEAD", .target = "/v1"}));
  EXPECT_TRUE(refused({.target = ""}));
  EXPECT_TRUE(refused({.target = "v1"}));
  EXPECT_TRUE(refused({.target = "/a b"}));
  EXPECT_TRUE(refused({.target = "/a\r\nX: y"}));
  EXPECT_TRUE(refused({.target = "/", .authorization = "a\r\nX: y"}));
  EXPECT_TRUE(refused({.target = "/"}, "h\r\nX: y"));
}

TEST(Emit, WhatStatusesAskFor) {
  EXPECT_NE(emit(Response{.status = 405}, true, kDate).find("Allow: GET"), std::string::npos);
  EXPECT_NE(emit(Response{.status = 401}, true, kDate).find("WWW-Authenticate:"),
            std::string::npos);
  EXPECT_EQ(emit(Response{.status = 204, .body = "x"}, true, kDate),
            "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Cache-Control: no-store\r\nConnection: keep-alive\r\n\r\n");
}

}  // namespace
}  // namespace entresol::http
