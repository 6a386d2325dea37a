// What the parts of the API share: one request, taken apart, and where it goes.
#pragma once

#include "controller/api.h"

namespace entresol::controller {

struct Api::Call {
  const http::Request& request;
  base::UnixSeconds now = 0;
  std::string path;  // "/v1/members/*"
  std::string who;   // what stands for the star
  std::map<std::string, std::string, std::less<>> query;
  Json body;
  std::optional<wire::Name> member;  // who signed the request
  bool proved = false;               // who asks is a member, or has a token for people
  const Route* route = nullptr;      // none: there is no such path, or not with this method
};

struct Api::Route {
  enum class Auth : std::uint8_t { kNone, kMember, kPerson, kEither };
  std::string_view method;
  std::string_view path;
  Auth auth;
  directory::Scope scope;  // of a person
  Answer (Api::*handler)(const Call&);
};

template <typename T>
base::Result<T> Api::settle(directory::Outcome<T> outcome) {
  if (!batch_) batch_ = std::make_unique<directory::Batch>(authority_, store_);
  return batch_->add(std::move(outcome));
}

// "a%3Ab" as "a:b"; false for what is no such text.
bool decode_percent(std::string_view text, std::string& out);

}  // namespace entresol::controller
