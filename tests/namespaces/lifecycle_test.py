#!/usr/bin/env python3
"""Services from the controller to a node and back: published, taken over under traffic, rolled back, refused, removed."""

import json
import os
import shutil
import signal
from pathlib import Path

import lab
from lab import ENTRESOL, Lab, Ran, check, run, until
from layer_test import Edge

MODULES = Path(os.environ["ENTRESOL_BUILD"]) / "modules"
ID = 0x80000007
DEGRADED = 3
PORT = 4000

# Numbers from 0; a last word says how many there were. Paced, so that no socket's buffer is what is tested.
SENDER = """
import signal, socket, sys, time
stop = []
signal.signal(signal.SIGINT, lambda *_: stop.append(1))
out = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
out.connect((sys.argv[1], int(sys.argv[2])))
sent = 0
print("sends", flush=True)
while not stop:
    for _ in range(10):
        out.send(sent.to_bytes(8, "big") + bytes(92))
        sent += 1
    time.sleep(0.005)
print("sent", sent, flush=True)
"""
RECEIVER = """
import signal, socket, sys
inn = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
inn.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
inn.bind(("::", int(sys.argv[1])))
inn.settimeout(0.1)
stop, numbers = [], []
signal.signal(signal.SIGINT, lambda *_: stop.append(1))
print("listens", flush=True)
while True:
    try:
        numbers.append(int.from_bytes(inn.recv(200)[:8], "big"))
    except TimeoutError:
        print("received", len(numbers), "distinct", len(set(numbers)), "ordered", int(numbers == sorted(numbers)), flush=True)
        if stop:
            break
"""


class Served(Edge):
    """alice's flows to bob are for the service 'counter', which nobody has published yet."""

    def __init__(self, bench: Lab):
        super().__init__(bench, "alice", "bob")
        self.join("alice", "bob")
        self.until_reaches("alice", "bob")
        self.far = self.layer("bob")["address"]
        self.key("publisher")
        file = self.folder("alice") / "host.yaml"
        file.write_text(file.read_text().rstrip("\n") + f"\n    services: {json.dumps([{'to': 'bob', 'service': ID}])}\n")
        check(self.cli("alice", "down").code == 0, "down")
        up = self.cli("alice", "up", "-c", file)
        check(up.code == 0, f"up: {up.text}")

    def key(self, name: str) -> None:
        made = run(ENTRESOL, "keygen", "identity", self.bench.file(name))
        check(made.code == 0, f"keygen: {made.text}")

    def pack(self, version: int, mode: str = "run", key: str = "publisher") -> Path:
        folder = self.bench.file(f"counter-{version}-{mode}")
        folder.mkdir(exist_ok=True)
        shutil.copy(MODULES / "runtime_counter.wasm", folder / "counter.wasm")
        (folder / "service.yaml").write_text(
            f"service: counter\nid: {ID}\nversion: {version}\nlicence: Apache-2.0\nfields: [destination]\n"
            "limits: {waiting: 4096, cpu: 100 %, batch: 50 ms}\nmetrics: [{name: count, kind: gauge}]\n"
            f"config: [{{name: mode, type: text, default: {mode}}}]\n")
        out = folder / f"{key}.esvc"
        ran = run(ENTRESOL, "service", "pack", folder, "--key", f"{self.bench.file(key)}.key", "--out", out, limit=60)
        check(ran.code == 0, f"pack: exit code {ran.code}: {ran.text}")
        return out

    def service(self, *words) -> Ran:
        return self.admin("service", *words)

    def holds(self, ran: Ran, version: int) -> dict:
        """What was asked for is the layer's and runs at the node."""
        check(ran.code == 0, f"exit code {ran.code}: {ran.text}")
        (node,) = ran.json()["nodes"]
        check(ran.json()["version"] == version and node["state"] == "accepted" and node["runs"] == version, ran.text)
        return ran.json()

    def at_node(self) -> dict:
        return next((each for each in self.node_status().get("services", []) if each["name"] == "counter"), {})


def test_versions_take_over_under_traffic(bench: Lab) -> None:
    """Numbered packets: none lost, none twice, in their order, and the service has counted each of them once."""
    edge = Served(bench)
    check(not edge.reaches("alice", "bob"), "a service that nobody has published")
    first = edge.holds(edge.service("publish", edge.pack(1)), 1)
    check(first["nodes"][0]["runner"] == "thread" and first["nodes"][0]["module"] == first["module"], f"{first}")
    edge.until_reaches("alice", "bob")
    packages = {version: edge.pack(version) for version in range(2, 7)}
    broken = edge.pack(7)  # `pack` signs none that faults with its own defaults
    edge.holds(edge.service("upgrade", packages[2]), 2)
    until("a report of the new one", lambda: edge.at_node().get("version") == 2)
    before = edge.at_node()["metrics"]["count"]
    check(before > 0, "the store of the version before is gone")

    receiver = bench.start("bob", "python3", "-c", RECEIVER, PORT)
    until("bob listens", lambda: "listens" in receiver.text())
    sender = bench.start("alice", "python3", "-c", SENDER, edge.far, PORT)
    until("alice sends", lambda: "sends" in sender.text())
    for version in range(3, 7):
        edge.holds(edge.service("upgrade", packages[version]), version)
        if version == 4:
            edge.holds(edge.service("rollback", "counter"), 3)
            edge.holds(edge.service("rollback", "counter"), 4)
    for version in (5, 6) * 8:
        edge.holds(edge.service("rollback", "counter"), version)
    refused = edge.service("publish", broken, "--config", "mode=fault")
    check(refused.code == DEGRADED, f"exit code {refused.code}: {refused.text}")
    (node,) = refused.json()["nodes"]
    check(node["state"] == "refused" and node["code"] == "E0755" and node["runs"] == 6, f"{node}")
    check("counter.c:" in node["reason"], f"{node}")
    edge.holds(edge.service("rollback", "counter"), 6)

    sender.signal(signal.SIGINT)
    sender.wait()
    sent = int(sender.text().split()[-1])
    check(sent > 500, f"only {sent} packets")
    until("all have come", lambda: f"received {sent} " in receiver.text(), 20)
    receiver.signal(signal.SIGINT)
    receiver.wait()
    check(f"received {sent} distinct {sent} ordered 1" in receiver.text().splitlines()[-1], receiver.text()[-200:])
    for reason in ("service_unavailable", "service_queue_full"):
        check(edge.node_status()["drops"].get(reason, 0) == 0, f"{reason}: {edge.node_status()['drops']}")
    until("it has counted all", lambda: edge.at_node().get("metrics", {}).get("count", 0) >= before + sent)
    check(edge.at_node()["metrics"]["count"] == before + sent, f"{before} and {sent}: {edge.at_node()}")
    check(edge.at_node()["version"] == 6 and edge.at_node()["faults"] == 0, f"{edge.at_node()}")


def test_who_owns_an_id(bench: Lab) -> None:
    """A second publisher, an old version and a changed package are refused, each with its code; a removal ends the service."""
    edge = Served(bench)
    edge.key("thief")
    edge.holds(edge.service("publish", edge.pack(2)), 2)
    for package, code in ((edge.pack(3, key="thief"), "E0751"), (edge.pack(1), "E0752"), (edge.pack(2, "other"), "E0752")):
        ran = edge.service("publish", package)
        check(ran.code == 1 and code in ran.text, f"{package}: exit code {ran.code}: {ran.text}")
    damaged = edge.pack(3)
    octets = bytearray(damaged.read_bytes())
    octets[200] ^= 1
    damaged.write_bytes(octets)
    ran = edge.service("publish", damaged)
    check(ran.code == 1 and "E0726" in ran.text, f"exit code {ran.code}: {ran.text}")
    ran = edge.service("publish", edge.pack(4), "--config", "mood=good")
    check(ran.code == 1 and "'mood'" in ran.text, f"exit code {ran.code}: {ran.text}")
    listed = edge.service("list").json()["services"]
    check([each["version"] for each in listed] == [2], f"{listed}")
    check(edge.service("remove", "counter").code == 0, "remove")
    until("it is gone", lambda: not edge.at_node())
    check(not edge.reaches("alice", "bob"), "a service that was removed")
    ran = edge.service("show", "counter")
    check(ran.code == 1 and "E0750" in ran.text, f"exit code {ran.code}: {ran.text}")


def test_a_node_starts_alone_with_what_it_had(bench: Lab) -> None:
    """Without the controller: catalogue, packages and compiled code are on its disk; a controller that was killed has all it acknowledged."""
    edge = Served(bench)
    edge.holds(edge.service("publish", edge.pack(1), "--node", "*"), 1)
    edge.holds(edge.service("upgrade", edge.pack(2)), 2)
    edge.kill("controller")
    edge.kill("node")
    edge.start("node")
    until("it runs", lambda: edge.at_node().get("version") == 2)
    edge.until_reaches("alice", "bob")
    cache = edge.node_status()["code_cache"]
    check(cache["found"] == 1 and cache["compiled"] == 0, f"{cache}")
    edge.start("controller")
    until("the node says so again", lambda: [node.get("state") for node in edge.service("show", "counter").json().get("nodes", [])] == ["accepted"])
    edge.holds(edge.service("rollback", "counter"), 1)


if __name__ == "__main__":
    lab.main(test_versions_take_over_under_traffic, test_who_owns_an_id, test_a_node_starts_alone_with_what_it_had)
