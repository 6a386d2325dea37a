#!/usr/bin/env python3
"""A layer with a controller: joining with tokens, revocation, renewal under traffic, a controller that is away."""

import json
import os
import re
import signal
import stat
from pathlib import Path

import lab
from lab import ENTRESOL, Lab, Ran, check, run, until

HUB = "10.83.1.1"  # of the controller and the node, from every host
DENIED, UNREACHABLE = 4, 5


class Edge:
    """A controller and a node in one namespace, hosts in theirs; hosts share no link."""

    NETS = {"alice": 1, "bob": 2, "carol": 3}

    def __init__(self, bench: Lab, *hosts: str, lifetime: str = "24h"):
        self.bench = bench
        bench.add_space("hub")
        for who in hosts:
            bench.add_space(who)
            bench.join(who, "hub", self.NETS[who])
            if self.NETS[who] != 1:
                bench.need_within(who, "ip", "route", "add", HUB, "via", f"10.83.{self.NETS[who]}.1")
        ran = self.cli("hub", "init", "edge", "--dir", self.folder("hub"), "--up", "--advertise", f"{HUB}:4851",
                       "--certificate-lifetime", lifetime)
        check(ran.code == 0, f"init --up: exit code {ran.code}: {ran.text}")
        self.made = ran.json()
        self.tokens = list(self.made["tokens"])
        self.joined: dict[str, dict] = {}

    def folder(self, who: str) -> Path:
        return self.bench.file(f"of-{who}")

    def cli(self, who: str, *words, stdin: str | None = None, limit: float = 60) -> Ran:
        return run("ip", "netns", "exec", self.bench.space(who), ENTRESOL, "-o", "json", *words, stdin=stdin, limit=limit,
                   env={"ENTRESOL_DIR": str(self.folder(who))})

    def admin(self, *words) -> Ran:
        return self.cli("hub", *words)

    def token(self, *words) -> str:
        return self.admin("token", "create", *words).json()["token"]

    def try_join(self, who: str, token: str, *words) -> Ran:
        return self.cli(who, "join", "--dir", self.folder(who), "--label", who, *words, stdin=token + "\n")

    def join(self, *hosts: str) -> None:
        for who in hosts:
            ran = self.try_join(who, self.tokens.pop(0) if self.tokens else self.token())
            check(ran.code == 0, f"{who} joins: exit code {ran.code}: {ran.text}")
            self.joined[who] = ran.json()

    def status(self, who: str) -> dict:
        ran = self.cli(who, "status")
        try:
            return ran.json()
        except json.JSONDecodeError:
            return {}

    def layer(self, who: str) -> dict:
        return (self.status(who).get("layers") or [{}])[0]

    def ping(self, who: str, far: str) -> Ran:
        return self.cli(who, "ping", far, "-n", "2")

    def reaches(self, who: str, far: str) -> bool:
        address = self.layer(far).get("address", "")
        return bool(address) and self.bench.reaches(who, address)

    def until_reaches(self, who: str, far: str) -> None:
        until(f"{who} reaches {far}", lambda: self.reaches(who, far))

    def node_status(self) -> dict:
        ran = self.cli("hub", "status", "--control", self.made["node"]["control"])
        return ran.json() if ran.code == 0 else {}

    def log_of(self, what: str) -> str:
        return Path(self.made[what]["log"]).read_text(errors="replace")

    def start(self, what: str) -> None:
        config = self.made["node"]["config"] if what == "node" else self.made["config"]
        control = self.made[what]["control"]
        self.bench.start("hub", ENTRESOL, "run", what, "-c", config)
        until(f"the {what} answers", lambda: self.cli("hub", "status", "--control", control).code == 0)

    def kill(self, what: str) -> None:
        os.kill(self.made[what]["pid"], signal.SIGKILL)
        control = self.made[what]["control"]
        until(f"the {what} is gone", lambda: self.cli("hub", "status", "--control", control).code != 0)


def test_from_nothing_to_a_ping(bench: Lab) -> None:
    """Four commands; no more than the token is known on either side."""
    edge = Edge(bench, "alice", "bob")
    edge.join("alice", "bob")
    ping = edge.ping("alice", "bob")
    check(ping.code == 0, f"ping: exit code {ping.code}: {ping.text}")
    alice, bob = edge.layer("alice"), edge.layer("bob")
    check(bench.ping("alice", bob["address"]).all, "ping over IPv6")
    check(bench.ping("bob", alice["ipv4"]).all, "ping over IPv4")
    check(not bench.reaches("alice", "10.83.2.2"), "alice reaches bob's underlay")
    for secret in ("admin.json", "root.key", "controller/operator.key", "controller/tls.pem"):
        mode = stat.S_IMODE((edge.folder("hub") / secret).stat().st_mode)
        check(mode == 0o600, f"{secret} has mode {mode:o}")
    hosts = edge.admin("host", "list").json()
    check({host["label"] for host in hosts.get("members", hosts.get("hosts", []))} == {"alice", "bob"}, f"host list: {hosts}")


def test_tokens(bench: Lab) -> None:
    """Each admits one, once, in its role; a refused one leaves nothing."""
    edge = Edge(bench, "alice", "bob")
    token = edge.tokens[0]
    edge.join("alice")
    for what, text, code in (("used", token, "E0513"), ("malformed", "ent1.nonsense", "E0510"),
                             ("for a node", edge.token("--role", "node"), "E0514")):
        ran = edge.try_join("bob", text)
        check(ran.code == DENIED or code == "E0510" and ran.code != 0, f"a token that is {what}: exit code {ran.code}: {ran.text}")
        check(code in ran.text, f"a token that is {what}: {ran.text}")
        check(text not in ran.text, "the token is repeated")
        check(not edge.folder("bob").exists() or not any(edge.folder("bob").rglob("*.yaml")), f"{what}: files are left")
    revoked = edge.admin("token", "create").json()
    check(edge.admin("token", "revoke", revoked["id"]).code == 0, "token revoke")
    check("E0511" in edge.try_join("bob", revoked["token"]).text, "a revoked token")
    listed = edge.admin("token", "list").text
    check(revoked["token"] not in listed and token not in listed, "token list shows a token")
    ran = edge.cli("bob", "join", edge.tokens[0])
    check(ran.code == 2 and edge.tokens[0] not in ran.text, f"a token as an argument: exit code {ran.code}: {ran.text}")
    edge.join("bob")
    check(edge.ping("alice", "bob").code == 0, "ping")
    again = edge.try_join("bob", edge.token())
    check(again.code != 0 and "E0207" in again.text, f"a second join into one folder: {again.text}")


def test_another_controller(bench: Lab) -> None:
    """The token pins the controller's key: who answers in its place gets nothing, the token least of all."""
    edge = Edge(bench, "alice")
    os.kill(edge.made["controller"]["pid"], signal.SIGKILL)
    impostor = bench.file("of-impostor")
    ran = run("ip", "netns", "exec", bench.space("hub"), ENTRESOL, "-o", "json", "init", "other", "--dir", impostor, "--advertise",
              f"{HUB}:4851", env={"ENTRESOL_DIR": str(impostor)})
    check(ran.code == 0, ran.text)
    bench.start("hub", ENTRESOL, "run", "controller", "-c", ran.json()["config"])
    def refused():
        text = edge.try_join("alice", edge.tokens[0]).text
        return "E0602" in text
    until("the key is refused", refused)


def test_revoked(bench: Lab) -> None:
    """At once at the node, and again and again."""
    edge = Edge(bench, "alice", "bob")
    edge.join("alice", "bob")
    edge.until_reaches("alice", "bob")
    bob = edge.layer("bob")["address"]
    check(edge.admin("host", "revoke", "bob").code == 0, "host revoke")
    until("the node has no link to bob", lambda: all(link["name"] != "bob" or not link.get("up", True)
                                                    for link in edge.node_status().get("links", [{"name": "bob"}])))
    until("alice does not reach bob", lambda: not bench.reaches("alice", bob))
    until("the node refuses bob", lambda: edge.node_status().get("drops", {}).get("name_revoked", 0) > 0)
    # He is out for good: also at a node that starts anew.
    edge.kill("node")
    edge.start("node")
    edge.join("carol") if "carol" in edge.bench.spaces else None
    until("the node refuses bob", lambda: edge.node_status().get("drops", {}).get("name_revoked", 0) > 0)
    check(not bench.reaches("alice", bob), "alice reaches bob")


def test_the_controller_is_away(bench: Lab) -> None:
    """Data flows, hosts and node start again, and nothing is forgotten when it comes back."""
    edge = Edge(bench, "alice", "bob", "carol")
    edge.join("alice", "bob")
    edge.until_reaches("alice", "bob")
    token = edge.token()
    edge.kill("controller")
    check(edge.ping("alice", "bob").code == 0, "ping without the controller")
    check(edge.cli("alice", "down").code == 0, "down")
    up = edge.cli("alice", "up", "-c", edge.folder("alice") / "host.yaml")
    check(up.code == 0, f"up without the controller: {up.text}")
    edge.until_reaches("alice", "bob")
    edge.kill("node")
    edge.start("node")
    edge.until_reaches("alice", "bob")
    away = edge.try_join("carol", token)
    check(away.code == UNREACHABLE and "E0601" in away.text, f"join without the controller: {away.code} {away.text}")
    edge.start("controller")
    ran = edge.try_join("carol", token)
    check(ran.code == 0, f"carol joins: {ran.text}")
    edge.until_reaches("carol", "alice")
    until("alice says that it answers", lambda: edge.layer("alice").get("enrolment", {}).get("controller") == "answers")


def test_renewal_under_traffic(bench: Lab) -> None:
    """Certificates of a few seconds; three of each, and no echo lost."""
    edge = Edge(bench, "alice", "bob", lifetime="20s")
    edge.join("alice", "bob")
    edge.until_reaches("alice", "bob")
    address = edge.layer("bob")["address"]
    ping = bench.start("alice", "ping", "-n", "-i", "0.02", "-W", "10", address)
    logs = [Path(edge.made["node"]["log"]), Path(str(edge.joined["alice"].get("log", edge.folder("alice") / "host.sock.log")))]
    until("three renewals", lambda: all(log.read_text(errors="replace").count("certificate renewed") >= 3 for log in logs), 180)
    ping.signal(signal.SIGINT)
    ping.wait()
    came = [int(number) for number in re.findall(r"icmp_seq=(\d+)", ping.text())]
    sent = int(re.search(r"(\d+) packets transmitted", ping.text())[1])
    # The last one may be on its way when ping ends.
    check(sorted(came) == list(range(1, len(came) + 1)) and len(came) >= max(500, sent - 1), f"{ping.text()[-300:]}")


if __name__ == "__main__":
    lab.main(test_from_nothing_to_a_ping, test_tokens, test_another_controller, test_revoked, test_the_controller_is_away,
             test_renewal_under_traffic)
