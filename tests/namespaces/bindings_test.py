#!/usr/bin/env python3
"""Services bound at a node to flows that do not name them: hosts know nothing of it, a plain WireGuard guest among them."""

import os
import shutil
from pathlib import Path

import lab
from lab import Lab, Ran, Star, check, until
from wireguard import Guest

ROOT = Path(os.environ["ENTRESOL_ROOT"])
MODULES = Path(os.environ["ENTRESOL_BUILD"]) / "modules"
RULES = "allow icmp; allow icmpv6; allow tcp/8080"


def put_filter(bench: Lab) -> str:
    shutil.copy(MODULES / "filter.wasm", bench.file("filter.wasm"))
    return str(bench.write("filter.yaml", (ROOT / "src/services/filter/service.yaml").read_text()))


def put_second(bench: Lab) -> str:
    """Delivers what it is asked about, and counts."""
    shutil.copy(MODULES / "modules_crash.wasm", bench.file("crash.wasm"))
    return str(bench.write("crash.yaml", "service: second\nid: 0x80000001\nmodule: crash.wasm\nfields: [destination, port]\n"
                                         "metrics: [{name: seen, kind: gauge}]\n"))


def curl(bench: Lab, who: str, to: str, port: int) -> Ran:
    return bench.within(who, "curl", "-s", "-S", "-g", "-o", "/dev/null", "--max-time", "30", f"http://[{to}]:{port}/", limit=45)


def test_hosts_and_guests_get_what_is_bound(bench: Lab) -> None:
    """A filter, and behind it a second service: what the filter refuses the second is not asked about."""
    services = [{"file": put_filter(bench), "config": {"rules": RULES}, "tenant": "operator"},
                {"file": put_second(bench), "tenant": "client", "owns": ["bob"]}]
    star = Star(bench, guest=True, node={"services": services})
    star.configure_node(bindings=[{"service": "second", "to": "bob", "traffic": "tcp", "order": 20},
                                  {"service": "filter", "to": "bob", "order": 10}])
    star.start()
    Guest(star, star.carol)
    for who in ("alice", "bob"):
        for port in (80, 8080):
            bench.start(who, "python3", "-m", "http.server", port, "--bind", "::", "--directory", bench.folder)
            bench.until_listens(who, port)
    bench.until_reaches("alice", star.bob.address)
    bench.until_reaches("carol", star.bob.address)

    def service(name: str) -> dict:
        return next(each for each in bench.status("node")["services"] if each["name"] == name)

    def bound(traffic: str) -> int:
        return next(each["flows"] for each in bench.status("node")["layers"][0]["bindings"] if each["traffic"] == traffic)

    until("reports", lambda: service("second").get("metrics") is not None)
    for who in ("alice", "carol"):
        check(curl(bench, who, star.bob.address, 8080).code == 0, f"{who}: a port that is allowed")
    until("the second is asked", lambda: service("second")["packets"] >= 2)
    flows = bound("* -> bob tcp")
    seen = service("second")["packets"]
    refused = service("filter")["metrics"]["unruled"]
    for count, who in enumerate(("alice", "carol"), 1):
        check(curl(bench, who, star.bob.address, 80).code == 7, f"{who}: a port that is not")
        until("the filter counts it", lambda: service("filter")["metrics"]["unruled"] >= refused + count)
    check(bound("* -> bob tcp") > flows, "the binding counts its flows")
    check(service("second")["packets"] == seen, "the second was asked about what the filter refused")
    check(curl(bench, "bob", star.alice.address, 80).code == 0, "a flow that bob opens is not bound")
    asked = service("filter")["packets"]
    check(bench.ping("alice", star.bob.address, 200).received == 200, "ping of 200")
    check(service("filter")["packets"] - asked < 20, "what both say is kept")
    check("violations" not in service("second"), f"{service('second')}")


def test_what_may_not_be_bound_is_said_before_the_node_starts(bench: Lab) -> None:
    star = Star(bench)
    good = put_filter(bench)
    payload = str(bench.write("p.yaml", "service: reader\nid: 20\npayload: true\nmodule: filter.wasm\n"))
    cases = [
        ({"file": good}, {"service": "filter", "to": "bob"}, "E0740", "third party"),
        ({"file": good, "tenant": "client", "owns": ["alice"]}, {"service": "filter", "to": "bob"}, "E0740", "neither end stands in the `owns`"),
        ({"file": good, "tenant": "client", "owns": ["alice"]}, {"service": "filter", "to": "*"}, "E0740", "neither end"),
        ({"file": payload, "tenant": "operator"}, {"service": "reader", "to": "bob"}, "E0741", "sealed end to end"),
        ({"file": good, "tenant": "operator"}, {"service": "fitler", "to": "bob"}, "E0103", "no service of that name"),
        ({"file": good, "tenant": "operator"}, {"service": "filter", "to": "bob", "traffic": "tcp/0"}, "E0103", "traffic"),
        ({"file": good, "owns": ["bob"]}, {"service": "filter", "to": "bob"}, "E0103", "tenant: client"),
    ]
    for service, binding, code, what in cases:
        bench.configure("node", listen=":4850", layers=[star.layer.entry("node", bindings=[binding])], services=[service])
        ran = bench.within("node", lab.ENTRESOL, "run", "node", "-c", str(bench.file("node.yaml")), limit=60)
        check(ran.code == 1 and code in ran.text and what in ran.text, f"{service} {binding}: exit code {ran.code}: {ran.text}")


if __name__ == "__main__":
    lab.main(test_hosts_and_guests_get_what_is_bound, test_what_may_not_be_bound_is_said_before_the_node_starts,
             tools=("curl", "wg", "wireguard-go"))
