#include "cli/words.h"

namespace entresol::cli {
namespace {

CLI::App* verb(CLI::App* service, Words& w, const char* name, const char* help,
               std::function<int()> run) {
  CLI::App* out = service->add_subcommand(name, help);
  out->callback([&w, run = std::move(run)] { w.run = run; });
  return out;
}

void add_services_of_node(CLI::App& service, Words& w) {
  add_question(service, w, "top",
               "What each service of a node uses of what it may, busiest first: CPU, packets, "
               "memory, store, and what it has lost by which limit. Live on a terminal; once with "
               "--once, -o json, or into a file",
               [](const Words& said, auto& c) { return top_services(said.global, c, said.once); })
      ->add_flag("--once", w.once, "print it once, and end");
  add_question(
      service, w, "restart",
      "Start a module of a node anew: out of quarantine, or because you say so. Its state, "
      "timers and ephemeral store are gone afterwards",
      [](const Words& said, auto& c) { return restart_service(said.global, c, said.name); })
      ->add_option("service", w.name, "name or id, as `entresol service top` shows them")
      ->required();
}

void admin_file(CLI::App* of, Words& w) {
  of->add_option("--admin", w.admin, "admin file that `entresol init` has made");
}

// What asks a controller.
void add_catalogue(CLI::App* service, Words& w) {
  PublishOptions& p = w.service.publish;
  for (const bool upgrade : {false, true}) {
    CLI::App* publish =
        verb(service, w, upgrade ? "upgrade" : "publish",
             upgrade ? "The same for a service that is there: a higher version takes its place"
                     : "Hand a package to the controller, which gives it to the layer's nodes",
             [&w, upgrade] {
               w.service.publish.upgrade = upgrade;
               return publish_service(w.global, w.admin, w.service.publish);
             });
    admin_file(publish, w);
    publish->add_option("file", p.file, "the package, NAME-VERSION.esvc")->required();
    publish->add_option("--config", p.config, "NAME=VALUE, of the manifest's; may be repeated");
    publish->add_option("--node", p.nodes,
                        "which node runs it; may be repeated, '*' for every one");
  }
  const auto of_one = [&](const char* name, const char* help,
                          int (*run)(const Global&, const std::string&, const std::string&)) {
    CLI::App* out =
        verb(service, w, name, help, [&w, run] { return run(w.global, w.admin, w.name); });
    admin_file(out, w);
    out->add_option("name", w.name, "the service's name")->required();
  };
  CLI::App* list = verb(service, w, "list", "The layer's services, and how many nodes run them",
                        [&w] { return list_services(w.global, w.admin); });
  admin_file(list, w);
  of_one("show", "One of them: each node's acceptance or its reason", show_service);
  of_one("rollback", "The version before takes the present one's place", roll_back_service);
  of_one("remove", "No node runs it any more", remove_service);
}

}  // namespace

void add_service(CLI::App& app, Words& w) {
  ServiceWords& o = w.service;
  CLI::App* service = app.add_subcommand(
      "service",
      "Write a service: new, build, test, bench, pack; let a layer's nodes run it: publish, list, "
      "show, upgrade, rollback, remove; look after those of a node: top, restart");
  service->require_subcommand(1);
  const auto in_folder = [&](CLI::App* of) {
    of->add_option("folder", o.folder, "the service's folder")->capture_default_str();
  };

  CLI::App* made = verb(service, w, "new", "Make a folder with a small service that works",
                        [&w] { return kit::new_service(w.global, w.service.made); });
  made->add_option("name", o.made.name, "1 to 32 of a-z, 0-9, '-' and '_'")->required();
  made->add_option("--lang", o.made.language, "c++ or c")
      ->check(CLI::IsMember({"c++", "c"}))
      ->capture_default_str();
  made->add_option("--dir", o.made.folder, "where; otherwise a folder NAME here");

  in_folder(verb(service, w, "build", "Compile it to a module, and check that against its manifest",
                 [&w] { return kit::build(w.global, w.service.folder); }));
  CLI::App* test = verb(service, w, "test", "Run its scripts in the sandbox, under virtual time",
                        [&w] { return kit::test(w.global, w.service.folder, w.service.scripts); });
  in_folder(test);
  test->add_option("--script", o.scripts, "this one alone; may be repeated");
  in_folder(verb(service, w, "bench", "What a packet and a start cost on this machine",
                 [&w] { return kit::bench(w.global, w.service.folder); }));
  CLI::App* pack = verb(service, w, "pack", "Sign manifest and module as NAME-VERSION.esvc", [&w] {
    return kit::pack(w.global, w.service.folder, w.service.key, w.service.out);
  });
  in_folder(pack);
  pack->add_option("--key", o.key, "the publisher's secret identity (NAME.key)")->required();
  pack->add_option("--out", o.out, "file to write; otherwise in the service's folder");
  verb(service, w, "inspect", "Verify a package, and show what it holds",
       [&w] { return kit::inspect(w.global, w.service.file); })
      ->add_option("file", o.file, "the package")
      ->required();
  add_services_of_node(*service, w);
  add_catalogue(service, w);
}

}  // namespace entresol::cli
