#!/usr/bin/env python3
"""Sizes: what fits arrives, what does not is told to the sender; over IPv4 and IPv6 underlays, from hosts and guests."""

import errno
import hashlib
import http.server
import os
import re
import socket
import struct
import threading

import lab
from lab import PORT, Lab, Star, check, need, until, within
from wireguard import Guest

INNER_V4, INNER_V6 = 1360, 1340  # inner MTU over an underlay of 1500: docs/operations.md, Sizes
ECHO_V4, ECHO_V6 = 20 + 8, 40 + 8


def scene(bench: Lab, bob_over_ipv6: bool = True, bob_mtu: int = 1500) -> Star:
    """alice over IPv4, carol a guest at 1420, bob over IPv6 or over a narrower network."""
    star = Star(bench, guest=True)
    endpoint = f"[fd83:2::1]:{PORT}" if bob_over_ipv6 else f"10.83.2.1:{PORT}"
    star.configure_host("bob", ["alice", "carol"], endpoint, top={"underlay_mtu": bob_mtu})
    star.start()
    bench.until_reaches("alice", star.bob.address)
    return star


def device_mtu(bench: Lab, who: str) -> int:
    return int(re.search(r"mtu (\d+)", bench.need_within(who, "ip", "link", "show", "ent0").out)[1])


def test_every_size(bench: Lab) -> None:
    """One echo of each size from the smallest to the largest that fits, both ways, by one socket each."""
    star = scene(bench)
    check(device_mtu(bench, "alice") == INNER_V4 and device_mtu(bench, "bob") == INNER_V6, "MTU of the devices")
    for family, address, head, kind in ((socket.AF_INET6, star.bob.address, ECHO_V6, 128), (socket.AF_INET, star.bob.ipv4, ECHO_V4, 8)):
        protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
        sender = bench.socket("alice", family, socket.SOCK_RAW, protocol)
        sender.settimeout(lab.PATIENCE)
        sender.connect((address, 0))
        # bob's device has 1340: larger ones would be split by his kernel, which is another test.
        missing = set(range(56, INNER_V6 - head + 1))
        for size in sorted(missing):
            body = struct.pack("!HH", 4242, size) + os.urandom(size)
            sender.send(with_checksum(family, kind, body))
            while size in missing:
                octets = sender.recv(65535)
                octets = octets[20:] if family == socket.AF_INET else octets
                if octets[0] == (129 if kind == 128 else 0) and octets[4:] == body:
                    missing.discard(size)
        check(not missing, f"echoes of sizes {sorted(missing)} did not come back whole")
        sender.close()


def with_checksum(family: int, kind: int, body: bytes) -> bytes:
    """An ICMP echo; the kernel fills in ICMPv6's checksum."""
    message = bytes([kind, 0, 0, 0]) + body
    if family == socket.AF_INET6:
        return message
    padded = message + b"\0" * (len(message) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack("!H", total ^ 0xFFFF) + message[4:]


def too_big_for(bench: Lab, who: str, family: int, address: str, size: int) -> int:
    """Sends a UDP datagram of `size` octets, IP header included, that may not be split, until the kernel says EMSGSIZE: the MTU
    that it has then learnt. 0 if it is never told."""
    level, discover, do, mtu, head = ((socket.IPPROTO_IPV6, 23, 2, 24, 48) if family == socket.AF_INET6
                                      else (socket.IPPROTO_IP, 10, 2, 14, 28))
    with bench.socket(who, family, socket.SOCK_DGRAM) as sender:
        sender.connect((address, 9))
        sender.setsockopt(level, discover, do)

        def told() -> int:
            try:
                sender.send(bytes(size - head))
            except OSError as error:
                return sender.getsockopt(level, mtu) if error.errno == errno.EMSGSIZE else 0
            return 0

        return until(f"{who} is told that {size} octets to {address} are too many", told, 20)


def test_too_big_is_told(bench: Lab) -> None:
    """bob's link carries the least that is allowed: who sends more is told so, at the sender's own device or on the way."""
    star = scene(bench, bob_mtu=1440)
    Guest(star, star.carol)
    bench.until_reaches("carol", star.bob.address)
    check(device_mtu(bench, "alice") == INNER_V4 and device_mtu(bench, "bob") == 1280, "MTU of the devices")
    check(bench.link("node", "bob")["inner_mtu"] == 1280, "the node has not learnt how small bob's link is")
    for who in ("alice", "carol"):
        for family, address in ((socket.AF_INET, star.bob.ipv4), (socket.AF_INET6, star.bob.address)):
            learnt = too_big_for(bench, who, family, address, INNER_V4)
            check(learnt == 1280, f"{who} learns {learnt} on the way to {address}")
            check(bench.ping(who, address, 3, 0.02, 5, "-M", "do", "-s", 1280 - (48 if ":" in address else 28)).all, "what fits does not arrive")
    check(bench.drops("node", "too_big") >= 1, "the node has not counted what it could not send")
    check(too_big_for(bench, "alice", socket.AF_INET, star.carol.ipv4, 1400) == INNER_V4, "alice, her own device, IPv4")
    check(too_big_for(bench, "alice", socket.AF_INET6, star.carol.address, 1400) == INNER_V4, "alice, her own device, IPv6")


def test_too_big_for_every_link(bench: Lab) -> None:
    """A guest's device is larger than any native link: what fits none, its node refuses at once, and says so."""
    star = scene(bench)
    Guest(star, star.carol)
    bench.until_reaches("carol", star.alice.address)
    for family, address in ((socket.AF_INET6, star.alice.address), (socket.AF_INET, star.alice.ipv4)):
        check(too_big_for(bench, "carol", family, address, 1420) == INNER_V4, f"carol, on the way to {address}")


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    digests: list[str] = []

    def do_PUT(self) -> None:
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        while left:
            part = self.rfile.read(min(left, 65536))
            digest.update(part)
            left -= len(part)
        self.digests.append(digest.hexdigest())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


def receiver(bench: Lab, who: str) -> http.server.ThreadingHTTPServer:
    with within(bench.space(who)):
        server = type("V6", (http.server.ThreadingHTTPServer,), {"address_family": socket.AF_INET6})(("::", 8080), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_guest_uploads(bench: Lab) -> None:
    """A guest at 1420 sends segments that do not fit the native link behind the node: it has to be told, or it hangs."""
    star = scene(bench, bob_mtu=1440)
    Guest(star, star.carol)
    bench.until_reaches("carol", star.bob.address)
    # bob's TCP announces what his device carries; with a larger device the senders do not know how small his link is.
    need("ip", "-n", bench.space("bob"), "link", "set", "ent0", "mtu", "1420")
    server = receiver(bench, "bob")
    content = bench.file("upload")
    content.write_bytes(os.urandom(5 << 20))
    want = hashlib.sha256(content.read_bytes()).hexdigest()
    for who in ("carol", "alice"):
        for address in (f"[{star.bob.address}]", star.bob.ipv4):
            Receiver.digests.clear()
            got = bench.within(who, "curl", "-s", "-S", "--max-time", "20", "-T", content, f"http://{address}:8080/", limit=30)
            check(got.code == 0 and Receiver.digests == [want], f"upload from {who} to {address}: {got.text}")
    check(bench.drops("node", "too_big") > 0, "nothing was too big: the test shows nothing")
    server.shutdown()
    server.server_close()


def test_udp_1300(bench: Lab) -> None:
    star = scene(bench)
    Guest(star, star.carol)
    for who in ("alice", "carol"):
        for address in (star.bob.ipv4, star.bob.address):
            bench.until_reaches(who, address)
            server = bench.start("bob", "iperf3", "-s", "-1")
            bench.until_listens("bob", 5201)
            result = bench.within(who, "iperf3", "-u", "-l", "1290", "-b", "5M", "-n", "1000000", "-J", "-c", address).json()
            total = result["end"]["sum"]
            check(total["packets"] > 700 and total["lost_packets"] == 0, f"{who} to {address}: {total}")
            server.end()


SIZES = (1332, 1400, 1473, 4000, 9000, 40000)


def fragments(bench: Lab, star: Star, pairs, seconds: float) -> None:
    members = {"alice": star.alice, "bob": star.bob, "carol": star.carol}
    for sender, far in pairs:
        bench.until_reaches(sender, members[far].address)
        for family, address in ((socket.AF_INET, members[far].ipv4), (socket.AF_INET6, members[far].address)):
            level, discover = (socket.IPPROTO_IPV6, 23) if family == socket.AF_INET6 else (socket.IPPROTO_IP, 10)
            with bench.socket(far, family, socket.SOCK_DGRAM) as listener, bench.socket(sender, family, socket.SOCK_DGRAM) as out:
                listener.bind((address, 4000))
                listener.settimeout(0.5)
                out.connect((address, 4000))
                out.setsockopt(level, discover, 0)  # the kernel splits, without DF
                for size in SIZES:
                    arrives(out, listener, os.urandom(size), f"{size} octets from {sender} to {address}", seconds)


def test_fragments(bench: Lab) -> None:
    """Datagrams that the sender's kernel splits arrive whole: between hosts, and from and to a guest."""
    star = scene(bench, bob_over_ipv6=False)
    Guest(star, star.carol, mtu=1360)
    bench.until_reaches("carol", star.bob.address)
    fragments(bench, star, (("alice", "bob"), ("bob", "alice"), ("carol", "bob"), ("bob", "carol")), lab.PATIENCE)


def test_fragments_too_big(bench: Lab) -> None:
    """The same where a fragment does not fit the second link: the sender is told (Packet Too Big) and splits smaller."""
    star = scene(bench)
    fragments(bench, star, (("bob", "alice"), ("alice", "bob")), 15)


def test_nodes_cut_for_guests(bench: Lab) -> None:
    """IPv4 without DF that fits a guest's device and no native link: nobody but its node can cut it."""
    star = scene(bench, bob_over_ipv6=False)
    Guest(star, star.carol)
    bench.until_reaches("carol", star.bob.address)
    with bench.socket("bob", socket.AF_INET, socket.SOCK_DGRAM) as listener, bench.socket("carol", socket.AF_INET, socket.SOCK_DGRAM) as out:
        listener.bind((star.bob.ipv4, 4000))
        listener.settimeout(0.5)
        out.connect((star.bob.ipv4, 4000))
        out.setsockopt(socket.IPPROTO_IP, 10, 0)
        for size in (INNER_V4 - 28 + 1, 1380, 1420 - 28):
            arrives(out, listener, os.urandom(size), f"{size} octets from carol", lab.PATIENCE)
    check(bench.drops("node", "too_big") == 0, "refused instead of cut")


def arrives(out: socket.socket, listener: socket.socket, content: bytes, what: str, seconds: float) -> None:
    """Sent anew until it comes: the first may be answered with what fits, from which the kernel then learns."""
    def came() -> bool:
        out.send(content)
        try:
            return listener.recv(65535) == content
        except socket.timeout:
            return False

    until(f"{what} arrive", came, seconds)


if __name__ == "__main__":
    lab.main(test_every_size, test_too_big_is_told, test_too_big_for_every_link, test_guest_uploads, test_udp_1300, test_fragments,
             test_fragments_too_big, test_nodes_cut_for_guests,
             tools=("wg", "wireguard-go", "iperf3", "curl", "ss"))
