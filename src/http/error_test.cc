#include <gtest/gtest.h>

#include "base/error_codes.h"
#include "http/client.h"
#include "http/server.h"

namespace entresol::http {
namespace {

base::Result<Response> answer(unsigned status, std::string body) {
  return Response{.status = status, .body = std::move(body)};
}

TEST(ErrorResponse, IsWhatTheClientReads) {
  const Response response = error_response(404, {"E0518", "no \"such\" member\xff"});
  EXPECT_EQ(response.status, 404u);
  EXPECT_EQ(response.content_type, "application/json");
  const auto checked = check(response);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, "E0518");
  EXPECT_EQ(checked.error().message, "no \"such\" member\xef\xbf\xbd");
}

TEST(ErrorResponse, HasTheDocumentedForm) {
  EXPECT_EQ(error_response(400, {"E0511", "no such token"}).body,
            R"({"error":{"code":"E0511","message":"no such token"}})");
}

TEST(Check, SuccessIsLeftAlone) {
  EXPECT_EQ(check(answer(200, "x"))->body, "x");
  EXPECT_EQ(check(answer(204, ""))->status, 204u);
  const auto failed = check(base::fail("E0601", "gone"));
  EXPECT_EQ(failed.error().code, "E0601");
}

TEST(Check, AStatusWithoutReasonIsABadAnswer) {
  for (const char* body :
       {"", "no JSON", "[]", "{}", "null", R"({"error": 1})", R"({"error": {"code": "E0511"}})",
        R"({"error": {"code": 5, "message": "x"}})", R"({"error": {"code": "x", "message": "x"}})",
        R"({"error": {"code": "E0511", "message": 1}})"}) {
    for (const unsigned status : {302u, 404u, 500u}) {
      const auto checked = check(answer(status, body));
      ASSERT_FALSE(checked);
      EXPECT_EQ(checked.error().code, base::code::kHttpBadAnswer) << body;
      EXPECT_NE(checked.error().message.find(std::to_string(status)), std::string::npos);
    }
  }
}

TEST(Check, AMessageIsOneLineOfReasonableLength) {
  const auto checked =
      check(answer(400, R"({"error": {"code": "E0511", "message": "a\r\n\u001b[31mb)" +
                            std::string(5000, 'x') + "\"}}"));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message.substr(0, 9), "a   [31mb");
  EXPECT_LE(checked.error().message.size(), 1024u);
}

TEST(Check, DeepNestingIsNoStackOverflow) {
  EXPECT_FALSE(check(answer(400, std::string(1'000'000, '['))));
}

}  // namespace
}  // namespace entresol::http
