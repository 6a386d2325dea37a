#!/usr/bin/env python3
"""Policy from the controller to the applications: what a rule denies fails at once, running flows included, and says why."""

import re
import signal

import lab
from lab import Lab, Ran, check, until
from layer_test import Edge

QUIET = "quiet: deny bob alice tcp/80\nmembers: allow * *\n"
OPEN = "members: allow * *\n"
CLOSED = "closed: deny bob alice\nmembers: allow * *\n"
DEGRADED, DENIED = 3, 4


class Ruled(Edge):
    """alice serves two ports; bob asks."""

    def __init__(self, bench: Lab):
        super().__init__(bench, "alice", "bob")
        self.join("alice", "bob")
        self.until_reaches("bob", "alice")
        self.alice, self.bob = self.layer("alice"), self.layer("bob")
        for port in (80, 8080):
            bench.start("alice", "python3", "-m", "http.server", port, "--bind", "::", "--directory", bench.folder)
            bench.until_listens("alice", port)

    def set(self, text: str) -> Ran:
        return self.admin("policy", "set", self.bench.write("policy.txt", text))

    def hold(self, text: str) -> None:
        """`policy set` ends when the node has said that it holds it."""
        ran = self.set(text)
        check(ran.code == 0 and ran.json()["unreachable"] == [], f"policy set: exit code {ran.code}: {ran.text}")
        check(self.policy()["revision"] == ran.json()["revision"], f"the node holds {self.policy()}")

    def policy(self) -> dict:
        """As the node says."""
        return (self.node_status().get("layers") or [{}])[0].get("policy", {})

    def curl(self, who: str, address: str, port: int) -> Ran:
        host = f"[{address}]" if ":" in address else address
        return self.bench.within(who, "curl", "-s", "-S", "-g", "-o", "/dev/null", "--max-time", "30", f"http://{host}:{port}/", limit=45)

    def test(self, *words) -> Ran:
        return self.admin("policy", "test", *words)


def test_a_denial_fails_at_once_and_names_its_rule(bench: Lab) -> None:
    """curl gets an error, not a timeout; other ports, the other direction and replies go on."""
    edge = Ruled(bench)
    check(edge.curl("bob", edge.alice["address"], 80).code == 0, "curl before")
    edge.hold(QUIET)
    for address, why in ((edge.alice["address"], "Permission denied"), (edge.alice["ipv4"], "No route to host")):
        ran = edge.curl("bob", address, 80)
        check(ran.code == 7, f"curl to {address}: exit code {ran.code}: {ran.text}")
        # Older ones say only that they could not connect.
        check(why in ran.text or "ailed to connect" in ran.text or "ouldn't connect" in ran.text, ran.text)
        connecting = bench.within("bob", "python3", "-c", f"import socket; socket.create_connection(('{address}', 80), 30)")
        check(why in connecting.text, f"connect to {address}: {connecting.text[-200:]}")
        check(edge.curl("bob", address, 8080).code == 0, "another port")
    check(bench.reaches("bob", edge.alice["address"]), "ping")
    check(bench.reaches("alice", edge.bob["address"]), "the other direction")
    check(edge.policy()["denied"].get("quiet", 0) >= 2, f"status: {edge.policy()}")
    check("default" not in edge.policy()["denied"], f"status: {edge.policy()}")
    until("the log names rule and ends", lambda: re.search(r"flow.denied.*quiet.*bob.*alice", edge.log_of("node")))
    denied, allowed = edge.test("bob", "alice", "tcp/80"), edge.test("bob", "alice", "tcp/81")
    check(denied.code == DENIED and denied.json() == {"allow": False, "rule": "quiet"}, denied.text)
    check(allowed.code == 0 and allowed.json() == {"allow": True, "rule": "members"}, allowed.text)
    edge.hold(OPEN)
    check(edge.curl("bob", edge.alice["address"], 80).code == 0, "curl after it was set back")


def test_a_broken_policy_changes_nothing(bench: Lab) -> None:
    """Refused with file, line and column, by the command and by the controller; what held goes on to hold."""
    edge = Edge(bench, "alice")
    holds = lambda: {key: edge.admin("policy", "show").json()[key] for key in ("revision", "text", "set_at")}
    before = holds()
    broken = bench.write("broken.txt", "members: allow * *\n  alow bob alice\n")
    for verb in ("set", "check"):
        ran = edge.admin("policy", verb, broken)
        check(ran.code == 1 and f"{broken}:2:3: 'alow'" in ran.text, f"policy {verb}: exit code {ran.code}: {ran.text}")
    check(holds() == before, "the policy has changed")
    good = bench.write("good.txt", QUIET)
    ran = edge.admin("policy", "check", good)
    check(ran.code == 0 and ran.json() == {"rules": 2}, ran.text)
    edge.join("alice")
    ran = edge.admin("policy", "test", "alice", "alice", "tcp/80", "--file", good)
    check(ran.code == 0 and ran.json()["rule"] == "members", ran.text)
    unknown = edge.admin("policy", "test", "alice", "nobody")
    check("E0518" in unknown.text, unknown.text)


def test_running_flows_stop_and_go_on(bench: Lab) -> None:
    """A ping and a TCP connection that a new policy denies; neither has to be begun anew."""
    edge = Ruled(bench)
    ping = bench.start("bob", "ping", "-n", "-O", "-i", "0.1", edge.alice["address"])
    bench.start("alice", "iperf3", "-s")
    bench.until_listens("alice", 5201)
    bulk = bench.start("bob", "iperf3", "-c", edge.alice["address"], "-t", "600", "-i", "0.5", "-b", "20M", "--forceflush")
    replies = lambda: ping.text().count("bytes from")
    moving = lambda: [float(rate) for rate in re.findall(r"Bytes +([\d.]+) \w*bits/sec", bulk.text())]
    until("both run", lambda: replies() > 5 and any(moving()))
    edge.hold(CLOSED)
    until("ping is told", lambda: re.search(r"rohibited|filtered", ping.text()))
    stopped = replies()
    until("the connection stands still", lambda: moving()[-2:] == [0, 0])
    check(replies() <= stopped + 1, f"{replies() - stopped} echoes passed")
    check(ping.alive() and bulk.alive(), "one has ended")
    before = len(moving())
    edge.hold(OPEN)
    until("ping goes on", lambda: replies() > stopped + 5)
    until("the connection goes on", lambda: any(moving()[before:]))
    for process in (ping, bulk):
        process.signal(signal.SIGINT)


def test_a_node_starts_with_the_policy_it_had(bench: Lab) -> None:
    """The controller is away: the node has the last policy on its disk. It allows nothing that it does not know to be allowed."""
    edge = Ruled(bench)
    edge.hold(QUIET)
    edge.kill("controller")
    edge.kill("node")
    edge.start("node")
    edge.until_reaches("bob", "alice")
    check(edge.curl("bob", edge.alice["address"], 80).code == 7, "curl is not denied")
    check(edge.curl("bob", edge.alice["address"], 8080).code == 0, "another port")


def test_a_policy_that_was_changed_on_the_disk_is_not_believed(bench: Lab) -> None:
    """Text and revision are signed: a node whose file was edited starts without a policy, and so allows nothing."""
    edge = Ruled(bench)
    edge.hold(QUIET)
    until("it is on the disk", lambda: any("quiet: deny" in path.read_text() for path in directories(bench)))
    edge.kill("controller")
    edge.kill("node")
    for path in directories(bench):
        path.write_text(path.read_text().replace("quiet: deny bob alice tcp/80", "quiet: allow bob alice tcp/80"))
    edge.start("node")
    until("both are attached", lambda: all(edge.layer(who).get("attached") for who in ("alice", "bob")))
    for port in (80, 8080):
        check(edge.curl("bob", edge.alice["address"], port).code != 0, f"port {port} is open")
    check(edge.policy()["revision"] == 0, f"the node holds {edge.policy()}")


def directories(bench: Lab) -> list:
    """What nodes keep on their disks of what they have learnt."""
    return list(bench.folder.rglob("directory.json"))


def test_set_names_the_nodes_that_it_does_not_reach(bench: Lab) -> None:
    """A node that is down: it is named, with exit code 3; when it is back it takes what it has missed."""
    edge = Edge(bench, "alice")
    edge.join("alice")
    first = edge.admin("policy", "set", bench.write("open.txt", OPEN + "# again\n"))
    check(first.code == 0, first.text)
    edge.kill("node")
    missed = edge.admin("policy", "set", bench.write("closed.txt", CLOSED))
    label = first.json()["nodes"][0]["label"]
    check(missed.code == DEGRADED and missed.json()["unreachable"] == [label], f"exit code {missed.code}: {missed.text}")
    check(missed.json()["nodes"][0]["policy_revision"] == first.json()["revision"], missed.text)
    edge.start("node")
    held = lambda: edge.admin("policy", "show").json()["nodes"][0].get("policy_revision")
    until("the node has taken it", lambda: held() == missed.json()["revision"])


if __name__ == "__main__":
    lab.main(test_a_denial_fails_at_once_and_names_its_rule, test_a_broken_policy_changes_nothing, test_running_flows_stop_and_go_on,
             test_a_node_starts_with_the_policy_it_had, test_a_policy_that_was_changed_on_the_disk_is_not_believed,
             test_set_names_the_nodes_that_it_does_not_reach, tools=("curl", "iperf3", "ss"))
