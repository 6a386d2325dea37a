// What the words on the command line have said, and who reads them: each add_…() makes some verbs known to the parser.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "cli/commands.h"
#include "cli/kit/kit.h"

namespace entresol::cli {

struct ServiceWords {
  kit::NewOptions made;
  std::string folder = ".", key, out, file;
  std::vector<std::string> scripts;
  PublishOptions publish;
};

struct Words {
  Global global;
  std::string config, control;  // which host, node or controller is asked
  SignOptions sign;
  DemoOptions demo;
  InitOptions init;
  JoinOptions join;
  TokenOptions token;
  GuestOptions guest;
  PolicyTest policy;
  ServiceWords service;
  NameOptions shared;
  std::string kind, prefix, role = "host", file, name, layer, code, admin, id;
  int count = 3;
  bool prometheus = false, once = false;
  std::function<int()> run;  // the verb
};

// add_offline.cc: keys, signed objects, what errors mean, the demo
void add_offline(CLI::App& app, Words& words);
// add_running.cc: run and up, and what is asked of what runs
void add_running(CLI::App& app, Words& words);
// A verb that asks a running host, node or controller, and where its control socket is.
CLI::App* add_question(CLI::App& app, Words& words, const char* name, const char* description,
                       int (*verb)(const Words&, const std::string& control));
// add_layer.cc: a layer with a controller
void add_layer(CLI::App& app, Words& words);
// add_service.cc: the author's kit, and services of a running node
void add_service(CLI::App& app, Words& words);

}  // namespace entresol::cli
