#include "http/codec.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>
#include <limits>

#include "base/error_codes.h"

namespace entresol::http {
namespace {

namespace beast = boost::beast;
namespace code = base::code;
using beast::http::field;
using BeastError = beast::error_code;
using BeastCode = beast::http::error;

constexpr std::size_t kAnswerHeaderBytes = 16 * 1024;
constexpr int kInterimAnswers = 8;
// A chunk's size with its extensions, or all trailers: they are parsed once they are whole.
constexpr std::size_t kChunkLineBytes = 4096;
constexpr std::size_t kShortestLastChunk = std::string_view("0\r\n\r\n").size();
constexpr std::string_view kMethods[] = {"GET", "POST", "PUT", "DELETE"};

std::string_view view_of(beast::string_view text) {
  return {text.data(), text.size()};
}

bool equal_words(std::string_view a, std::string_view b) {
  return beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text,
                              [](unsigned char octet) { return octet < ' ' || octet == 0x7f; });
}

// Origin form (RFC 9112, section 3.2.1), visible ASCII.
bool is_target(std::string_view text) {
  return text.starts_with('/') &&
         std::ranges::all_of(text, [](unsigned char octet) { return octet > ' ' && octet < 0x7f; });
}

bool is_method(std::string_view text) {
  return std::ranges::find(kMethods, text) != std::end(kMethods);
}

// What requests and answers have in common: octets that wait, and a body within a limit.
template <bool kRequest>
class Reader : public beast::http::basic_parser<kRequest> {
 public:
  explicit Reader(std::size_t header_bytes) : header_left_(header_bytes) {
    // This class counts: Beast would give the first line and the fields a limit each, and cannot know the body's before it
    // has seen the fields.
    this->header_limit(static_cast<std::uint32_t>(header_bytes + 1));
    this->body_limit(std::numeric_limits<std::uint64_t>::max());
  }

  // Takes from `waiting` what can be used, to the end of the message at most.
  BeastError feed(std::string& waiting) {
    BeastError error;
    std::size_t used = 0;
    while (!error && !this->is_done() && used < waiting.size())
      used += this->is_header_done() ? feed_body(std::string_view(waiting).substr(used), error)
                                     : feed_header(std::string_view(waiting).substr(used), error);
    waiting.erase(0, used);
    if (error == BeastCode::need_more) error = {};
    if (!error && !this->is_done() && this->is_header_done() && waiting.size() > kChunkLineBytes)
      error = BeastCode::bad_chunk_extension;
    return error;
  }

  std::string body;

 protected:
  // Once the header is there: `bytes` of body at most.
  void limit_body(std::uint64_t bytes, BeastError& error) {
    body_bytes_ = bytes;
    const auto length = this->content_length();
    if (!error && length && *length > bytes) error = BeastCode::body_limit;
  }
  std::uint64_t body_bytes_ = 0;

 private:
  std::size_t feed_header(std::string_view octets, BeastError& error) {
    octets = octets.substr(0, header_left_);
    const std::size_t taken =
        this->put(boost::asio::const_buffer(octets.data(), octets.size()), error);
    if (error == BeastCode::need_more && octets.size() == header_left_)
      error = BeastCode::header_limit;
    header_left_ -= taken;
    if (this->is_header_done()) this->eager(true);
    return taken;
  }

  std::size_t feed_body(std::string_view octets, BeastError& error) {
    // Beast asserts that it has so much when it looks at a last chunk again, and "0\r\n" alone is less. As every chunk and its
    // data are followed by the last one, nothing waits for ever.
    if (this->chunked() && octets.size() < kShortestLastChunk) {
      error = BeastCode::need_more;
      return 0;
    }
    return this->put(boost::asio::const_buffer(octets.data(), octets.size()), error);
  }

  std::size_t keep(beast::string_view octets, BeastError& error) {
    if (octets.size() > body_bytes_ - body.size()) {
      error = BeastCode::body_limit;
      return 0;
    }
    body.append(octets.data(), octets.size());
    return octets.size();
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  std::size_t on_body_impl(beast::string_view octets, BeastError& error) override {
    return keep(octets, error);
  }
  void on_chunk_header_impl(std::uint64_t size, beast::string_view, BeastError& error) override {
    if (size > body_bytes_ - body.size()) error = BeastCode::body_limit;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view octets,
                                 BeastError& error) override {
    return keep(octets, error);
  }
  void on_finish_impl(BeastError&) override {}

  std::size_t header_left_;
};

class RequestReader final : public Reader<true> {
 public:
  explicit RequestReader(const RequestLimits& limits)
      : Reader(limits.header_bytes), limits_(limits) {}

  bool expects_continue() const { return expects_continue_; }

  Refusal refusal(const BeastError& error) const {
    if (error == BeastCode::header_limit)
      return {431, {std::string(code::kHttpTooLarge), "the header of the request is too large"}};
    if (error == BeastCode::body_limit)
      return {413,
              {std::string(code::kHttpTooLarge), "the body of the request is larger than " +
                                                     std::to_string(body_bytes_) + " octets"}};
    if (unknown_method_)
      return {405, {std::string(code::kHttpBadRequest), "no method of this server"}};
    return {400,
            {std::string(code::kHttpBadRequest), "the request is malformed: " + error.message()}};
  }

  Request request;

 private:
  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int version, BeastError& error) override {
    request.method = view_of(method);
    request.target = view_of(target);
    version_ = version;
    unknown_method_ = !is_method(request.method);
    if (unknown_method_)
      error = BeastCode::bad_method;
    else if (!is_target(request.target))
      error = BeastCode::bad_target;
  }
  void on_response_impl(int, beast::string_view, int, BeastError&) override {}

  void on_field_impl(field name, beast::string_view, beast::string_view value,
                     BeastError& error) override {
    if (header_ended_) return;  // trailers mean nothing here
    if (name == field::authorization) {
      if (authorized_) error = BeastCode::bad_field;
      authorized_ = true;
      request.authorization = view_of(value);
    } else if (name == field::host) {
      if (has_host_) error = BeastCode::bad_field;
      has_host_ = true;
    } else if (name == field::transfer_encoding) {
      // Beast reads a request of any other coding as one without a body, and the body as the next request.
      if (version_ < 11 || !equal_words(view_of(value), "chunked"))
        error = BeastCode::bad_transfer_encoding;
    } else if (name == field::expect) {
      expects_continue_ = version_ >= 11 && equal_words(view_of(value), "100-continue");
    }
  }

  void on_header_impl(BeastError& error) override {
    header_ended_ = true;
    if (version_ >= 11 && !has_host_) error = BeastCode::bad_field;
    limit_body(request.authorization.empty()
                   ? std::min(limits_.anonymous_body_bytes, limits_.body_bytes)
                   : limits_.body_bytes,
               error);
  }

  const RequestLimits& limits_;
  int version_ = 0;
  bool authorized_ = false, has_host_ = false, header_ended_ = false, expects_continue_ = false;
  bool unknown_method_ = false;
};

class ResponseReader final : public Reader<false> {
 public:
  explicit ResponseReader(std::size_t body_bytes)
      : Reader(kAnswerHeaderBytes), most_bytes_(body_bytes) {}

  Response response;

 private:
  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int,
                       BeastError&) override {}
  void on_response_impl(int status, beast::string_view, int version, BeastError& error) override {
    response.status = static_cast<unsigned>(status);
    response.content_type.clear();
    version_ = version;
    if (status < 100 || status > 599 || status == 101) error = BeastCode::bad_status;
  }
  void on_field_impl(field name, beast::string_view, beast::string_view value,
                     BeastError& error) override {
    if (header_ended_) return;
    if (name == field::content_type) response.content_type = view_of(value);
    if (name == field::transfer_encoding &&
        (version_ < 11 || !equal_words(view_of(value), "chunked")))
      error = BeastCode::bad_transfer_encoding;
  }
  void on_header_impl(BeastError& error) override {
    header_ended_ = true;
    limit_body(most_bytes_, error);
  }

  std::size_t most_bytes_;
  int version_ = 0;
  bool header_ended_ = false;
};

}  // namespace

struct RequestParser::Impl {
  RequestLimits limits;
  std::string waiting;
  std::optional<RequestReader> reader;
  bool keep_alive = false, expectation_taken = false;
  Refusal refusal;
};

RequestParser::RequestParser(const RequestLimits& limits) : impl_(std::make_unique<Impl>()) {
  impl_->limits = limits;
}
RequestParser::~RequestParser() = default;

void RequestParser::add(std::string_view octets) {
  impl_->waiting += octets;
}

Progress RequestParser::run() {
  Impl& impl = *impl_;
  if (!impl.refusal.error.code.empty()) return Progress::kRefused;
  if (!impl.reader) {
    impl.reader.emplace(impl.limits);
    impl.expectation_taken = false;
  }
  RequestReader& reader = *impl.reader;
  if (const BeastError error = reader.feed(impl.waiting)) {
    impl.refusal = reader.refusal(error);
    impl.keep_alive = false;
    impl.reader.reset();
    return Progress::kRefused;
  }
  if (reader.is_done()) return Progress::kComplete;
  return reader.got_some() ? Progress::kSome : Progress::kNothing;
}

std::size_t RequestParser::waiting() const {
  return impl_->waiting.size();
}

std::size_t RequestParser::body_size() const {
  return impl_->reader ? impl_->reader->body.size() : 0;
}

Request RequestParser::take() {
  RequestReader& reader = *impl_->reader;
  impl_->keep_alive = reader.keep_alive();
  Request request = std::move(reader.request);
  request.body = std::move(reader.body);
  impl_->reader.reset();
  return request;
}

bool RequestParser::keep_alive() const {
  return impl_->keep_alive;
}

const Refusal& RequestParser::refusal() const {
  return impl_->refusal;
}

bool RequestParser::take_expectation() {
  Impl& impl = *impl_;
  if (impl.expectation_taken || !impl.reader || !impl.reader->is_header_done() ||
      !impl.reader->expects_continue())
    return false;
  impl.expectation_taken = true;
  return true;
}

struct ResponseParser::Impl {
  std::size_t body_bytes;
  std::string waiting;
  std::optional<ResponseReader> reader;
  int interim = 0;
  std::string refusal;

  Progress refuse(std::string why) {
    refusal = std::move(why);
    return Progress::kRefused;
  }
};

ResponseParser::ResponseParser(std::size_t body_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->body_bytes = body_bytes;
  impl_->reader.emplace(body_bytes);
}
ResponseParser::~ResponseParser() = default;

Progress ResponseParser::add(std::string_view octets) {
  Impl& impl = *impl_;
  if (!impl.refusal.empty()) return Progress::kRefused;
  impl.waiting += octets;
  for (;;) {
    if (const BeastError error = impl.reader->feed(impl.waiting))
      return impl.refuse(error.message());
    if (!impl.reader->is_done())
      return impl.reader->got_some() ? Progress::kSome : Progress::kNothing;
    if (impl.reader->response.status >= 200) return Progress::kComplete;
    if (++impl.interim > kInterimAnswers) return impl.refuse("too many interim answers");
    impl.reader.emplace(impl.body_bytes);
  }
}

Progress ResponseParser::end() {
  Impl& impl = *impl_;
  if (!impl.refusal.empty()) return Progress::kRefused;
  if (impl.reader->is_done()) return Progress::kComplete;
  if (!impl.reader->got_some()) return Progress::kNothing;
  BeastError error;
  impl.reader->put_eof(error);
  return error ? impl.refuse("cut in the middle") : Progress::kComplete;
}

Response ResponseParser::take() {
  Response response = std::move(impl_->reader->response);
  response.body = std::move(impl_->reader->body);
  return response;
}

bool ResponseParser::keep_alive() const {
  return impl_->reader->keep_alive() && impl_->waiting.empty();
}

const std::string& ResponseParser::refusal() const {
  return impl_->refusal;
}

std::string emit(const Response& response, bool keep_alive, std::string_view date) {
  const auto reason = beast::http::obsolete_reason(beast::http::int_to_status(response.status));
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out += view_of(reason);
  out += "\r\nDate: ";
  out += date;
  // Answers carry tokens.
  out += "\r\nCache-Control: no-store\r\n";
  if (response.status == 401) out += "WWW-Authenticate: Bearer\r\n";
  if (response.status == 405) out += "Allow: GET, POST, PUT, DELETE\r\n";
  out += keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
  if (response.status != 204)
    out += "Content-Type: " + response.content_type +
           "\r\nContent-Length: " + std::to_string(response.body.size()) + "\r\n";
  out += "\r\n";
  if (response.status != 204) out += response.body;
  return out;
}

base::Result<std::string> emit(const Request& request, std::string_view host) {
  if (!is_method(request.method))
    return base::fail(code::kHttpBadRequest, "cannot ask: no such method");
  if (!is_target(request.target))
    return base::fail(code::kHttpBadRequest, "cannot ask: the target is no path");
  if (!is_one_line(request.authorization) || !is_one_line(host))
    return base::fail(code::kHttpBadRequest, "cannot ask: a header has more than one line");
  std::string out = request.method + ' ' + request.target + " HTTP/1.1\r\nHost: ";
  out += host;
  out += "\r\nAccept: application/json\r\n";
  if (!request.authorization.empty()) out += "Authorization: " + request.authorization + "\r\n";
  if (!request.body.empty()) out += "Content-Type: application/json\r\n";
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT")
    out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  return out + "\r\n" + request.body;
}

}  // namespace entresol::http
