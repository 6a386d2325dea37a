// Command lines of the references: `--name value` pairs only; a name that nobody asks for is
// refused.
#pragma once

#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

namespace entresol::bench {

class Options {
 public:
  Options(int argc, char** argv, int first = 1) {
    for (int i = first; i < argc; i += 2) {
      std::string name = argv[i];
      if (!name.starts_with("--") || i + 1 >= argc) fail("expected --name value, got " + name);
      values_[name.substr(2)] = argv[i + 1];
    }
  }

  std::string text(const std::string& name, const std::string& fallback = "") {
    asked_.insert(name);
    auto found = values_.find(name);
    return found == values_.end() ? fallback : found->second;
  }
  double number(const std::string& name, double fallback) {
    std::string value = text(name);
    return value.empty() ? fallback : std::strtod(value.c_str(), nullptr);
  }
  // To call once everything has been asked for.
  void refuse_unknown() const {
    for (const auto& [name, value] : values_) {
      if (!asked_.contains(name)) fail("unknown option --" + name);
    }
  }

  [[noreturn]] static void fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(2);
  }

 private:
  std::map<std::string, std::string> values_;
  std::set<std::string> asked_;
};

inline void pin_to_cpu(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) Options::fail("cannot pin to that CPU");
}

}  // namespace entresol::bench
