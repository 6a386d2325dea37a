// One step of the demo: what it shows, what it needs, and how to destroy what it shows.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/demo/scene.h"

namespace entresol::cli::demo {

struct Seen {
  bool holds = false;
  std::string what;    // for people: what happened
  std::string figure;  // a number with its unit, or empty
};

struct Step {
  std::string id;
  std::string title;
  std::vector<std::string> needs;  // steps that must have held
  std::function<Seen(Scene&)> show;
  std::function<void(Scene&)> destroy;         // --break: before the step …
  std::function<void(Scene&)> mend = nullptr;  // … and after it, so that only this step fails
};

std::vector<Step> all_steps();

}  // namespace entresol::cli::demo
