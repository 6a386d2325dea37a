#!/usr/bin/env python3
"""Two sites, a node each, and nothing between the sites but the link of the nodes: alice – north – south – bob."""

import json
import os
import re
import signal

import lab
from lab import ENTRESOL, PORT, Lab, check, run, until
from dns_test import Guest
from layer_test import HUB, Edge

SOUTH = "10.83.5.2"  # of the second node, from the first


class TwoSites(Edge):
    """The controller and north are at the hub, alice and south have a link to it. Bob's only link is to south, which passes his
    packets on to the controller and to nothing else: hosts speak with the controller, never with a node but their own."""

    def __init__(self, bench: Lab):
        super().__init__(bench, "alice")
        bench.add_space("south")
        bench.join("south", "hub", 5)
        bench.need_within("south", "ip", "route", "add", HUB, "via", "10.83.5.1")
        bench.add_space("bob")
        bench.join("bob", "south", 2)
        bench.need_within("bob", "ip", "route", "add", "default", "via", "10.83.2.1")
        self.lead_bob_to_the_controller()
        self.join_south()
        self.join("alice", "bob")

    def lead_bob_to_the_controller(self) -> None:
        bench = self.bench
        bench.need_within("south", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        bench.need_within("hub", "ip", "route", "add", "10.83.2.0/24", "via", "10.83.5.2")
        # Behind the rule for what is south's own.
        bench.need_within("south", "ip", "rule", "add", "pref", "10", "iif", "to-bob", "ipproto", "udp", "blackhole")

    def join_south(self) -> None:
        ran = self.cli("south", "join", "--dir", self.folder("south"), "--label", "south", "--endpoint", f"{SOUTH}:{PORT}",
                       stdin=self.token("--role", "node") + "\n")
        check(ran.code == 0, f"south joins: exit code {ran.code}: {ran.text}")
        self.joined["south"] = ran.json()

    def between(self, who: str) -> dict:
        """The link between the nodes, as one of them sees it."""
        status = self.node_status() if who == "north" else self.status("south")
        return next((link for link in status.get("links", []) if link["kind"] == "node"), {})

    def address(self, who: str) -> str:
        return until(f"{who} has an address", lambda: self.layer(who).get("address"))

    def kill_south(self) -> None:
        for pid in run("ip", "netns", "pids", self.bench.space("south")).out.split():
            os.kill(int(pid), signal.SIGKILL)
        until("south is gone", lambda: self.cli("south", "status").code != 0)

    def start_south(self) -> None:
        config = next(self.folder("south").glob("*.yaml"))
        self.bench.start("south", ENTRESOL, "run", "node", "-c", config)
        until("south answers", lambda: self.cli("south", "status").code == 0)


def test_hosts_talk_through_two_nodes(bench: Lab) -> None:
    """IPv6, IPv4, TCP; each host has a link to its own node alone, and both nodes are on the path."""
    sites = TwoSites(bench)
    alice, bob = sites.address("alice"), sites.address("bob")
    sites.until_reaches("alice", "bob")
    check(bench.ping("alice", bob).all, "ping over IPv6")
    check(bench.ping("bob", alice).all, "ping over IPv6, back")
    check(bench.ping("alice", sites.layer("bob")["ipv4"]).all, "ping over IPv4")
    check(bench.ping("bob", sites.layer("alice")["ipv4"]).all, "ping over IPv4, back")
    names = lambda who, far: [hop["name"] for hop in sites.ping(who, far).json()["path"]]
    north = sites.node_status()["layers"][0]["name"]
    until("both nodes are named", lambda: names("alice", "bob") == ["alice", north, "south", "bob"])
    until("both nodes are named", lambda: names("bob", "alice") == ["bob", "south", north, "alice"])
    check(not bench.reaches("bob", "10.83.1.2"), "bob reaches alice's underlay")
    check({link["name"] for link in sites.status("bob")["links"]} == {"south"}, f"bob: {sites.status('bob')['links']}")
    sealed = {session["far"]: session["sealed"] for session in sites.layer("alice")["sessions"]}
    check(sealed.get("bob") == "end to end", f"sessions: {sealed}")
    listed = sites.admin("host", "list").json()
    at = {host["label"]: host.get("attachments") for host in listed.get("members", listed.get("hosts", []))}
    check(at == {"alice": [north], "bob": ["south"]}, f"host list: {at}")


def test_tcp_in_both_directions(bench: Lab) -> None:
    """iperf3, over both versions of IP."""
    sites = TwoSites(bench)
    sites.until_reaches("alice", "bob")
    bench.start("bob", "iperf3", "-s")
    bench.until_listens("bob", 5201)
    for address in (sites.layer("bob")["address"], sites.layer("bob")["ipv4"]):
        for way in ((), ("-R",)):
            ran = bench.within("alice", "iperf3", "-c", address, "-t", "2", "-J", *way, limit=60)
            check(ran.code == 0, f"iperf3 {address} {way}: {ran.text[-300:]}")
            rate = json.loads(ran.out)["end"]["sum_received"]["bits_per_second"]
            print(f"    {address} {' '.join(way)} {rate / 1e6:.0f} Mbit/s")
            check(rate > 1e6, f"{rate} bit/s")


def test_either_node_is_killed_and_starts_again(bench: Lab) -> None:
    """A running ping stops and goes on; nobody has to be told."""
    sites = TwoSites(bench)
    sites.until_reaches("alice", "bob")
    ping = bench.start("alice", "ping", "-n", "-O", "-i", "0.1", sites.address("bob"))
    replies = lambda: len(re.findall("bytes from", ping.text()))
    until("it runs", lambda: replies() > 5)
    for kill, start in ((sites.kill_south, sites.start_south), (lambda: sites.kill("node"), lambda: sites.start("node"))):
        kill()
        stopped = replies()
        unanswered = ping.text().count("no answer yet") + ping.text().count("nreachable")
        until("echoes are missed", lambda: ping.text().count("no answer yet") + ping.text().count("nreachable") > unanswered + 10)
        check(replies() <= stopped + 1, f"{replies() - stopped} echoes came back through a node that was killed")
        start()
        until("the ping goes on", lambda: replies() > stopped + 10, 120)
    ping.signal(signal.SIGINT)


def test_the_controller_is_away(bench: Lab) -> None:
    """What the nodes know they go on with, and so after a restart."""
    sites = TwoSites(bench)
    sites.until_reaches("alice", "bob")
    sites.kill("controller")
    check(sites.ping("alice", "bob").code == 0, "ping without the controller")
    sites.kill_south()
    sites.start_south()
    until("alice reaches bob", lambda: sites.reaches("alice", "bob"), 120)


def test_a_guest_changes_its_node(bench: Lab) -> None:
    """A WireGuard client that may attach anywhere is found from both sites, and a ping to it goes on at the other node although
    it says nothing itself."""
    sites = TwoSites(bench)
    bench.add_space("carol")
    bench.join("carol", "hub", 3)
    bench.need_within("hub", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    for who, to, via in (("carol", HUB, "10.83.3.1"), ("carol", SOUTH, "10.83.3.1"), ("south", "10.83.3.0/24", "10.83.5.1")):
        bench.need_within(who, "ip", "route", "add", to, "via", via)
    guest = Guest(sites, "carol")
    carol = sites.admin("guest", "show", "carol").json()
    key = lambda config, which: re.search(f"{which} = (.+)", config)[1]
    for who in ("alice", "bob"):
        bench.until_reaches(who, carol["name"])
        check(bench.ping(who, carol["ipv4"]).all, f"{who}: ping over IPv4")
    at_south = sites.admin("guest", "add", "another", "--node", "south").json()["config"]
    first = bench.need_within("carol", "wg", "show", guest.device, "peers").out.strip()
    allowed = bench.need_within("carol", "wg", "show", guest.device, "allowed-ips").out.split("\t")[1].replace(" ", ",").strip()
    ping = bench.start("bob", "ping", "-n", "-O", "-i", "0.1", carol["name"])
    replies = lambda: len(re.findall("bytes from", ping.text()))
    until("it runs", lambda: replies() > 5)
    bench.need_within("carol", "wg", "set", guest.device, "peer", first, "remove")
    before = replies()
    bench.need_within("carol", "wg", "set", guest.device, "peer", key(at_south, "PublicKey"), "endpoint", key(at_south, "Endpoint"),
                      "allowed-ips", allowed, "persistent-keepalive", "25")
    until("the ping goes on", lambda: replies() > before + 10)
    ping.signal(signal.SIGINT)
    missed = ping.text().count("no answer yet")
    print(f"    {missed} echoes of 10 a second missed in the change")
    bench.until_reaches("alice", carol["name"])
    at = lambda status: {link["name"]: link["up"] for link in status.get("links", []) if link["kind"] == "guest"}
    check(at(sites.status("south")).get("carol"), f"south: {at(sites.status('south'))}")
    until("bob reaches carol over IPv4", lambda: bench.reaches("bob", carol["ipv4"]))


if __name__ == "__main__":
    lab.main(test_hosts_talk_through_two_nodes, test_tcp_in_both_directions, test_either_node_is_killed_and_starts_again,
             test_the_controller_is_away, test_a_guest_changes_its_node, tools=("iperf3", "ss", "sysctl", "wireguard-go", "wg"))
