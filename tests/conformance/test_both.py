"""Where both implementations meet behind the extension header: inner packets (section 6), handshake
messages and their payloads (section 8), signed objects (section 9). Bit by bit, and with every value
of the fields that decide."""

import dataclasses
import random
import struct
import unittest

import ed25519
from both import Both, flips, outcome
from entresol_wire import (
    Packet,
    decode_frame,
    decode_items,
    decode_object,
    decode_packet,
    encode_items,
    encode_object,
    encode_packet,
    rebuild,
)
from inner_ip import ones_sum
from own_vectors import DESTINATION, SOURCE

NAMES = bytes.fromhex(SOURCE), bytes.fromhex(DESTINATION)
IPV4 = bytes((100, 64, 0, 1)), bytes((100, 64, 0, 2))
NO_IPV4 = bytes(4)

# Upper layers: protocol, its octets, responder's port of a packet whose sender opened the flow.
TCP = struct.pack(">HHIIBBHHH", 1000, 443, 1, 2, 0x50, 0x18, 9, 7, 0)
UPPER = {
    "TCP": (6, TCP + b"data", 443),
    "TCP with options": (6, TCP[:12] + b"\x70" + TCP[13:] + bytes(8) + b"data", 443),
    "UDP": (17, struct.pack(">HHHH", 5000, 53, 12, 0) + b"data", 53),
    "UDP, shorter than its packet": (17, struct.pack(">HHHH", 5000, 53, 10, 0) + b"data", 53),
    "UDP-Lite": (136, struct.pack(">HHHH", 5000, 53, 8, 0) + b"data", 53),
    "SCTP": (132, struct.pack(">HHII", 5000, 53, 1, 2) + b"data", 53),
    "DCCP": (33, struct.pack(">HHII", 5000, 53, 1, 2) + b"data", 53),
    "ICMP": (1, b"\x08\0\0\0\0\1\0\1data", 0),
    "ICMPv6": (58, b"\x80\0\0\0\0\1\0\1data", 0),
    "AH": (51, b"\x06\x04\0\0\0\0\0\1\0\0\0\2" + bytes(12) + TCP, 0),
    "ESP": (50, b"\0\0\0\1\0\0\0\2" + bytes(16), 0),
    "mobility": (135, b"\x3b\0\0\0\0\0\0\0", 0),
    "HIP": (139, b"\x3b\0\0\0\0\0\0\0", 0),
    "shim6": (140, b"\x3b\0\0\0\0\0\0\0", 0),
    "no next header": (59, b"", 0),
}
OPTIONS = {  # IPv6 extension headers: first, octets up to the next header's number, rest
    "hop by hop": ((0, bytes(7)),),
    "destination options": ((60, bytes(7)),),
    "long routing header": ((43, b"\1" + bytes(14)),),
    "four": ((0, bytes(7)), (60, bytes(7)), (43, bytes(7)), (60, bytes(7))),
    "eight": ((60, bytes(7)),) * 8,
    "nine": ((60, bytes(7)),) * 9,
    "hop by hop, not first": ((60, bytes(7)), (0, bytes(7))),
    "atomic fragment": ((44, b"\0\0\0" + bytes(4)),),
    "first fragment": ((44, b"\0\0\1" + bytes(4)),),
    "two fragment headers": ((44, b"\0\0\0" + bytes(4)), (44, b"\0\0\0" + bytes(4))),
    "fragment behind options": ((60, bytes(7)), (44, b"\0\0\1" + bytes(4)), (60, bytes(7))),
}


def ipv4_header(protocol, size, place=0x4000, options=b"", tos=0, ttl=64):
    words = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH", 0x40 | words, tos, words * 4 + size, 7, place, ttl, protocol, 0)
    head += IPV4[0] + IPV4[1] + options
    return head[:10] + (ones_sum(head) ^ 0xFFFF).to_bytes(2, "big") + head[12:]


def ipv6_header(protocol, size):
    return struct.pack(">IHBB", 6 << 28 | 0xABCDE, size, protocol, 61) + NAMES[0] + NAMES[1]


def with_extensions(chain, protocol, upper):
    """First header's number, and everything behind the IPv6 header."""
    numbers = [number for number, _ in chain] + [protocol]
    octets = b"".join(bytes([after]) + rest for (_, rest), after in zip(chain, numbers[1:]))
    return numbers[0], octets + upper


def outside(protocol=6, port=443, fragment=False, opener=True, **more):
    return Packet(
        next_protocol=3, service=1, flow=0x777ABCDE, inner_protocol=protocol, port=port,
        fragment=fragment, opener=opener, source=NAMES[0], destination=NAMES[1],
        payload=bytes(26), **more,
    )  # fmt: skip


def bases():
    """(what, packet, plaintext): every form, every upper layer, extension headers, fragments."""
    for name, (protocol, upper, port) in UPPER.items():
        packet = outside(protocol, port)
        for form in (b"\0\x44", b"\1\x44", b"\0\x04", b"\0\x06", b"\1\x06"):
            yield f"{name}, form {form.hex()}", packet, form + upper
        for place in (0, 0x4000, 0x8000, 0x2000, 0x0001, 0x0002, 0x0003, 0x1FFF, 0x3FFF, 0x6002):
            fragment = bool(place & 0x3FFF)
            where = struct.pack(">HH", 7, place)
            changed = dataclasses.replace(packet, fragment=fragment)
            yield f"{name}, I, {place:04x}", changed, b"\0\x14" + where + upper
        padded = upper + bytes(-len(upper) % 8)
        for place in (0x2000, 0x2002):
            where = struct.pack(">HH", 7, place)
            changed = dataclasses.replace(packet, fragment=True)
            yield f"{name}, fragment {place:04x}", changed, b"\0\x14" + where + padded
            whole = ipv4_header(protocol, len(padded), place, b"\x94\x04\0\0") + padded
            yield f"{name}, H, fragment {place:04x}", changed, b"\0\x24" + whole
        for form in (b"\0\x24", b"\1\x24", b"\0\x26"):
            whole = ipv4_header(protocol, len(upper), options=b"\x94\x04\0\0") + upper
            yield f"{name}, IPv4 whole, form {form.hex()}", packet, form + whole
        for what, chain in OPTIONS.items():
            first, rest = with_extensions(chain, protocol, padded)
            changed = dataclasses.replace(packet, fragment="fragment" in what and "a" != what[0])
            whole = ipv6_header(first, len(rest)) + rest
            for form in (b"\0\x26", b"\1\x26", b"\0\x24"):
                yield f"{name} behind {what}, form {form.hex()}", changed, form + whole
        for place in (8, 9, 16, 0xFFF8, 0xFFF9):
            rest = bytes([protocol, 0]) + struct.pack(">HI", place, 9) + padded
            changed = dataclasses.replace(packet, fragment=True)
            whole = ipv6_header(44, len(rest)) + rest
            yield f"{name}, later fragment {place:04x}", changed, b"\0\x26" + whole
    hidden = b"\x3c\0" + struct.pack(">HI", 9, 9) + bytes(16)
    yield "hidden upper layer", outside(6, 443, True), b"\0\x26" + ipv6_header(44, 24) + hidden
    for length in (65515, 65516, 65535, 65536):
        yield f"{length} octets, D", outside(50, 0), b"\0\x44" + bytes(length)
        yield f"{length} octets, IPv6", outside(50, 0), b"\0\x06" + bytes(length)


def line_of(packet, plaintext, ipv4=IPV4):
    head = encode_packet(packet).hex()
    return f"{head} {plaintext.hex() or '-'} {ipv4[0].hex()} {ipv4[1].hex()}"


def answer_inside(line):
    head, plaintext, source, destination = line.split(" ")
    packet = decode_packet(bytes.fromhex(head))
    ipv4 = {packet.source: bytes.fromhex(source), packet.destination: bytes.fromhex(destination)}
    arguments = packet, bytes.fromhex(plaintext.strip("-")), ipv4.get
    said = outcome(rebuild, *arguments)
    return f"ok\t{rebuild(*arguments).octets.hex()}" if said == "ok" else said


class Inside(Both):
    def inside(self, inputs):
        lines = [(what, line_of(*said)) for what, *said in inputs]
        seen = self.compare(lines, answer_inside, "--inside")
        self.assertLessEqual({"ok", "inside_malformed"}, seen)
        self.assertLessEqual(seen, {"ok", "inside_malformed", "inside_differs"})

    def test_each(self):
        self.inside(bases())

    def test_without_ipv4(self):
        self.inside(
            (what, packet, plaintext, ipv4)
            for what, packet, plaintext in bases()
            for ipv4 in ((NO_IPV4, IPV4[1]), (IPV4[0], NO_IPV4), (IPV4[1], IPV4[0]))
        )

    def test_every_bit(self):
        """Of the plaintext's first octets, as far as headers reach."""
        short = [base for base in bases() if len(base[2]) < 200]
        self.inside(
            (f"{what}, bit {bit}", packet, changed + plaintext[90:])
            for what, packet, plaintext in short
            for bit, changed in flips(plaintext[:90])
        )

    def test_every_length(self):
        short = [base for base in bases() if len(base[2]) < 200]
        self.inside(
            (f"{what}, first {size} octets", packet, plaintext[:size])
            for what, packet, plaintext in short
            for size in range(len(plaintext))
        )

    def test_every_protocol_outside(self):
        names = ("TCP, form 0044", "TCP, form 0006", "ESP, form 0006", "hidden upper layer",
                 "UDP behind hop by hop, form 0026")  # fmt: skip
        self.inside(
            (f"{what}, protocol {protocol}, port {port}", packet, plaintext)
            for what, base, plaintext in bases()
            if what in names
            for protocol in range(256)
            for port in (0, 53, 443)
            for packet in [dataclasses.replace(base, inner_protocol=protocol, port=port)]
        )

    def test_outside(self):
        """Every combination of what the header says, TTL and traffic class too."""
        numbers = random.Random(1)
        self.inside(
            (f"{what}, port {port}, opener {opener}, fragment {fragment}", packet, plaintext)
            for what, base, plaintext in bases()
            if len(plaintext) < 200
            for port in (base.port, 1000, 5000, 1)
            for opener in (False, True)
            for fragment in (False, True)
            for packet in [
                dataclasses.replace(
                    base, port=port, opener=opener, fragment=fragment,
                    ttl=numbers.randrange(1, 256), traffic_class=numbers.randrange(256),
                )
            ]
        )  # fmt: skip


class Handshakes(Both):
    INITIATION = bytes.fromhex("10010201 0a0b0c00") + bytes(range(156))
    RESPONSE = bytes.fromhex("11010102 00000100 00000200") + bytes(92)
    COOKIE = bytes.fromhex("12000000 00000100") + bytes(range(56))
    RESET = bytes.fromhex("13000000 00000108") + bytes(range(16))

    def test_every_bit(self):
        inputs = []
        for octets in (self.INITIATION, self.RESPONSE, self.COOKIE, self.RESET):
            # Another first octet is another message: what type it is has been looked at before.
            inputs += [
                (f"{octets[0]:02x}, bit {bit}", changed + octets[40:])
                for bit, changed in flips(octets[:40])
                if changed[0] in (0x10, 0x11, 0x12, 0x13)
            ]
        seen = self.binary(inputs, decode_frame, "--handshake")
        self.assertEqual(seen, {"ok", "handshake_malformed", "handshake_suite"})

    def test_every_length(self):
        self.binary(
            [
                (f"{octets[0]:02x}, {size} octets", (octets + bytes(8300))[:size])
                for octets in (self.INITIATION, self.RESPONSE, self.COOKIE, self.RESET)
                for size in (*range(1, 300), 8191, 8192, 8193)
            ],
            decode_frame,
            "--handshake",
        )

    def items(self, inputs):
        def answer(line):
            kind, octets = line.split(" ")
            return outcome(decode_items, bytes.fromhex(octets.strip("-")), kind == "initiation")

        lines = [
            (what, f"{kind} {octets.hex() or '-'}")
            for what, octets in inputs
            for kind in ("initiation", "response")
        ]
        return self.compare(lines, answer, "--items")

    def test_items(self):
        whole = {1: bytes(8), 2: b"certificate", 3: b"registration", 4: b"grant", 5: bytes(16)}
        whole |= {6: b"\x05\x50", 128: b"", 255: b"new"}
        response = {kind: value for kind, value in whole.items() if kind != 1}
        inputs = [("nothing", b"")]
        for items in (whole, response):
            octets = encode_items(items)
            inputs += [(f"bit {bit}", changed) for bit, changed in flips(octets)]
            inputs += [(f"first {size} octets", octets[:size]) for size in range(len(octets) + 1)]
        for kind in range(256):
            for length in (0, 1, 2, 7, 8, 9, 15, 16, 17):
                alone = encode_items({kind: bytes(length)})
                inputs += [
                    (f"item {kind} of {length}", alone),
                    (f"item {kind} of {length} behind 1", encode_items({1: bytes(8)}) + alone),
                    (f"item {kind} of {length} twice", alone + alone),
                ]
        self.assertEqual(self.items(inputs), {"ok", "handshake_malformed"})


class Objects(Both):
    SEED = bytes(32)

    def objects(self):
        layer, key, name = bytes(range(32)), bytes(range(32, 64)), bytes(range(16))
        times = {"not_before": 10, "not_after": 20}
        yield encode_object(1, times | {
            "layer": layer, "suite": 1, "key": key, "role": 2, "ipv4": IPV4[0], "label": "häuser",
            "tags": ["one", "zwei"], "prefixes": [], "issuer": ed25519.public_key(self.SEED),
        }, self.SEED)  # fmt: skip
        yield encode_object(2, times | {"layer": layer, "key": key, "label": "é"}, self.SEED)
        yield encode_object(8, {"layer": layer, "guest": name, "node": bytes(16), "sequence": 7, "not_after": 20}, self.SEED)
        yield encode_object(3, {
            "layer": layer, "name": name, "sequence": 7, "not_after": 20,
            "attachments": [name, name], "keys": [(1, key), (9, key)],
            "endpoints": [(name, 4850), (bytes(16), 0)],
        }, self.SEED)  # fmt: skip
        yield encode_object(4, times | {
            "layer": layer, "key": key, "ipv4": IPV4[1], "label": "phone", "tags": ["guest"],
            "nodes": [name], "issuer": ed25519.public_key(self.SEED),
        }, self.SEED)  # fmt: skip
        for kind, service in ((1, 0), (2, 0x80000001)):
            yield encode_object(6, times | {
                "layer": layer, "suite": 2, "key": key, "kind": kind, "service": service, "ipv4": IPV4[1], "label": "web",
                "tags": ["front"], "issuer": ed25519.public_key(self.SEED),
            }, self.SEED)  # fmt: skip
        yield encode_object(7, times | {
            "layer": layer, "name": name, "member": bytes(16), "sequence": 7, "weight": 3,
        }, self.SEED)  # fmt: skip

    def test_every_bit(self):
        inputs = []
        for octets in self.objects():
            inputs.append((f"kind {octets[1]}", octets))
            inputs += [(f"kind {octets[1]}, bit {bit}", changed) for bit, changed in flips(octets)]
        self.assertEqual(self.binary(inputs, decode_object, "--object"), {"ok", "refused"})

    def test_every_length(self):
        inputs = []
        for octets in self.objects():
            for size in range(len(octets)):
                inputs.append((f"kind {octets[1]}, first {size} octets", octets[:size]))
            inputs.append((f"kind {octets[1]} and an octet", octets + b"\0"))
        self.binary(inputs, decode_object, "--object")

    def test_the_largest(self):
        inputs = [
            (f"{count} attachments, {keys} keys", self.registration(count, keys, 0))
            for count in range(240, 256)
            for keys in range(4)
        ]
        self.assertEqual({len(octets) > 4096 for _, octets in inputs}, {False, True})
        self.assertEqual(self.binary(inputs, decode_object, "--object"), {"ok", "refused"})

    def test_endpoints(self):
        inputs = [(f"{count} endpoints", self.registration(1, 1, count)) for count in (*range(12), 128, 200)]
        self.assertEqual(self.binary(inputs, decode_object, "--object"), {"ok", "refused"})

    def registration(self, attachments, keys, endpoints):
        return encode_object(3, {
            "layer": bytes(32), "name": bytes(16), "sequence": 7, "not_after": 20,
            "attachments": [bytes(16)] * attachments, "keys": [(1, bytes(32))] * keys,
            "endpoints": [(bytes(16), 4850)] * endpoints,
        }, self.SEED)  # fmt: skip


if __name__ == "__main__":
    unittest.main()
