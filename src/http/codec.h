// HTTP/1.1 as octets: what arrives becomes requests or answers, however it was cut, and the other way round. No socket, no
// clock: server and client feed these from TLS, tests and fuzz targets from memory. Source: RFC 9110, RFC 9112.
//
// Beast's parser knows the grammar. What is refused beyond it: header and body above their limits before they are kept,
// transfer codings but "chunked", a second Authorization or Host, targets not in origin form, methods that the API has not.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace entresol::http {

enum class Progress : std::uint8_t {
  kNothing,   // no octet of a message yet
  kSome,      // more is needed
  kComplete,  // take() it
  kRefused,   // see refusal(); the stream is of no use any more
};

struct RequestLimits {
  std::size_t header_bytes = 0;
  std::size_t body_bytes = 0;
  std::size_t anonymous_body_bytes = 0;  // where Authorization is missing
};

// Why the sender of a request gets no other answer.
struct Refusal {
  unsigned status = 400;
  base::Error error;
};

// One request after the other from one stream. Octets behind a request wait until it has been taken.
class RequestParser {
 public:
  explicit RequestParser(const RequestLimits& limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  void add(std::string_view octets);  // keeps them, parses nothing
  Progress run();                     // as far as the octets go
  std::size_t waiting() const;        // octets kept that belong to no parsed part
  std::size_t body_size() const;      // of the body so far

  // After kComplete; the next run() begins the next request. `peer` is left as it is.
  Request take();
  // Of the request taken last, or of the one that is refused.
  bool keep_alive() const;
  const Refusal& refusal() const;
  // Once for each request, when its header is complete and it waits for "100 Continue" (RFC 9110, section 10.1.1).
  bool take_expectation();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The answer to one request. Interim answers (1xx) are skipped, a few of them.
class ResponseParser {
 public:
  explicit ResponseParser(std::size_t body_bytes);
  ~ResponseParser();
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  Progress add(std::string_view octets);
  Progress end();  // the stream ended as its sender wanted
  Response take();
  // Whether the stream is good for another request. After kComplete.
  bool keep_alive() const;
  const std::string& refusal() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `date` is the header's value (IMF-fixdate).
std::string emit(const Response& response, bool keep_alive, std::string_view date);
// kHttpBadRequest: a method, target, authorization or host that would not be one line of a header.
base::Result<std::string> emit(const Request& request, std::string_view host);

}  // namespace entresol::http
