#!/usr/bin/env python3
"""Names of members for unmodified programs: dig, the C library, Python; other names go where they went before, also after
kill -9; and resolv.conf comes back byte for byte."""

import atexit
import ipaddress
import os
import re
import stat
from pathlib import Path

import lab
from lab import Lab, check, until
from names import ELSEWHERE, OWN, PATIENT, Cell, Names, forget_files

BEFORE = f"# by hand, without an end of line\nsearch example.org\nnameserver 10.83.1.1\n{PATIENT}; end"


def test_names(bench: Lab) -> None:
    """What dig, the C library and Python get; each kind of answer."""
    edge = Names(bench)
    edge.start_upstream()
    edge.mounted(bench, "alice").write_text(BEFORE)
    edge.join("alice", "bob")
    edge.up("alice", {})
    edge.until_reaches("bob", "alice")
    bob, alice = edge.layer("bob"), edge.layer("alice")

    # The first question is the first that alice hears of bob: she asks her node.
    check(edge.short("alice", "bob.edge.internal", "AAAA") == [bob["address"]], "AAAA")
    check(edge.short("alice", "BoB.Edge.INTERNAL", "A") == [bob["ipv4"]], "A, whatever the case")
    check(edge.short("alice", "alice.edge.internal", "AAAA") == [alice["address"]], "alice herself")
    check(edge.short("alice", "+tcp", "bob.edge.internal", "AAAA") == [bob["address"]], "over TCP")
    for address in (bob["address"], bob["ipv4"]):
        check(edge.short("alice", "-x", address) == ["bob.edge.internal."], f"-x {address}")
    got = edge.getent("alice", "bob.edge.internal")
    check(bob["address"] in got and bob["ipv4"] in got, f"getent: {got!r}")
    got = edge.do("alice", "python3", "-c", "import socket; print(socket.gethostbyaddr('%s')[0])" % bob["address"]).out
    check(got.strip() == "bob.edge.internal", f"Python: {got!r}")
    check(edge.do("alice", "ping", "-n", "-c", "1", "-W", "10", "bob.edge.internal").code == 0, "ping by name")

    whole = edge.dig("alice", "bob.edge.internal", "AAAA")
    check(re.search(r"flags: qr aa rd ra;", whole), f"flags: {whole}")
    ttl = int(re.search(r"bob\.edge\.internal\.\s+(\d+)\s+IN", whole)[1])
    check(0 < ttl <= 60, f"TTL {ttl}")
    nobody = edge.dig("alice", "nobody.edge.internal", "AAAA")
    check("status: NXDOMAIN" in nobody and re.search(r"edge\.internal\.\s+5\s+IN\s+SOA", nobody), f"nobody: {nobody}")
    nodata = edge.dig("alice", "bob.edge.internal", "MX")
    check("status: NOERROR" in nodata and "ANSWER: 0" in nodata and "SOA" in nodata, f"MX: {nodata}")
    unused = str(ipaddress.ip_address(bob["ipv4"]) + 1000)
    check("status: NXDOMAIN" in edge.dig("alice", "-x", unused), "-x of nobody's address")
    check("status: REFUSED" in edge.dig("alice", "+tcp", "+nocookie", "version.bind", "CH", "TXT"), "CH")
    check("status: BADVERS" in edge.dig("alice", "+edns=1", "+noednsneg", "bob.edge.internal"), "EDNS 1")

    shared = edge.bench_name("web", "bob")
    check(edge.short("alice", "web.edge.internal", "AAAA") == [shared["name"]], "AAAA of a shared name")
    check(edge.short("alice", "web.edge.internal", "A") == [shared["ipv4"]], "A of a shared name")
    check(edge.short("alice", "-x", shared["ipv4"]) == ["web.edge.internal."], "-x of a shared name's address")

    check(edge.short("alice", "www.example.org") == [ELSEWHERE], "another name")
    check(edge.getent("alice", "www").startswith(ELSEWHERE), "the search list is kept")
    big = edge.dig("alice", "big.example.org", "TXT")
    check("Truncated, retrying in TCP" in big and big.count("x" * 250) == 8, f"TC, then TCP: {big[:300]}")
    said = edge.dns("alice")
    check(said["in_place"] and said["resolv_conf"] == "plain" and said["upstream"] == ["10.83.1.1:53"], f"status: {said}")
    check(said["answered_here"] > 10 and said["forwarded"] >= 3 and said["refused"] == 1 and said["malformed"] == 1, f"status: {said}")
    edge.down("alice")
    check(edge.mounted(bench, "alice").read_text() == BEFORE, "resolv.conf is not what it was")
    edge.holds_elsewhere("alice")


def killed_and_back(edge: Names, read) -> None:
    """`read` gives resolv.conf as (content, mode, what it is)."""
    before = read()
    edge.up("alice", {})
    edge.until_named("alice", "bob")
    edge.holds_elsewhere("alice")
    check(read() != before and OWN.encode() in read()[0], "resolv.conf is as it was")
    for _ in range(2):
        edge.slay("alice")
        edge.holds_elsewhere("alice")
        edge.up("alice", {})
        edge.until_named("alice", "bob")
        edge.holds_elsewhere("alice")
        check(edge.dns("alice")["upstream"] == ["10.83.1.1:53"], f"upstream: {edge.dns('alice')}")
    edge.down("alice")
    check(read() == before, f"before {before}, after {read()}")
    edge.holds_elsewhere("alice")


def test_mounted_file(bench: Lab) -> None:
    """A file that another is mounted on cannot be replaced: it is written in place."""
    edge = Names(bench)
    edge.start_upstream()
    file = edge.mounted(bench, "alice")
    file.write_text(BEFORE)
    file.chmod(0o640)
    edge.join("alice", "bob")
    killed_and_back(edge, lambda: (file.read_bytes(), stat.S_IMODE(file.stat().st_mode), "file"))


def in_a_cell(bench: Lab, script: str) -> tuple[Names, Path]:
    edge = Names(bench)
    edge.start_upstream()
    edge.join("alice", "bob")
    edge.down("alice")
    bench.write("before", BEFORE)
    edge.cells["alice"] = Cell(bench, "alice", script=script.replace("BEFORE", str(bench.file("before"))))
    edge.pids["alice"] = 0
    return edge, edge.cells["alice"].path("/etc/resolv.conf")


def look(path: Path):
    """Links inside a mount namespace lead elsewhere from outside: they are followed by hand."""
    if path.is_symlink():
        target = os.readlink(path)
        return (path.parent / target).read_bytes(), 0, target
    return path.read_bytes(), stat.S_IMODE(path.stat().st_mode), "file"


def test_file(bench: Lab) -> None:
    edge, path = in_a_cell(bench, "rm -f /etc/resolv.conf; cp BEFORE /etc/resolv.conf; chmod 604 /etc/resolv.conf")
    killed_and_back(edge, lambda: look(path))
    check(not list(path.parent.glob("resolv.conf.*")), "files are left in /etc")


def test_link(bench: Lab) -> None:
    edge, path = in_a_cell(bench, "cp BEFORE /etc/kept-elsewhere; ln -sf kept-elsewhere /etc/resolv.conf")
    killed_and_back(edge, lambda: look(path))


def test_somebody_else_writes(bench: Lab) -> None:
    """What a DHCP client wrote meanwhile is left alone, and said."""
    edge = Names(bench)
    edge.start_upstream()
    edge.mounted(bench, "alice").write_text(BEFORE)
    edge.join("alice", "bob")
    edge.up("alice", {})
    edge.until_named("alice", "bob")
    edge.mounted(bench, "alice").write_text("nameserver 10.83.1.1\n")
    check(edge.dns("alice")["in_place"] is False, "status does not say that nobody asks us")
    edge.down("alice")
    check(edge.mounted(bench, "alice").read_text() == "nameserver 10.83.1.1\n", "what somebody else wrote is gone")
    check("resolv_conf_left" in (edge.folder("alice") / "host.sock.log").read_text()
          or "rewritten" in (edge.folder("alice") / "host.sock.log").read_text(), "nothing is said")


def test_a_taken_port(bench: Lab) -> None:
    """Names fail, and nothing else."""
    edge = Names(bench)
    edge.mounted(bench, "alice").write_text(BEFORE)
    edge.join("alice", "bob")
    edge.bench.start("alice", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                     "--pid-file=", "--bind-interfaces", f"--listen-address={OWN}")
    until("the port is taken", lambda: OWN in edge.do("alice", "ss", "-Hlun").out)
    edge.up("alice", {})
    edge.until_reaches("alice", "bob")
    said = edge.dns("alice")
    check("cannot listen" in said.get("error", "") and not said["in_place"], f"status: {said}")
    check(edge.mounted(bench, "alice").read_text() == BEFORE, "resolv.conf is not what it was")


class Guest:
    """Debian's wireguard-go, with the file that `guest add` prints, as wg-quick reads it."""

    def __init__(self, edge: Names, who: str):
        bench, self.device = edge.bench, f"wg{os.getpid()}-dns"
        ran = edge.admin("guest", "add", who)
        check(ran.code == 0, f"guest add: {ran.text}")
        lines = [line.partition(" = ") for line in ran.json()["config"].splitlines()]
        quick = {key: value.split(", ") for key, _, value in lines if key in ("Address", "DNS", "MTU", "AllowedIPs")}
        self.servers, self.domain = quick["DNS"][:-1], quick["DNS"][-1]
        config = bench.write(f"{who}.conf", "\n".join(key + equals + value for key, equals, value in lines
                                                     if key not in ("Address", "DNS", "MTU")) + "\n")
        process = bench.start(who, "wireguard-go", "-f", self.device, env={"WG_PROCESS_FOREGROUND": "1"})
        socket = Path(f"/var/run/wireguard/{self.device}.sock")
        until("wireguard-go is there", lambda: socket.exists() or not process.alive())
        bench.need_within(who, "wg", "setconf", self.device, config)
        for address in quick["Address"]:
            bench.need_within(who, "ip", "addr", "add", address, "dev", self.device, *["nodad"] * (":" in address))
        bench.need_within(who, "ip", "link", "set", self.device, "mtu", quick["MTU"][0], "up")
        for route in quick["AllowedIPs"]:
            bench.need_within(who, "ip", "route", "add", route, "dev", self.device)


FLOOD = """
import socket, sys
query = bytes.fromhex("000701000001000000000000") + b"\\5alice\\4edge\\x08internal\\0\\0\\x1c\\0\\1"
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for _ in range(2000):
    s.sendto(query, (sys.argv[1], 53))
"""


def test_guest(bench: Lab) -> None:
    """A WireGuard client asks the node inside its tunnel, at the addresses that its file names."""
    edge = Names(bench, "alice", "bob", "carol")
    edge.start_upstream()
    edge.join("alice", "bob")
    alice = edge.layer("alice")
    guest = Guest(edge, "carol")
    names = ipaddress.ip_network((alice["address"], 32), strict=False)
    shared = edge.bench_name("web", "bob")
    check(guest.servers == ["100.127.255.254", str(names[0x35])] and guest.domain == "edge.internal", f"DNS = {guest.servers}")
    for server in guest.servers:
        at = f"@{server}"
        check(edge.short("carol", at, "alice.edge.internal", "AAAA") == [alice["address"]], f"AAAA {at}")
        check(edge.short("carol", at, "alice.edge.internal", "A") == [alice["ipv4"]], f"A {at}")
        check(edge.short("carol", at, "-x", alice["address"]) == ["alice.edge.internal."], f"-x {at}")
        check(edge.short("carol", at, "-x", alice["ipv4"]) == ["alice.edge.internal."], f"-x {at}")
        check(edge.short("carol", at, "web.edge.internal", "AAAA") == [shared["name"]], f"AAAA of a shared name {at}")
        check(edge.short("carol", at, "carol.edge.internal", "A") != [], f"carol herself {at}")
        check("status: NXDOMAIN" in edge.dig("carol", at, "nobody.edge.internal"), f"nobody {at}")
        check(edge.short("carol", at, "www.example.org") == [ELSEWHERE], f"another name {at}")
        check(re.search("flags: qr[a-z ]* tc", edge.dig("carol", at, "+ignore", "big.example.org", "TXT")), f"too large {at}")
        # Nobody listens there over TCP, which is said at once: dig tries for a minute.
        check(edge.do("carol", "dig", at, "+tcp", "+time=60", "+tries=1", "alice.edge.internal").code != 0, f"TCP {at}")
        check(edge.do("alice", "dig", at, "+time=1", "+tries=1", "bob.edge.internal").code != 0, f"a host asks {at}")
    check(edge.do("carol", "ping", "-n", "-c", "1", "-W", "10", alice["address"]).code == 0, "ping")

    check(edge.do("carol", "python3", "-c", FLOOD, guest.servers[1]).code == 0, "flood")
    dns = lambda: (edge.node_status().get("layers") or [{}])[0].get("dns", {})
    until("the budget ends", lambda: dns().get("over_budget", 0) > 0)
    check(dns()["queries"] < 2000, f"status: {dns()}")
    until("the budget is there again", lambda: edge.do("carol", "dig", "+short", "+time=1", "+tries=1", f"@{guest.servers[1]}",
                                                       "alice.edge.internal", "AAAA").out.strip() == alice["address"])


if __name__ == "__main__":
    atexit.register(forget_files)
    lab.main(test_names, test_mounted_file, test_file, test_link, test_somebody_else_writes, test_a_taken_port,
             test_guest, tools=("dig", "dnsmasq", "unshare", "nsenter", "wireguard-go", "wg"))
