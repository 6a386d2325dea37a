#!/usr/bin/env python3
"""What is on the links is what docs/wire.md says, to the last octet: captures of both links are decoded with the key logs
of all three members by the second implementation in tests/conformance/, which knows nothing of the product's code."""

import os
import signal
import socket
import sys

import lab
from lab import PORT, ROOT, Lab, Process, Star, check, need, until

DECODER = ROOT / "tests" / "conformance" / "decode_capture.py"
OWN_DATAGRAMS = {"gro": False, "gso": False}  # one record a datagram, as on a cable


class Capture:
    def __init__(self, bench: Lab, who: str, device: str):
        self.path = bench.file(f"{who}-{device}.pcap")
        need("ip", "-n", bench.space(who), "link", "set", device, "gso_max_segs", "1")
        self._dump: Process = bench.start(who, "tcpdump", "-Z", "root", "-U", "--immediate-mode", "-B", "32768", "-s", "0", "-i", device,
                                          "-w", self.path, "udp", "port", str(PORT))
        until(f"tcpdump listens at {device}", lambda: "listening on" in self._dump.text())

    def has(self, octets: bytes) -> bool:
        return octets in self.path.read_bytes()

    def end(self) -> None:
        self._dump.signal(signal.SIGINT)
        self._dump.wait()
        check("\n0 packets dropped by kernel" in self._dump.text(), f"the capture is not whole: {self._dump.text()}")


def scene(bench: Lab, suite: str) -> Star:
    star = Star(bench, node={"udp": OWN_DATAGRAMS, "key_log": "node.keys"})
    star.configure_node(suite=suite)
    for who, other in (("alice", "bob"), ("bob", "alice")):
        bench.write(f"{who}.keys", "")
        star.configure_host(who, [other], suite=suite, top={"udp": OWN_DATAGRAMS, "key_log": f"{who}.keys"})
    bench.write("node.keys", "")
    for who in ("node", "alice", "bob"):
        bench.file(f"{who}.keys").chmod(0o600)
    return star


def there_and_back(bench: Lab, address: str, content: bytes) -> None:
    """Sends `content` from alice to bob and back, over TCP and in part over UDP."""
    listener = bench.socket("bob", socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 7000))
    listener.listen()
    client = bench.socket("alice", socket.AF_INET6, socket.SOCK_STREAM)
    client.settimeout(lab.PATIENCE)
    client.connect((address, 7000))
    far, _ = listener.accept()
    far.settimeout(lab.PATIENCE)
    client.sendall(content)
    got = b""
    while len(got) < len(content):
        got += far.recv(65536)
    far.sendall(got)
    back = b""
    while len(back) < len(content):
        back += client.recv(65536)
    check(back == content, "TCP does not bring back what was sent")
    for each in (client, far, listener):
        each.close()
    answerer = bench.socket("bob", socket.AF_INET6, socket.SOCK_DGRAM)
    answerer.bind((address, 7001))
    asker = bench.socket("alice", socket.AF_INET6, socket.SOCK_DGRAM)
    asker.connect((address, 7001))
    for each in (answerer, asker):
        each.settimeout(lab.PATIENCE)
    for size in (32, 500, 3000):
        asker.send(content[:size])
        octets, source = answerer.recvfrom(65535)
        answerer.sendto(octets, source)
        check(asker.recv(65535) == content[:size], "UDP does not bring back what was sent")
    answerer.close()
    asker.close()


def traffic(bench: Lab, star: Star, marker: bytes) -> None:
    """Of everything something: echoes of both versions, TCP, UDP, fragments, ICMP errors, control echoes, new keys, a restart."""
    for address in (star.bob.address, star.bob.ipv4):
        bench.until_reaches("alice", address)
        check(bench.ping("alice", address, 10, 0.01, 5, "-s", "200", "-p", marker[:16].hex()).all, "echoes are lost")
    there_and_back(bench, star.bob.address, marker + os.urandom(40000) + marker)
    check(bench.ask("alice", "rekey").code == 0, "rekey")
    check(bench.ping("alice", star.bob.ipv4, 5, 0.01, 5, "-s", "3000").all, "large echoes are lost")
    check(bench.ask("alice", "ping", "bob").code == 0, "ping in the layer")
    bench.within("alice", "ping", "-n", "-c", "1", "-t", "1", "-W", "2", star.bob.address)
    star.hosts["bob"].kill()
    star.hosts["bob"] = bench.start_host("bob")
    bench.until_reaches("alice", star.bob.address)
    there_and_back(bench, star.bob.address, marker * 10)


def decode(bench: Lab, captures, keys, *more) -> lab.Ran:
    words = [word for each in keys for word in ("--keys", each)]
    return lab.run(sys.executable, "-B", DECODER, *(each.path for each in captures), *words, "--port", PORT, "--require-keys",
                   "--json", *more, limit=300)


def decoded(bench: Lab, suite: str) -> None:
    star = scene(bench, suite)
    captures = [Capture(bench, "node", "to-alice"), Capture(bench, "node", "to-bob")]
    star.start()
    marker = os.urandom(32)
    traffic(bench, star, marker)
    for each in captures:
        each.end()
    members = bench.write("members.keys", "".join(
        f"MEMBER {lab.ipaddress.IPv6Address(each.address).packed.hex()} {each.ipv4}\n" for each in (star.node, star.alice, star.bob)))
    keys = [bench.file(f"{who}.keys") for who in ("node", "alice", "bob")]
    ran = decode(bench, captures, [*keys, members], "--expect-inner", "ICMP,TCP,UDP", "--find", marker.hex(), "--absent", marker.hex())
    check(ran.code == 0, f"the captures do not decode: {ran.text[-3000:]}")
    counts = ran.json()["counts"]
    for what in ("link records", "session records", "inner fragments", "link handshake initiation", "link handshake response",
                 "session handshake initiation", "control: echo request", "inner checksums verified"):
        check(counts.get(what, 0) > 0, f"no {what}: {counts}")
    # The decoder can fail: without one of the logs, with another marker, with one octet changed.
    check(decode(bench, captures, [*keys[:2], members]).code == 1, "it decodes without bob's keys")
    check(decode(bench, captures, [*keys, members], "--find", os.urandom(32).hex()).code == 1, "it finds what was not sent")
    octets = bytearray(captures[0].path.read_bytes())
    octets[len(octets) // 2] ^= 1
    captures[0].path.write_bytes(octets)
    check(decode(bench, captures, [*keys, members]).code != 0, "it decodes what was changed")


def test_aes(bench: Lab) -> None:
    decoded(bench, "aes-256-gcm")


def test_chacha20(bench: Lab) -> None:
    decoded(bench, "chacha20-poly1305")


if __name__ == "__main__":
    lab.main(test_aes, test_chacha20, tools=("tcpdump",))
