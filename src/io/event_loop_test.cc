#include "io/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "io/clock.h"

namespace entresol::io {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

struct Pipe {
  Pipe() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    in.reset(fds[0]);
    out.reset(fds[1]);
  }
  void put() { ASSERT_EQ(::write(out.get(), "x", 1), 1); }
  void take() {
    char c;
    ASSERT_EQ(::read(in.get(), &c, 1), 1);
  }
  UniqueFd in, out;
};

class Loop : public testing::Test {
 protected:
  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
};

TEST_F(Loop, CallsBackWhileReadable) {
  Pipe pipe;
  int called = 0;
  const auto id = loop_->watch(pipe.in.get(), Events::kRead, [&](std::uint32_t events) {
    EXPECT_EQ(events, Events::kRead);
    ++called;
  });
  ASSERT_TRUE(id);
  loop_->run_once(false);
  EXPECT_EQ(called, 0);
  pipe.put();
  loop_->run_once();
  loop_->run_once();  // level-triggered: still unread
  EXPECT_EQ(called, 2);
  pipe.take();
  loop_->run_once(false);
  EXPECT_EQ(called, 2);
}

TEST_F(Loop, ChangePausesAndResumes) {
  Pipe pipe;
  int called = 0;
  const auto id = loop_->watch(pipe.in.get(), Events::kRead, [&](std::uint32_t) { ++called; });
  pipe.put();
  loop_->change(*id, 0);
  loop_->run_once(false);
  EXPECT_EQ(called, 0);
  loop_->change(*id, Events::kRead);
  loop_->run_once(false);
  EXPECT_EQ(called, 1);
}

TEST_F(Loop, ACallbackMayUnwatchItselfAndOthersOfTheSameRound) {
  Pipe a, b;
  int called = 0;
  WatchId id_a, id_b;
  auto owned = std::make_shared<int>(7);
  const auto handler = [&, owned](std::uint32_t) {
    ++called;
    loop_->unwatch(id_a);
    loop_->unwatch(id_b);
    EXPECT_EQ(*owned, 7);
  };
  id_a = *loop_->watch(a.in.get(), Events::kRead, handler);
  id_b = *loop_->watch(b.in.get(), Events::kRead, handler);
  a.put();
  b.put();
  loop_->run_once();
  EXPECT_EQ(called, 1);
  loop_->run_once(false);
  EXPECT_EQ(called, 1);
}

TEST_F(Loop, ACallbackMayWatchMore) {
  Pipe first;
  std::vector<std::unique_ptr<Pipe>> more;
  int called = 0;
  WatchId id;
  id = *loop_->watch(first.in.get(), Events::kRead, [&](std::uint32_t) {
    loop_->unwatch(id);
    for (int i = 0; i < 200; ++i) {  // moves the table of watches
      more.push_back(std::make_unique<Pipe>());
      more.back()->put();
      ASSERT_TRUE(loop_->watch(more.back()->in.get(), Events::kRead, [&, i](std::uint32_t) {
        more[static_cast<std::size_t>(i)]->take();
        ++called;
      }));
    }
  });
  first.put();
  for (int round = 0; round < 10; ++round) loop_->run_once(false);
  EXPECT_EQ(called, 200);
}

TEST_F(Loop, TheIdOfAnEndedWatchDoesNotReachItsSuccessor) {
  Pipe a, b;
  int called = 0;
  const WatchId old = *loop_->watch(a.in.get(), Events::kRead, [](std::uint32_t) {});
  loop_->unwatch(old);
  const WatchId fresh = *loop_->watch(b.in.get(), Events::kRead, [&](std::uint32_t) { ++called; });
  EXPECT_NE(old, fresh);
  loop_->unwatch(old);
  b.put();
  loop_->run_once();
  EXPECT_EQ(called, 1);
}

TEST_F(Loop, WatchingNothingIsAnError) {
  EXPECT_FALSE(loop_->watch(-1, Events::kRead, {}));
}

TEST_F(Loop, HangUpIsReported) {
  Pipe pipe;
  std::uint32_t seen = 0;
  ASSERT_TRUE(loop_->watch(pipe.in.get(), Events::kRead, [&](std::uint32_t e) { seen = e; }));
  pipe.out.reset();
  loop_->run_once();
  EXPECT_TRUE(seen & Events::kHangUp);
}

TEST_F(Loop, TimersFireInOrderAndEndTheSleep) {
  std::string fired;
  const TimerId a = loop_->add_timer([&] { fired += 'a'; });
  const TimerId b = loop_->add_timer([&] { fired += 'b'; });
  const TimerId c = loop_->add_timer([&] {
    fired += 'c';
    loop_->stop();
  });
  const base::TimePoint start = now();
  loop_->arm(b, start + milliseconds(2));
  loop_->arm(c, start + milliseconds(3));
  loop_->arm(a, start - hours(1));
  loop_->run();
  EXPECT_EQ(fired, "abc");
  EXPECT_GE(loop_->now(), start + milliseconds(3));  // never early
}

TEST_F(Loop, SpinningFiresTimersAndEventsToo) {
  loop_->set_busy_poll(hours(1));
  Pipe pipe;
  std::string fired;
  const TimerId timer = loop_->add_timer([&] {
    fired += 't';
    pipe.put();
  });
  ASSERT_TRUE(loop_->watch(pipe.in.get(), Events::kRead, [&](std::uint32_t) {
    fired += 'r';
    loop_->stop();
  }));
  loop_->arm(timer, now() + milliseconds(1));
  loop_->run();
  EXPECT_EQ(fired, "tr");
}

TEST_F(Loop, EndOfRoundComesLast) {
  Pipe pipe;
  std::string order;
  ASSERT_TRUE(loop_->watch(pipe.in.get(), Events::kRead, [&](std::uint32_t) { order += 'f'; }));
  loop_->arm(loop_->add_timer([&] { order += 't'; }), now());
  loop_->set_end_of_round([&] { order += 'e'; });
  pipe.put();
  loop_->run_once();
  EXPECT_EQ(order, "fte");
}

TEST_F(Loop, OtherThreadsPostAndStop) {
  std::thread::id ran_on;
  std::string order;
  std::thread other([&] {
    loop_->post([&] {
      order += '1';
      ran_on = std::this_thread::get_id();
    });
    loop_->post([&] {
      order += '2';
      loop_->post([&] {
        order += '3';
        loop_->stop();
      });
    });
  });
  loop_->run();
  other.join();
  EXPECT_EQ(order, "123");
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(Loop, StopBeforeRunIsNotLost) {
  loop_->stop();
  loop_->run();
  SUCCEED();
}

TEST_F(Loop, SignalsAreDelivered) {
  int seen = 0;
  ASSERT_TRUE(loop_->watch_signals({SIGUSR1, SIGUSR2}, [&](int signal) {
    seen = signal;
    loop_->stop();
  }));
  ASSERT_EQ(::pthread_kill(::pthread_self(), SIGUSR2), 0);
  loop_->run();
  EXPECT_EQ(seen, SIGUSR2);
}

}  // namespace
}  // namespace entresol::io
