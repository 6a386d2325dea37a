#!/usr/bin/env python3
"""Native hosts and a node: who is refused and how it is counted, new keys under traffic, restarts, two layers, garbage."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import lab
import wireguard
from flood import Flood, Garbage
from lab import ENTRESOL, PORT, Lab, Layer, Relay, Sniffer, Star, check, need, run, until

INITIATION, RESPONSE, RECORD = 0x10, 0x11, 0x14

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { const char* text = getenv("CLOCK_SHIFT"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t id, struct timespec* out) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real) real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(id, out);
  if (result == 0 && id == CLOCK_REALTIME) out->tv_sec += shift();
  return result;
}
int gettimeofday(struct timeval* out, void* zone) {
  struct timespec now; (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec; out->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
"""
DAY = 24 * 3600


def other_clock(bench: Lab, seconds: int) -> dict:
    """An environment in which the calendar is shifted; built with the machine's compiler."""
    compiler = next((tool for tool in ("cc", "gcc", "clang") if shutil.which(tool)), None)
    check(compiler, "no C compiler to shift a process's clock with")
    source, library = bench.write("clock.c", CLOCK), bench.file("clock.so")
    need(compiler, "-shared", "-fPIC", "-o", library, source, "-ldl")
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(seconds)}


def never_attached(bench: Lab, who: str, reason: str, at: str = "node", times: int = 2, env=None) -> lab.Process:
    """Starts host `who`, which tries again and again, each time refused for the reason that `at` counts."""
    before = bench.drops(at, reason) if at != who else 0
    host = bench.start_role("host", who, env=env)
    until(f"{at} counts {reason} {times} times", lambda: bench.drops(at, reason) >= before + times)
    check(not bench.attached(who), f"{who} is attached")
    return host


# ---- who is refused

def test_unknown_root(bench: Lab) -> None:
    """bob's node and bob himself, certified by another root: he dials the right key in a layer that the node is not in."""
    star = Star(bench)
    other = Layer(bench, "other")
    for who, role in (("node", "node"), ("bob", "host")):
        member = other.members[who] = lab.Member(other, who)
        member.base = star.layer.members[who].base.with_name(f"other-{who}")
        for ending in ("key", "pub"):
            shutil.copy(star.layer.members[who].path(ending), member.path(ending))
        other.certify(member, role, star.layer.members[who].ipv4)
        other.register(member, ["node"] if role == "host" else [])
    bench.configure("bob", layers=[other.host_entry("bob", f"10.83.2.1:{PORT}")])
    star.start("alice")
    never_attached(bench, "bob", "handshake_forged")
    check(bench.attached("alice"), "alice lost her node")
    # A certificate of one root in a layer of the other is refused before anything is sent.
    entry = star.layer.host_entry("bob", f"10.83.2.1:{PORT}", certificate=other.members["bob"].path("cert"))
    bench.configure("mixed", layers=[entry])
    mixed = bench.within("bob", ENTRESOL, "run", "host", "-c", bench.file("mixed.yaml"))
    check(mixed.code == 1 and ("E0203" in mixed.text or "E0206" in mixed.text), f"certificate of another root: {mixed.text}")


def test_expired_certificate(bench: Lab) -> None:
    star = Star(bench)
    past = other_clock(bench, -2 * DAY)
    layer = star.layer
    layer.certify(star.alice, "host", star.alice.ipv4, "--days", "1", env=past)
    layer.certify(star.node, "node", star.node.ipv4, env=past)
    layer.certify(star.bob, "host", star.bob.ipv4, env=past)
    for member, nodes in ((star.node, []), (star.alice, ["node"]), (star.bob, ["node"])):
        layer.register(member, nodes, "--days", "30", env=past)
    ran = bench.within("alice", ENTRESOL, "run", "host", "-c", bench.file("alice.yaml"))
    check(ran.code == 1 and "E0204" in ran.text, f"a host with an expired certificate: {ran.text}")
    star.start_node()
    # alice's own clock is behind, so that she does not know: the node refuses.
    alice = never_attached(bench, "alice", "handshake_certificate", env=past)
    alice.kill()
    layer.certify(star.alice, "host", star.alice.ipv4)
    layer.register(star.alice, ["node"])
    bench.start_host("alice")


def test_other_suite(bench: Lab) -> None:
    star = Star(bench)
    star.configure_host("alice", ["bob"], suite="chacha20-poly1305")
    star.start("bob")
    alice = never_attached(bench, "alice", "handshake_suite")
    alice.kill()
    star.configure_host("alice", ["bob"])
    bench.start_host("alice")
    bench.until_reaches("alice", star.bob.address)


def with_mac1(key: str, message: bytes) -> bytes:
    """docs/wire.md, section 8: whoever knows the receiver's public key can make mac1."""
    secret = hashlib.blake2s(b"entresol mac1" + wireguard.public_octets(key)).digest()
    body = message[:-32]
    return body + hashlib.blake2s(body, key=secret, digest_size=16).digest() + message[-16:]


def test_tampered_handshake(bench: Lab) -> None:
    """Who changes what the handshake is about ends it; repairing mac1 (which needs no secret) does not help."""
    star = Star(bench)
    star.start_node()
    relay = Relay(bench, "alice", ("10.83.1.1", PORT))
    star.configure_host("alice", ["bob"], endpoint=relay.endpoint)
    key = star.node.wireguard_key

    def changed(kind: int, at: int, value: int, repair: str | None):
        def change(datagram: bytes) -> list[bytes]:
            if datagram[:1] != bytes([kind]):
                return [datagram]
            octets = bytearray(datagram)
            octets[at] ^= value
            return [with_mac1(repair, bytes(octets)) if repair else bytes(octets)]
        return change

    for at, value, repair, reason in ((2, 3, None, "handshake_mac1"), (2, 3, key, "handshake_suite"), (1, 2, key, "handshake_suite"),
                                      (3, 3, key, "handshake_suite"), (5, 1, key, "handshake_forged"), (20, 1, key, "handshake_forged"),
                                      (100, 1, key, "handshake_forged")):
        relay.to_server = changed(INITIATION, at, value, repair)
        never_attached(bench, "alice", reason, times=1).kill()
    relay.to_server = lambda datagram: [datagram]
    for at, repair, reason in ((2, None, "handshake_mac1"), (2, star.alice.wireguard_key, "handshake_suite"),
                               (16, star.alice.wireguard_key, "handshake_forged")):
        relay.to_client = changed(RESPONSE, at, 3, repair)
        never_attached(bench, "alice", reason, at="alice", times=1).kill()
    relay.to_client = lambda datagram: [datagram]
    bench.start_host("alice")
    relay.close()


# ---- what is told

def test_who_nobody_has_told_of(bench: Lab) -> None:
    """Hosts whose directories are empty find each other, and a guest, through their node; whom it does not know nobody finds."""
    star = Star(bench, guest=True)
    for who in ("alice", "bob"):
        star.configure_host(who, [])
    star.start()
    guest = wireguard.Guest(star, star.carol)
    bench.until_reaches("alice", star.bob.address)
    bench.until_reaches("carol", star.bob.ipv4)  # only then does the node know where she is
    bench.until_reaches("alice", star.carol.ipv4)
    told = run(ENTRESOL, "-o", "json", "ping", "bob", "--control", bench.file("alice.sock"), limit=20)
    check(told.code == 0 and told.json()["received"] > 0 and told.json()["target"] == "bob", f"ping bob: {told.text}")
    nobody = run(ENTRESOL, "ping", "nobody", "--control", bench.file("alice.sock"), limit=20)
    check(nobody.code == 5 and "nor at the node" in nobody.text, f"ping nobody: {nobody.code} {nobody.text}")
    check(not bench.reaches("alice", "100.64.0.250") and bench.drops("alice", "destination_unknown") > 0, "an address that nobody has")
    guest.process.end()


def test_log(bench: Lab) -> None:
    """The node's log is JSON, one object a line, and tells of links and of what it refuses, within its budget."""
    star = Star(bench, node={"log": {"format": "json"}})
    star.start()
    bench.until_reaches("alice", star.bob.address)
    lines = lambda: [json.loads(line) for line in star.node_process.text().splitlines()]
    events = lambda name: [line for line in lines() if line["event"] == name]
    check(events("started")[0]["role"] == "node" and events("started")[0]["port"] == PORT, "start")
    up = {line["name"]: line for line in events("link_up")}
    check(set(up) == {"alice", "bob"} and up["alice"]["protocol"] == "native" and up["alice"]["address"] == star.alice.address,
          f"links that came up: {up}")
    check(up["alice"]["endpoint"].startswith("10.83.1.2:"), f"where alice is: {up['alice']}")
    with bench.socket("alice", socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(100):
            stranger.sendto(bytes([INITIATION]) + bytes(199), ("10.83.1.1", PORT))
        until("the node has dropped them", lambda: bench.drops("node", "handshake_mac1") >= 100)
    refused = events("handshake_refused")
    check(1 <= len(refused) <= 11 and refused[0]["reason"] == "handshake_mac1" and refused[0]["from"].startswith("10.83.1.2:"),
          f"refusals: {refused}")
    star.node_process.end()
    check(events("stopped"), "the end is not told")


# ---- what goes on

def test_rekeying_loses_nothing(bench: Lab) -> None:
    star = Star(bench)
    star.start()
    bench.until_reaches("alice", star.bob.address)
    handshakes = bench.link("alice", "node")["handshakes"]
    ping = bench.start("alice", "ping", "-n", "-q", "-c", "2000", "-i", "0.002", "-W", "20", star.bob.address)
    rounds = 0
    while ping.alive() and rounds < 200:
        for who in ("alice", "bob"):
            check(bench.ask(who, "rekey").code == 0, "rekey fails")
            want = bench.link(who, "node")["handshakes"]
            until("new keys", lambda: bench.link(who, "node")["handshakes"] > handshakes or want > handshakes)
        rounds += 1
    check(ping.wait() == 0 and "2000 received" in ping.text(), f"echoes are lost: {ping.text()}")
    made = bench.link("alice", "node")["handshakes"] - handshakes
    check(made >= 2, f"{made} new keys in {rounds} rounds")
    server = bench.start("bob", "iperf3", "-s", "-1")
    bench.until_listens("bob", 5201)
    traffic = bench.start("alice", "iperf3", "-u", "-b", "8M", "-l", "1000", "-t", "3", "-J", "-c", star.bob.address)
    while traffic.alive():
        for who in ("alice", "bob"):
            bench.ask(who, "rekey")
    result = json.loads(traffic.text())["end"]["sum"]
    check(result["packets"] > 1000 and result["lost_packets"] == 0, f"iperf3 -u: {result['lost_packets']} of {result['packets']} are lost")
    server.end()


def machine(bench: Lab, who: str) -> str:
    """All of a namespace that a host changes. The counters of neighbours and time stamps are no part of it."""
    words = (("-j", "addr"), ("-j", "route", "show", "table", "all"), ("-6", "-j", "route", "show", "table", "all"),
             ("-j", "rule"), ("-6", "-j", "rule"))
    text = "".join(need("ip", "-n", bench.space(who), *each).out for each in words)
    return re.sub(r'"(valid|preferred)_life_time":\d+,?', "", text)


def ended(pid: int) -> bool:
    """Also if nobody has asked for its exit code: the first process of a container may be none that does."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_nothing_stays(bench: Lab) -> None:
    star = Star(bench)
    star.start("bob")
    before = machine(bench, "alice")
    files = {path.name for path in bench.folder.iterdir()}

    def attached() -> None:
        check(machine(bench, "alice") != before, "an attached host changes nothing: the comparison shows nothing")
        bench.until_reaches("alice", star.bob.ipv4)

    for ending in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        alice = bench.start_host("alice")
        attached()
        alice.signal(ending)
        code = alice.wait()
        check(code == (-9 if ending == signal.SIGKILL else 0), f"exit code {code} after signal {ending}")
        until(f"nothing is left after signal {ending}", lambda: machine(bench, "alice") == before, 20)
        check(bench.ask("alice", "status").code == 5, "status of a host that does not run")
    up = bench.need_within("alice", ENTRESOL, "-o", "json", "up", "-c", bench.file("alice.yaml")).json()
    attached()
    again = bench.within("alice", ENTRESOL, "up", "-c", bench.file("alice.yaml"))
    check(again.code == 1 and "E0306" in again.text, f"up twice: {again.text}")
    check(bench.ask("alice", "down").code == 0, "down fails")
    until("the host has ended", lambda: ended(up["pid"]))
    until("nothing is left after `down`", lambda: machine(bench, "alice") == before, 20)
    left = {path.name for path in bench.folder.iterdir() if not path.name.endswith(".log")} - files
    check(not left, f"files are left after `down`: {left}")


def test_node_restarts(bench: Lab) -> None:
    star = Star(bench)
    star.start()
    bench.until_reaches("alice", star.bob.address)
    for _ in range(2):
        ping = bench.start("alice", "ping", "-n", "-c", "100000", "-i", "0.05", star.bob.address)
        until("echoes come back", lambda: ping.text().count("bytes from") >= 5)
        star.node_process.kill()
        star.start_node()
        seen = ping.text().count("bytes from")
        until("the same flow goes on", lambda: ping.text().count("bytes from") >= seen + 5)
        ping.end()
        bench.until_reaches("bob", star.alice.ipv4)
    star.hosts["bob"].kill()
    check(not bench.reaches("alice", star.bob.address), "a host that was killed answers")
    bench.start_host("bob")
    bench.until_reaches("alice", star.bob.address)


def test_two_layers(bench: Lab) -> None:
    """One node and alice in two layers of different roots; bob in the first, eve in the second."""
    for who in ("node", "alice", "bob", "eve"):
        bench.add_space(who)
    for net, who in enumerate(("alice", "bob", "eve"), 1):
        bench.join(who, "node", net)
    first, second = Layer(bench, "first", "100.64.0.0/16"), Layer(bench, "second", "100.65.0.0/16")
    for layer, pool, other in ((first, "100.64", "bob"), (second, "100.65", "eve")):
        layer.member("node", "node", f"{pool}.0.254")
        layer.member("alice", "host", f"{pool}.0.1", ["node"])
        layer.member(other, "host", f"{pool}.0.2", ["node"])
    check(first.names != second.names, "the two layers happen to have one prefix; run it again")
    bench.configure("node", listen=f":{PORT}", layers=[first.entry("node"), second.entry("node")])
    bench.configure("alice", layers=[first.host_entry("alice", f"10.83.1.1:{PORT}", knows=["bob"]),
                                     second.host_entry("alice", f"10.83.1.1:{PORT}", knows=["eve"], tun={"name": "ent1"})])
    bench.configure("bob", layers=[first.host_entry("bob", f"10.83.2.1:{PORT}", knows=["alice"])])
    bench.configure("eve", layers=[second.host_entry("eve", f"10.83.3.1:{PORT}", knows=["alice"])])
    bench.start_role("node", "node")
    for who in ("alice", "bob", "eve"):
        bench.start_host(who)
    for other in (first.members["bob"], second.members["eve"]):
        for address in (other.address, other.ipv4):
            bench.until_reaches("alice", address)
            check(bench.ping("alice", address, 10).all, f"echoes to {other.who} are lost")
    for who, own, foreign in (("bob", first, second.members["eve"]), ("eve", second, first.members["bob"])):
        for address in (foreign.address, foreign.ipv4, foreign.layer.members["alice"].address, foreign.layer.members["alice"].ipv4):
            need("ip", "-n", bench.space(who), "route", "add", address, "dev", "ent0")
            unknown = bench.drops(who, "destination_unknown")
            check(not bench.reaches(who, address), f"{who} reaches {address} of the other layer")
            check(bench.drops(who, "destination_unknown") > unknown, "and the host has not counted it")
    # Nor through alice, if she were made a router between the two.
    bench.need_within("alice", "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; echo 1 > /proc/sys/net/ipv4/ip_forward")
    inside = bench.status("eve")["layers"][0]["sessions"][0]["packets_in"]
    for address in (second.members["eve"].address, second.members["eve"].ipv4):
        check(not bench.reaches("bob", address), "something crosses from one layer to the other")
    check(bench.status("eve")["layers"][0]["sessions"][0]["packets_in"] == inside, "eve received something")
    sessions = bench.status("alice")["layers"]
    check([[each["far"] for each in layer["sessions"]] for layer in sessions] == [["bob"], ["eve"]], "alice's sessions")


# ---- garbage

def resident(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


class Stream:
    """One TCP connection over which `who` gets octets without end, each of which is compared."""

    CONTENT = os.urandom(1 << 20)

    def __init__(self, bench: Lab, who: str, server: str, address: str):
        listener = bench.socket(server, socket.AF_INET6, socket.SOCK_STREAM)
        listener.bind((address, 7000))
        listener.listen()
        self._near = bench.socket(who, socket.AF_INET6, socket.SOCK_STREAM)
        self._near.settimeout(lab.PATIENCE)
        self._near.connect((address, 7000))
        self._far, _ = listener.accept()
        listener.close()
        self.received, self.wrong, self._ends = 0, "", False
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in (self._give, self._take)]
        for thread in self._threads:
            thread.start()

    def _give(self) -> None:
        while not self._ends:
            self._far.sendall(self.CONTENT)
        self._far.close()

    def _take(self) -> None:
        expected = self.CONTENT + self.CONTENT
        try:
            while octets := self._near.recv(1 << 18):
                at = self.received % len(self.CONTENT)
                if octets != expected[at : at + len(octets)]:
                    self.wrong = f"other octets at {self.received}"
                self.received += len(octets)
        except OSError as error:
            self.wrong = str(error)

    def stop(self) -> None:
        self._ends = True
        for thread in self._threads:
            thread.join(lab.PATIENCE)
        self._near.close()


MILLION = 1_000_000
GROWTH = 512  # KiB; half an octet a datagram would show
FLOOD_TIME = 120


def live_datagrams(bench: Lab, star: Star) -> list[bytes]:
    """What alice sends to her node: a handshake, and records of live keys."""
    sniffer = Sniffer(bench, "node", "to-alice")
    check(bench.ask("alice", "rekey").code == 0, "rekey fails")
    until("there is a handshake", lambda: any(each[:1] == bytes([INITIATION]) for each in sniffer.udp(outgoing=False)))
    check(bench.ping("alice", star.bob.address, 50, 0.01, 5, "-s", "600").all, "echoes are lost")
    sniffer.close()
    live = [each for each in sniffer.udp(outgoing=False) if len(each) < 1400]
    check(sum(each[:1] == bytes([RECORD]) for each in live) >= 50, "no records were seen")
    return live


def test_garbage(bench: Lab) -> None:
    """A million datagrams that mean nothing, or that have had their meaning: memory does not grow and a transfer goes on."""
    star = Star(bench, others=["dave"])
    star.start()
    bench.until_reaches("alice", star.bob.address)

    def seen() -> int:
        return sum(bench.status("node")["drops"].values())

    def flood() -> Flood:
        sender = bench.socket("dave", socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect((f"10.83.{Star.NETS['dave']}.1", PORT))
        return Flood(sender, Garbage(live))

    live = live_datagrams(bench, star)
    stream = Stream(bench, "alice", "bob", star.bob.address)
    first = flood()  # what is allocated once is allocated now
    until("the node has seen garbage", lambda: seen() > 50_000)
    first.stop()
    before, links, had = resident(star.node_process.pid), len(bench.status("node")["links"]), seen()
    flooding = flood()
    flowed = stream.received
    deadline = time.monotonic() + FLOOD_TIME
    while seen() < had + MILLION and time.monotonic() < deadline:
        reached = stream.received
        until("the transfer goes on", lambda: stream.received >= reached + (4 << 20) or stream.wrong)
    flooding.stop()
    counted, after, flowed = seen() - had, resident(star.node_process.pid), (stream.received - flowed) >> 20
    print(f"    {counted} datagrams dropped of {flooding.sent} sent, {flowed} MiB transferred beside them, {before} KiB before, {after} after")
    stream.stop()
    check(not stream.wrong, f"the transfer beside the garbage: {stream.wrong}")
    check(counted >= MILLION, f"the node has seen only {counted} of {flooding.sent} datagrams of garbage in {FLOOD_TIME} s")
    check(flowed >= 64, f"{flowed} MiB beside the garbage")
    check(after - before < GROWTH, f"memory grows from {before} to {after} KiB")
    drops = bench.status("node")["drops"]
    for reason in ("record_truncated", "record_type_unknown", "record_index_unknown", "record_replayed", "record_forged", "handshake_malformed",
                   "handshake_mac1", "handshake_cookie"):
        check(drops.get(reason, 0) > 100, f"the garbage had nothing that is {reason}: {drops}")
    check(star.node_process.alive() and len(bench.status("node")["links"]) == links, "links have come or gone")
    check(bench.attached("alice") and bench.ping("alice", star.bob.ipv4, 5).all, "echoes after the garbage are lost")


if __name__ == "__main__":
    lab.main(test_unknown_root, test_expired_certificate, test_other_suite, test_tampered_handshake, test_who_nobody_has_told_of, test_log, test_rekeying_loses_nothing,
             test_nothing_stays, test_node_restarts, test_two_layers, test_garbage, tools=("iperf3", "ss"))
