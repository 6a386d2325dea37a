// For tests: a network namespace of one's own, entered by a short-lived thread, so that the test's
// process keeps its own network and nothing is left behind.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cerrno>
#include <functional>
#include <string>
#include <thread>

#include "io/fd.h"
#include "io/netlink.h"

namespace entresol::io {

class TestNamespace {
 public:
  TestNamespace() {
    std::thread([this] {
      if (::unshare(CLONE_NEWNET) != 0) {
        missing_ = "unshare(CLONE_NEWNET): " + errno_text(errno) + " (needs CAP_SYS_ADMIN)";
        return;
      }
      fd_.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
      if (!fd_) missing_ = "cannot open /proc/thread-self/ns/net";
    }).join();
  }
  // Why there is no namespace; empty if there is one.
  const std::string& missing() const { return missing_; }
  // Assertions in `body` count as the test's. ASSERT_… leaves `body` only.
  void run(const std::function<void()>& body) const {
    std::thread([&] {
      ASSERT_EQ(::setns(fd_.get(), CLONE_NEWNET), 0);
      body();
    }).join();
  }

 private:
  UniqueFd fd_;
  std::string missing_;
};

#define ENTRESOL_NEED_NAMESPACE(ns) \
  if (!(ns).missing().empty()) GTEST_SKIP() << (ns).missing()

// EXPECT_TRUE that prints the error of a base::Result.
#define ENTRESOL_EXPECT_OK(expression)                                      \
  do {                                                                      \
    const auto result_ = (expression);                                      \
    EXPECT_TRUE(result_) << #expression << ": " << result_.error().message; \
  } while (false)

inline Address address_of(const char* text) {
  return parse_address(text).value();
}
inline base::Endpoint endpoint_of(const char* text, std::uint16_t port) {
  return {address_of(text), port};
}

}  // namespace entresol::io
