// A request and its answer, whole: bodies are short and held in memory. Source: RFC 9110, RFC 9112.
#pragma once

#include <string>

#include "base/endpoint.h"

namespace entresol::http {

struct Request {
  std::string method = "GET";   // GET, POST, PUT or DELETE
  std::string target{};         // origin form: "/v1/members?role=host"
  std::string authorization{};  // the header's value; empty: none
  std::string body{};           // JSON; empty: none
  // Of no meaning to a client:
  base::Endpoint peer{};  // who asks
  bool vouched = false;   // this connection was vouched for, by an earlier request
};

struct Response {
  unsigned status = 200;
  std::string body{};
  std::string content_type = "application/json";
};

}  // namespace entresol::http
