// The control socket of a running role: a Unix stream socket on which each connection carries
// lines, one request and one response in turn. What is in a line (JSON) is the business of both
// ends; it holds no line feed.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "io/event_loop.h"

namespace entresol::io {

struct ControlLimits {
  std::size_t request_bytes = 64 * 1024;
  std::size_t response_bytes = 16 * 1024 * 1024;
  std::size_t clients = 64;  // more wait in the listen queue
  // A client that does not finish its request, or does not take its response, is cut off; the
  // handler's own time is free.
  base::Duration idle = std::chrono::seconds(10);
};

class ControlServer {
 public:
  // Answers one request, now or later, at most once, on the loop's thread. May be copied and
  // outlive the server; does nothing once the client has gone. A response that is too long, or has
  // a line feed, closes the connection. If every copy is destroyed without an answer the connection
  // is closed.
  using Reply = std::function<void(std::string_view response)>;
  // Called inside the loop for each request. May call `reply` before it returns; may destroy the
  // server.
  using Handler = std::function<void(std::string_view request, Reply reply)>;

  // Mode 0600: only the owner (and root) may talk to it. A socket that a dead process has left is
  // replaced; a live one is kAlreadyRunning. kFileUnwritable, kNoPermission, kConfigBadValue (path
  // longer than 107 bytes).
  static base::Result<std::unique_ptr<ControlServer>> listen(EventLoop& loop,
                                                             const std::string& path,
                                                             Handler handler,
                                                             const ControlLimits& limits = {});
  // Closes all connections and removes the socket, unless another server has replaced it.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  std::size_t clients() const;

 private:
  struct State;
  explicit ControlServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// One request to the server at `path`, and its response, without line feeds. Blocks up to
// `timeout`. kNotRunning where nobody listens, kNoPermission, kUnreachable when the answer does not
// come (in time), kUsage for a line feed in `request`.
base::Result<std::string> control_call(const std::string& path, std::string_view request,
                                       base::Duration timeout = std::chrono::seconds(10),
                                       std::size_t response_limit = ControlLimits{}.response_bytes);

}  // namespace entresol::io
