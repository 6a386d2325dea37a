#!/usr/bin/env python3
"""Services as modules in a node: hosts say which of their flows are for one, it decides, and its end is nobody else's."""

import os
import re
import shutil
import signal
from pathlib import Path

import lab
from lab import Lab, Ran, Star, check, until

ROOT = Path(os.environ["ENTRESOL_ROOT"])
MODULES = Path(os.environ["ENTRESOL_BUILD"]) / "modules"
FILTER, CRASH, KEEPER = 16, 0x80000001, 0x80000002
RULES = "allow icmp; allow icmpv6; allow tcp/8080"


def put_filter(bench: Lab) -> Path:
    shutil.copy(MODULES / "filter.wasm", bench.file("filter.wasm"))
    return bench.write("filter.yaml", (ROOT / "src/services/filter/service.yaml").read_text())


def put_crash(bench: Lab) -> Path:
    shutil.copy(MODULES / "modules_crash.wasm", bench.file("crash.wasm"))
    return bench.write("crash.yaml", f"service: crash\nid: {CRASH}\nfields: [destination, port]\n"
                                     "limits: {batch: 5 ms}\nmetrics: [{name: seen, kind: gauge}]\n")


def put_hostile(bench: Lab, kind: str, service: int, **limits) -> dict:
    """One of src/service/modules/testing/hostile/, as an entry of a node's `services`."""
    shutil.copy(MODULES / f"hostile_{kind}.wasm", bench.file(f"{kind}.wasm"))
    words = ", ".join(f"{key}: {value}" for key, value in limits.items())
    return {"file": str(bench.write(f"{kind}.yaml", f"service: {kind}\nid: {service}\nfields: [destination, port]\nlimits: {{{words}}}\n"))}


def put_keeper(bench: Lab) -> Path:
    shutil.copy(MODULES / "modules_keeper.wasm", bench.file("keeper.wasm"))
    return bench.write("keeper.yaml", f"service: keeper\nid: {KEEPER}\nfields: [destination, length]\nlimits: {{stable: 4 KiB}}\n"
                                      "metrics: [{name: count, kind: gauge}]\n")


class Served(Star):
    """alice's flows to bob are for a service; bob serves two ports, and so does alice."""

    def __init__(self, bench: Lab, service: int, modules: list, back: int = 0):
        super().__init__(bench, node={"services": modules})
        self.configure_host("alice", ["bob"], services=[{"to": "bob", "service": service}])
        self.configure_host("bob", ["alice"], services=[{"to": "alice", "service": back}] if back else [])
        self.start()
        self.names = {who: bench.status(who)["layers"][0]["address"] for who in ("alice", "bob")}
        bench.until_reaches("bob", self.names["alice"])
        for who in ("alice", "bob"):
            for port in (80, 8080):
                bench.start(who, "python3", "-m", "http.server", port, "--bind", "::", "--directory", bench.folder)
                bench.until_listens(who, port)

    def curl(self, who: str, to: str, port: int) -> Ran:
        return self.lab.within(who, "curl", "-s", "-S", "-g", "-o", "/dev/null", "--max-time", "30", f"http://[{self.names[to]}]:{port}/", limit=45)

    def service(self, name: str) -> dict:
        return next((each for each in self.lab.status("node")["services"] if each["name"] == name), {})


def test_a_module_decides_about_the_flows_that_name_it(bench: Lab) -> None:
    """Refused at once where its rules say so; asked once a flow; flows of the other host do not pass it."""
    star = Served(bench, FILTER, [{"file": str(put_filter(bench)), "config": {"rules": RULES}}])
    check(bench.reaches("alice", star.names["bob"]), "ping")
    check(star.curl("alice", "bob", 8080).code == 0, "a port that is allowed")
    check(star.curl("alice", "bob", 80).code == 7, "a port that is not")
    check(star.curl("bob", "alice", 80).code == 0, "a flow of the other host")
    until("status counts", lambda: star.service("filter").get("metrics", {}).get("unruled", 0) >= 1)
    before = star.service("filter")["packets"]
    check(bench.ping("alice", star.names["bob"], 200).received == 200, "ping of 200")
    star.curl("alice", "bob", 80)
    until("a report that is newer", lambda: star.service("filter")["metrics"]["unruled"] >= 2)
    seen = star.service("filter")
    check(seen["packets"] - before < 20, f"it was asked about {seen['packets'] - before} packets of one flow")
    check(seen["standing"] == "running" and seen["faults"] == 0, f"{seen}")
    text = bench.ask("node", "status", "--prometheus").text
    check(re.search(r'entresol_service_metric\{[^}]*metric="allowed"[^}]*\} [1-9]', text), text[-500:])


def test_a_module_that_traps_ends_alone(bench: Lab) -> None:
    """Its packets are dropped with a reason, the reason names its author's file, it starts again, and others go on."""
    star = Served(bench, CRASH, [{"file": str(put_crash(bench))}, {"file": str(put_filter(bench))}])
    check(star.curl("alice", "bob", 8080).code == 0, "before")
    ping = bench.start("bob", "ping", "-n", "-i", "0.05", star.names["alice"])
    for port, what in ((13, "memory"), (14, "time")):
        faults = star.service("crash").get("faults", 0)
        knock = bench.start("alice", "python3", "-c",
                            f"import socket; socket.create_connection(('{star.names['bob']}', {port}), 5)")
        until("it has ended", lambda: star.service("crash").get("faults", 0) > faults)
        fault = star.service("crash")["last_fault"]
        check(what in fault["what"], f"{fault}")
        check("crash.c:" in " ".join(fault["backtrace"]), f"{fault}")
        knock.end()
        until("it runs again", lambda: star.service("crash")["standing"] == "running")
        until("it is asked again", lambda: star.curl("alice", "bob", 8080).code == 0)
    check(bench.drops("node", "service_unavailable") > 0, "drops have no reason")
    check(star.service("filter")["faults"] == 0, "its neighbour")
    ping.signal(signal.SIGINT)
    ping.wait()
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", ping.text()).groups())
    check(sent - received <= 1, f"bob's ping lost {sent - received} of {sent}")


def test_a_module_that_ends_again_and_again_is_quarantined(bench: Lab) -> None:
    star = Served(bench, CRASH, [{"file": str(put_crash(bench))}])
    knock = ("import socket, time\n"
             f"while True:\n s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.sendto(b'x', ('{star.names['bob']}', 13)); time.sleep(0.05)")
    bench.start("alice", "python3", "-c", knock)
    until("quarantine", lambda: star.service("crash").get("standing") == "quarantined")
    check(star.service("crash")["faults"] == 5, f"{star.service('crash')}")
    check(star.curl("alice", "bob", 8080).code != 0, "it is asked nothing")
    check(star.curl("bob", "alice", 8080).code == 0, "others are served")


def test_hostile_modules_beside_a_filter(bench: Lab) -> None:
    """Each loses its own packets by a reason of its own; the filter, on the same thread, loses none of bob's."""
    kinds = {"fill": {"memory": "16 MiB", "batch": "5 ms"}, "calls": {"batch": "5 ms"}, "replicate": {"packets": 600}}
    ids = {kind: CRASH + 1 + number for number, kind in enumerate(kinds)}
    modules = [put_hostile(bench, kind, ids[kind], **limits) for kind, limits in kinds.items()]
    filtered = {"file": str(put_filter(bench)), "config": {"rules": RULES}}
    star = Served(bench, ids["fill"], [*modules, filtered], back=FILTER)
    for kind, reason in (("fill", "service_unavailable"), ("calls", "service_unavailable"), ("replicate", "service_over_rate")):
        star.hosts["alice"].end()
        star.configure_host("alice", ["bob"], services=[{"to": "bob", "service": ids[kind]}])
        star.hosts["alice"] = bench.start_host("alice")
        bench.until_reaches("bob", star.names["alice"])
        before = bench.drops("node", reason)
        knock = ("import socket\n"
                 f"for n in range(40):\n for port in range(1000, 1020):\n  s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.sendto(b'x', ('{star.names['bob']}', port))")
        bench.need_within("alice", "python3", "-c", knock)
        until(f"{kind} loses its own", lambda: bench.drops("node", reason) > before)
        check(star.curl("bob", "alice", 8080).code == 0, f"bob's flows, through the filter, beside {kind}")
        seen = star.service("filter")
        check(seen["standing"] == "running" and seen["faults"] == 0 and seen["fallbacks"] == 0 and seen["queue_full"] == 0, f"{kind}: {seen}")
    until("replicate is over its rate", lambda: star.service("replicate").get("over_rate", 0) > 0)
    check(star.service("fill")["faults"] > 0 and "time" in star.service("fill")["last_fault"]["what"], f"{star.service('fill')}")


def test_a_person_looks_and_restarts(bench: Lab) -> None:
    """`service top` has every service with what it uses; `service restart` ends a quarantine; Prometheus has the same."""
    star = Served(bench, CRASH, [{"file": str(put_crash(bench))}, {"file": str(put_filter(bench))}])
    knock = ("import socket, time\n"
             f"while True:\n s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.sendto(b'x', ('{star.names['bob']}', 13)); time.sleep(0.05)")
    knocking = bench.start("alice", "python3", "-c", knock)
    until("quarantine", lambda: star.service("crash").get("standing") == "quarantined")
    knocking.end()
    rows = {each["name"]: each for each in bench.ask("node", "service", "top").json()}
    check(set(rows) == {"crash", "filter", "ip-delivery"}, f"{rows}")
    check(rows["crash"]["faults"] == 5 and rows["crash"]["limits"]["packets_per_second"] == 100000, f"{rows['crash']}")
    check(0 < rows["filter"]["memory"] <= rows["filter"]["limits"]["memory"], f"{rows['filter']}")
    text = lab.run(lab.ENTRESOL, "service", "top", "--once", "-c", bench.file("node.yaml")).text
    check("quarantined" in text and "entresol service restart crash" in text and "crash.c:" in text, text)
    page = bench.ask("node", "status", "--prometheus").text
    for name in ("up", "throttled_total", "queue_full_total", "over_rate_total", "memory_bytes"):
        check(re.search(rf'entresol_service_{name}\{{service="crash"\}} \d', page), f"{name}: {page[-2000:]}")
    check(re.search(r'entresol_service_up\{service="crash"\} 0', page), page[-2000:])
    restarted = bench.ask("node", "service", "restart", "crash")
    check(restarted.code == 0 and restarted.json()["was"] == "quarantined" and restarted.json()["standing"] == "running", restarted.text)
    until("it is asked again", lambda: star.curl("alice", "bob", 8080).code == 0)
    check(bench.ask("node", "service", "restart", str(FILTER)).json()["service"] == "filter", "by its id")
    for which in ("nobody", "ip-delivery"):
        refused = bench.ask("node", "service", "restart", which)
        check(refused.code == 1 and "E0710" in refused.text and which in refused.text, refused.text)


def test_a_node_stops_while_a_module_does_not(bench: Lab) -> None:
    """`entresol down` during an endless call: the call is ended, and so is the node."""
    star = Served(bench, CRASH, [put_hostile(bench, "loop", CRASH, batch="100 ms", cpu="100 %")])
    knock = ("import socket\n"
             f"while True:\n s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.sendto(b'x', ('{star.names['bob']}', 14))")
    bench.start("alice", "python3", "-c", knock)
    until("it is in a call", lambda: star.service("loop").get("starts", 0) >= 1 and star.service("loop").get("faults", 0) >= 1)
    check(bench.ask("node", "service", "restart", "loop").code in (0, 3), "restart")
    check(bench.ask("node", "down").code == 0, "down")
    check(star.node_process.wait() == 0, f"exit code: {star.node_process.text()[-500:]}")


def test_what_a_module_has_stored_outlives_its_node(bench: Lab) -> None:
    """The node is killed while packets come: each one that was answered has been counted for good."""
    star = Served(bench, KEEPER, [{"file": str(put_keeper(bench))}])

    def count() -> int:
        return star.service("keeper").get("metrics", {}).get("count", 0)

    check(count() == 0, "it begins with nothing")
    answered = 0
    for life in range(3):
        until("an answer", lambda: bench.ping("alice", star.names["bob"], 1).received == 1)
        answered += 1 + bench.ping("alice", star.names["bob"], 50).received
        star.node_process.kill()
        star.start_node()
        until("its report", lambda: star.service("keeper").get("starts", 0) > 0)
        check(count() >= answered, f"life {life}: {answered} packets were answered, and {count()} are counted")
    check(answered >= 3 * 40, f"{answered} answers")
    mode = bench.file("services.db").stat().st_mode & 0o777
    check(mode == 0o600, f"services.db has mode {mode:o}")


def test_what_a_node_cannot_run_is_said_before_it_starts(bench: Lab) -> None:
    """One clear error with file, line and column where there is one; the node does not start."""
    star = Star(bench)
    good = put_filter(bench)
    cases = [
        ({"file": str(bench.file("none.yaml"))}, "none.yaml"),
        ({"file": str(good), "config": {"rulez": "x"}}, "service 'filter' has no configuration 'rulez': it has rules, otherwise"),
        ({"file": str(bench.write("a.yaml", "service: a\nid: 20\nfields: [sauce]\n"))}, "a.yaml:3:9: fields: 'sauce' is none of source"),
        ({"file": str(bench.write("b.yaml", "service: b\nid: 20\n"))}, "b.wasm"),
        ({"file": str(bench.write("c.yaml", f"service: c\nid: 20\nmodule: {bench.write('c.wasm', 'no module')}\n"))}, "c.wasm"),
        ({"file": str(bench.write("d.yaml", "service: d\nid: 20\npayload: true\nmodule: filter.wasm\n"))}, "asks for payload, which is sealed"),
    ]
    for service, what in cases:
        bench.configure("node", listen=":4850", layers=[star.layer.entry("node")], services=[service])
        ran = bench.within("node", lab.ENTRESOL, "run", "node", "-c", str(bench.file("node.yaml")), limit=60)
        check(ran.code == 1 and what in ran.text, f"{service}: exit code {ran.code}: {ran.text}")


if __name__ == "__main__":
    lab.main(test_a_module_decides_about_the_flows_that_name_it, test_a_module_that_traps_ends_alone,
             test_a_module_that_ends_again_and_again_is_quarantined, test_hostile_modules_beside_a_filter,
             test_a_person_looks_and_restarts, test_a_node_stops_while_a_module_does_not,
             test_what_a_module_has_stored_outlives_its_node, test_what_a_node_cannot_run_is_said_before_it_starts,
             tools=("curl",))
