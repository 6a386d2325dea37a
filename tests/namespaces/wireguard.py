"""Debian's wireguard-go in a namespace, configured with wg, and the few bytes of its protocol that the tests look at."""

import base64
import hashlib
import os
from pathlib import Path

from lab import PORT, Lab, Member, Star, check, need, until

INITIATION, RESPONSE, COOKIE_REPLY, DATA = 1, 2, 3, 4
INITIATION_SIZE, COOKIE_REPLY_SIZE = 148, 64
_MAC1_AT, _MAC2_AT = 116, 132
_numbers = iter(range(1000))


def public_octets(key: str) -> bytes:
    return base64.b64decode(key)


def mac1(receiver_key: str, message: bytes) -> bytes:
    """The WireGuard paper, section 5.4.4."""
    key = hashlib.blake2s(b"mac1----" + public_octets(receiver_key)).digest()
    return hashlib.blake2s(message, key=key, digest_size=16).digest()


def empty_initiation(receiver_key: str, random: bytes) -> bytes:
    """An initiation of the right form with a right mac1; what it should authenticate is random."""
    head = bytes([INITIATION, 0, 0, 0]) + random[:_MAC1_AT - 4].ljust(_MAC1_AT - 4, b"\x55")
    return head + mac1(receiver_key, head) + bytes(16)


def has_mac2(message: bytes) -> bool:
    return any(message[_MAC2_AT:])


def of_type(datagrams, kind: int) -> list[bytes]:
    return [datagram for datagram in datagrams if datagram[:1] == bytes([kind])]


class Guest:
    """wireguard-go for a guest. Interface names are unique on the machine: its control sockets are files."""

    def __init__(self, star: Star, member: Member, who: str = "carol", endpoint: str | None = None, node_key: str | None = None,
                 preshared_key: str = "", mtu: int = 1420, listen_port: int = 0, keepalive: int = 0):
        self.lab: Lab = star.lab
        self.who, self.member = who, member
        self.node_key = node_key or star.node.wireguard_key
        self.device = f"wg{os.getpid()}-{next(_numbers)}"
        endpoint = endpoint or f"10.83.{star.NETS[who]}.1:{PORT}"
        self.process = self.lab.start(who, "wireguard-go", "-f", self.device,
                                      env={"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "verbose"})
        socket = Path(f"/var/run/wireguard/{self.device}.sock")
        until("wireguard-go is there", lambda: socket.exists() or not self.process.alive())
        lines = ["[Interface]", f"PrivateKey = {member.private_key}"] + [f"ListenPort = {listen_port}"] * bool(listen_port)
        lines += ["[Peer]", f"PublicKey = {self.node_key}", f"Endpoint = {endpoint}", f"AllowedIPs = 100.64.0.0/16, {star.layer.names}"]
        lines += [f"PresharedKey = {preshared_key}"] * bool(preshared_key) + [f"PersistentKeepalive = {keepalive}"] * bool(keepalive)
        config = self.lab.write(f"{self.device}.conf", "\n".join(lines) + "\n")
        self.wg("setconf", self.device, config)
        space = self.lab.space(who)
        need("ip", "-n", space, "link", "set", self.device, "mtu", mtu, "up")
        need("ip", "-n", space, "addr", "add", f"{member.ipv4}/16", "dev", self.device)
        need("ip", "-n", space, "addr", "add", f"{member.address}/32", "dev", self.device, "nodad")

    def wg(self, *words) -> str:
        return self.lab.need_within(self.who, "wg", *words).out

    def shows(self, what: str) -> str:
        """The value for the one peer."""
        return self.wg("show", self.device, what).split()[1]

    def handshake_at(self) -> int:
        return int(self.shows("latest-handshakes"))

    def end(self) -> None:
        self.process.end()
        check(not self.process.alive(), "wireguard-go does not end")
