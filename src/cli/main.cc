// The command. Every verb is one function of commands.h; the add_…() of words.h say how they are called.
#include <cstdio>
#include <span>
#include <string_view>

#include "base/error_codes.h"
#include "cli/words.h"

namespace entresol::cli {

namespace {

// Before anything is parsed, since a parser's error would quote it.
bool has_token(std::span<char*> words) {
  for (const char* word : words)
    if (is_token(word)) return true;
  return false;
}

int refuse_token() {
  return report(
      {},
      {std::string(base::code::kUsage),
       "a join token stands on the command line, where every user of this machine can read it "
       "and the shell keeps it; `entresol join` asks for it, or reads it from a pipe or from "
       "--token-file FILE. If others use this machine, revoke that one (`entresol token list`)"});
}

int run(int argc, char** argv) {
  if (has_token({argv, static_cast<std::size_t>(argc)})) return refuse_token();
  CLI::App app{
      "Entresol: a service layer between L3 and L4.\n\n"
      "Try `entresol demo` first: hosts and a node on this machine, each step explained.\n"
      "A layer of your own: `entresol init LABEL --up`, then `entresol join` on each host.\n"
      "Without a controller: keygen root, keygen identity, sign, then `run node` and `up`."};
  app.require_subcommand(1);
  Words words;
  std::string output = "text";
  app.add_option("-o,--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.set_version_flag("--version", ENTRESOL_VERSION);
  app.footer("Exit codes: 0 ok, 1 error, 2 usage, 3 degraded, 4 denied, 5 unreachable.");
  app.fallthrough();
  add_layer(app, words);
  add_running(app, words);
  add_service(app, words);
  add_offline(app, words);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    app.exit(error);
    return runtime::kExitUsage;
  }
  words.global.json = output == "json";
  return words.run();
}

}  // namespace
}  // namespace entresol::cli

int main(int argc, char** argv) {
  return entresol::cli::run(argc, argv);
}
