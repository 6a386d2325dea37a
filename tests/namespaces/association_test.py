#!/usr/bin/env python3
"""Two nodes at one site: alice is at one of them, and when that is killed under a ping she is at the other."""

import os
import re
import signal
import time

import lab
from lab import ENTRESOL, PORT, Lab, check, run, until
from layer_test import HUB, Edge

SECOND = "10.83.5.2"  # of the second node, from everybody


class Site(Edge):
    """Controller and first node at the hub, the second beside it. Alice and bob have a way to both, and share no link."""

    def __init__(self, bench: Lab):
        super().__init__(bench, "alice", "bob")
        bench.add_space("second")
        bench.join("second", "hub", 5)
        for who in ("alice", "bob"):
            bench.need_within(who, "ip", "route", "add", SECOND, "via", f"10.83.{self.NETS[who]}.1")
        bench.need_within("second", "ip", "route", "add", "default", "via", "10.83.5.1")
        bench.need_within("hub", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        # Forwards to and from the second node, not between the hosts.
        for one, other in (("to-alice", "10.83.2.0/24"), ("to-bob", "10.83.1.0/24")):
            bench.need_within("hub", "ip", "rule", "add", "pref", "10", "iif", one, "to", other, "blackhole")
        ran = self.cli("second", "join", "--dir", self.folder("second"), "--label", "second", "--endpoint", f"{SECOND}:{PORT}",
                       stdin=self.token("--role", "node") + "\n")
        check(ran.code == 0, f"the second node joins: exit code {ran.code}: {ran.text}")
        self.join("alice", "bob")
        self.first = self.node_status()["layers"][0]["name"]

    def nodes(self, host: str) -> dict:
        """What the host says of each node, by label."""
        return {node["name"]: node for node in self.layer(host).get("nodes", [])}

    def at(self, host: str) -> str:
        return next((name for name, node in self.nodes(host).items() if node["state"] == "attached"), "")

    def kill_node(self, node: str) -> None:
        if node == self.first:
            return self.kill("node")
        for pid in run("ip", "netns", "pids", self.bench.space("second")).out.split():
            os.kill(int(pid), signal.SIGKILL)
        until("the second node is gone", lambda: self.cli("second", "status").code != 0)

    def start_node(self, node: str) -> None:
        if node == self.first:
            return self.start("node")
        config = next(self.folder("second").glob("*.yaml"))
        self.bench.start("second", ENTRESOL, "run", "node", "-c", config)
        until("the second node answers", lambda: self.cli("second", "status").code == 0)


def test_a_dead_node_is_left_for_the_other(bench: Lab) -> None:
    """Status says which, why and which is next; back is not forced."""
    site = Site(bench)
    until("alice has measured both", lambda: len(site.nodes("alice")) == 2
          and all("rtt_ms" in node for node in site.nodes("alice").values()) and site.at("alice"))
    at, nodes = site.at("alice"), site.nodes("alice")
    other = next(name for name in nodes if name != at)
    check(nodes[at]["why"] in ("nearest of 2", "the only one"), f"why: {nodes}")
    check(nodes[other]["state"] == "next" and "why" not in nodes[other], f"next: {nodes}")
    text = run("ip", "netns", "exec", bench.space("alice"), ENTRESOL, "status", env={"ENTRESOL_DIR": str(site.folder("alice"))}).out
    lines = [line for line in text.splitlines() if line.startswith("  node ")]
    print("\n".join(lines))
    check(len(lines) == 2 and "attached" in "".join(lines) and "next" in "".join(lines), f"status:\n{text}")

    site.until_reaches("alice", "bob")
    ping = bench.start("alice", "ping", "-n", "-O", "-i", "0.1", site.layer("bob")["address"])
    replies = lambda: len(re.findall("bytes from", ping.text()))
    until("the ping runs", lambda: replies() > 5)
    killed = time.monotonic()
    site.kill_node(at)
    until(f"alice is at {other}", lambda: site.at("alice") == other)
    print(f"    at the other node {time.monotonic() - killed:.1f} s after the first was killed")
    check(site.nodes("alice")[other]["why"] == "the one before was silent", f"why: {site.nodes('alice')}")
    until(f"bob is at {other}", lambda: site.at("bob") == other)
    before = replies()
    until("the ping goes on", lambda: replies() > before + 5)
    print(f"    the ping goes on {time.monotonic() - killed:.1f} s after")

    until(f"{at} is called silent", lambda: site.nodes("alice")[at]["state"] == "silent")

    site.start_node(at)
    check(site.at("alice") == other, "back is not forced")
    check(bench.ping("alice", site.layer("bob")["address"]).all, "ping")


if __name__ == "__main__":
    lab.main(test_a_dead_node_is_left_for_the_other)
