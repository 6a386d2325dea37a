// The demo's steps, as functions; steps.cc puts them in order.
#pragma once

#include "cli/demo/step.h"

namespace entresol::cli::demo {

// setup.cc
Seen show_init(Scene& scene);
Seen show_site(Scene& scene, bool whole);
Seen show_join(Scene& scene);
void revoke_tokens(Scene& scene);

// traffic.cc
std::size_t transfer_size(const Scene& scene);  // octets of one transfer
void start_servers(Scene& scene);               // bob's web and iperf3 servers
void stop_server(Scene& scene, const std::string& which);
Seen show_ping(Scene& scene, const std::string& who);
Seen show_curl(Scene& scene, const std::string& who);
Seen show_iperf(Scene& scene, const std::string& who);
// A page of bob's web server: curl's exit code.
int fetch_page(const Scene& scene, const std::string& who);
inline constexpr const char* kWebPort = "8080";
Seen show_errors(Scene& scene);
Seen show_rotation(Scene& scene, bool rotate);
Seen show_killed(Scene& scene, bool kill);

// names.cc
Seen show_names(Scene& scene);
void forget_names(Scene& scene);  // alice's resolv.conf is empty
void remember_names(Scene& scene);
// Whether the machine's C library knows bob by name and by address.
bool names_bob(const Scene& scene, const std::string& who);

// sealed.cc
Seen show_sealed(Scene& scene, bool leak);

// guest.cc
Seen show_guest(Scene& scene);
// What went wrong; empty: nothing.
std::string start_guest(Scene& scene, bool right_key);

// rules.cc
Seen show_rule(Scene& scene, bool set);
void allow_all(Scene& scene);

// membership.cc
Seen show_revoked(Scene& scene, bool revoke);
Seen show_controller(Scene& scene, bool comes_back);

}  // namespace entresol::cli::demo
