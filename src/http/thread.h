// Threads beside the loop's: they take no signal, whenever the loop begins to wait for its own.
#pragma once

#include <signal.h>

#include <thread>
#include <utility>

namespace entresol::http {

template <typename Function>
std::thread start_thread(Function function) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(function));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace entresol::http
