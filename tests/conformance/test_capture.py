"""decode_capture.py on captures made here, in both file formats."""

import contextlib
import io
import json
import os
import struct
import tempfile
import unittest

import decode_capture
from capture_file import CaptureError, read_frames, udp_datagram
from entresol_wire import (
    Direction,
    Packet,
    encode_control,
    encode_error,
    encode_packet,
    seal_record,
    seal_session,
    take_apart,
)
from inner_ip import ones_sum

LAYER = bytes(range(64, 96))
LINK, SESSION = bytes(range(32)), bytes(range(32, 64))
NAME_A, NAME_B = b"\xfd\x35" + bytes(14), b"\xfd\x35" + bytes(13) + b"\1"
IPV4_A, IPV4_B = bytes((10, 35, 0, 1)), bytes((10, 35, 0, 2))
MARKER = bytes(range(160, 192))
KEYS = (
    "# keys of a test\n"
    f"LINK 000005 1 {LINK.hex()} {LAYER.hex()}\n"
    f"LINK 000005 2 {LINK.hex()} {LAYER.hex()}\n"
    f"SESSION 000006 2 {SESSION.hex()} {LAYER.hex()}  # the only one\n"
)
MEMBERS = f"MEMBER {NAME_A.hex()} 10.35.0.1\nMEMBER {NAME_B.hex()} 10.35.0.2\n"


def udp_ipv4(payload, place=0x4000, ports=(7000, 7001)):
    udp = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, place, 64, 17, 0)
    return head + bytes((192, 0, 2, 1, 192, 0, 2, 2)) + udp


def udp_ipv6(payload):
    udp = struct.pack(">HHHH", 7000, 7001, 8 + len(payload), 0) + payload
    return struct.pack(">IHBB", 6 << 28, len(udp), 17, 64) + bytes(32) + udp


def pcap(packets, link_type=101, order="<", prefix=b"", snap=None):
    out = struct.pack(order + "IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)
    for packet in packets:
        octets = prefix + packet
        kept = octets[:snap]
        out += struct.pack(order + "IIII", 0, 0, len(kept), len(octets)) + kept
    return out


def pcapng(packets, order="<"):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + size + body + size

    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    for link_type in (1, 101):
        out += block(1, struct.pack(order + "HHI", link_type, 0, 0))
    for packet in packets:
        out += block(6, struct.pack(order + "IIIII", 1, 0, 0, len(packet), len(packet)) + packet)
        ethernet = bytes(12) + b"\x81\0\0\x05" + (b"\x08\0" if packet[0] >> 4 == 4 else b"\x86\xdd")
        octets = ethernet + packet
        out += block(3, struct.pack(order + "I", len(octets)) + octets)
    return out + block(5, bytes(12))


def inner_udp(marker=MARKER):
    upper = struct.pack(">HHHH", 5000, 53, 8 + len(marker), 0) + marker
    pseudo = IPV4_A + IPV4_B + struct.pack(">II", len(upper), 17)
    checksum = ones_sum(pseudo + upper) ^ 0xFFFF
    upper = upper[:6] + checksum.to_bytes(2, "big") + upper[8:]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(upper), 0, 0x4000, 64, 17, 0)
    head += IPV4_A + IPV4_B
    return head[:10] + (ones_sum(head) ^ 0xFFFF).to_bytes(2, "big") + head[12:] + upper


class Capture(unittest.TestCase):
    def setUp(self):
        self.link, self.session = Direction(1, LINK), Direction(2, SESSION)
        self.counter = 0
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def record(self, packet):
        octets = packet if isinstance(packet, bytes) else encode_packet(packet)
        self.counter += 1
        return seal_record(self.link, 5, 0x10, self.counter, octets)

    def sealed(self, inner=None, **changes):
        packet = Packet(layer=LAYER[:4], service=1, opener=True, source=NAME_A, destination=NAME_B)
        plaintext = take_apart(inner or inner_udp(), packet)
        for name, value in changes.items():
            setattr(packet, name, value)
        self.counter += 1
        return seal_session(packet, LAYER, self.session, 6, 1, self.counter, plaintext)

    def keepalive(self, plaintext=b"\0\x06", **changes):
        packet = Packet(layer=LAYER[:4], service=1, opener=True, source=NAME_A, destination=NAME_B)
        packet.inner_protocol = 59
        for name, value in changes.items():
            setattr(packet, name, value)
        self.counter += 1
        return seal_session(packet, LAYER, self.session, 6, 1, self.counter, plaintext)

    def run_tool(self, capture, *arguments, keys=KEYS + MEMBERS):
        paths = []
        for name, content in (("capture", capture), ("keys", keys.encode())):
            paths.append(os.path.join(self.folder.name, name))
            with open(paths[-1], "wb") as file:
                file.write(content)
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = decode_capture.main([paths[0], "--keys", paths[1], "--json", *arguments])
        return code, json.loads(out.getvalue()) if code < 2 else out.getvalue()

    def traffic(self):
        echo = Packet(layer=LAYER[:4], next_protocol=1, payload=encode_control(16, 7, b"ping"))
        error = Packet(
            layer=LAYER[:4],
            next_protocol=1,
            service=1,
            payload=encode_error(5, 3, "no-dns", encode_packet(self.sealed())),
        )
        hello = bytes.fromhex("10010102 00000100") + bytes(160)
        handshake = Packet(layer=LAYER[:4], next_protocol=2, payload=hello)
        records = [self.record(p) for p in (b"", echo, error, handshake, self.sealed())]
        return [
            *records,
            bytes.fromhex("10010101 00000500") + bytes(160),
            b"\4\0\0\0" + bytes(28),
            b"\1\0\0\0" + bytes(144),
        ]

    def test_all_kinds_in_all_formats(self):
        traffic = self.traffic()
        packets = [udp_ipv4(octets) for octets in traffic]
        packets_6 = [udp_ipv6(octets) for octets in traffic]
        for once, capture in (
            (True, pcap(packets)),
            (True, pcap(packets, order=">")),
            (True, pcap(packets_6, 1, prefix=bytes(12) + b"\x86\xdd")),
            (True, pcap(packets, 113, prefix=bytes(14) + b"\x08\0")),
            (True, pcap(packets, 276, prefix=b"\x08\0" + bytes(18))),
        ):
            code, out = self.run_tool(
                capture, "--port", "7001", "--require-keys", "--expect-inner", "UDP",
                "--find", MARKER.hex(), "--absent", MARKER.hex(),
            )  # fmt: skip
            self.assertEqual(code, 0, out)
            self.assertEqual(
                out["counts"],
                {
                    "frames": 8, "link records": 5, "keepalives": 1, "control: echo request": 1,
                    "control: refused by rule": 1, "session handshake initiation": 1,
                    "session records": 1, "inner IPv4 UDP": 1, "inner checksums verified": 1,
                    "link handshake initiation": 1, "WireGuard transport data": 1,
                    "WireGuard initiation": 1, "options": 0,
                },
            )  # fmt: skip
        # Interfaces of two link types; every record is seen on both.
        for order in "<>":
            code, out = self.run_tool(pcapng(packets[:5], order))
            self.assertEqual(code, 0, out)
            self.assertEqual(out["counts"]["frames"], 10)
            self.assertEqual(out["counts"]["link records seen again"], 5)
            self.assertEqual(out["counts"]["inner IPv4 UDP"], 1)

    def failing(self, reason, octets, *arguments, keys=KEYS + MEMBERS):
        code, out = self.run_tool(pcap([udp_ipv4(octets)]), *arguments, keys=keys)
        self.assertEqual(code, 1, out)
        self.assertEqual(list(out["failures"]), [reason] if reason else [])

    def test_what_fails(self):
        record = self.record(self.sealed())
        self.failing("record_forged", record[:-1] + bytes([record[-1] ^ 1]))
        self.failing("header_reserved", record[:3] + b"\1" + record[4:])
        self.failing("record_counter_exhausted", record[:8] + b"\x10" + record[9:])
        self.failing("record_index_unknown", record, "--require-keys", keys="")
        without = KEYS.replace("000006", "000007")
        self.failing("session_unknown", record, "--require-keys", keys=without)
        self.failing("record_truncated", record[:20])
        self.failing("record_truncated", record[:3], "--port", "7000")
        self.failing("record_type_unknown", b"\x15" + record[1:], "--port", "7000")
        self.failing("handshake_malformed", b"\x13" + bytes(20), "--port", "7000")
        self.failing("header_length", self.record(encode_packet(self.sealed()) + b"\0"))
        other = self.sealed()
        other.layer = bytes(4)
        self.failing("layer_unknown", self.record(other))
        changed = self.sealed()
        changed.flow += 1
        self.failing("record_forged", self.record(changed))
        self.failing("inside_differs", self.record(self.sealed(port=54)))
        wrong = inner_udp()
        self.failing("inner checksum", self.record(self.sealed(wrong[:-1] + b"\0")))
        control = Packet(layer=LAYER[:4], next_protocol=1, payload=b"\x10\0\0\1\0\0\0\0")
        self.failing("control_malformed", self.record(control))
        self.failing("", record, "--expect-inner", "UDP,TCP")
        self.failing("", record, "--find", "00" * 32 + "01")
        self.failing("", record, "--absent", record[20:40].hex())

    def test_session_keepalives(self):
        code, out = self.run_tool(pcap([udp_ipv4(self.record(self.keepalive()))]))
        self.assertEqual((code, out["counts"]["session keepalives"]), (0, 1))
        for wrong in ({"plaintext": b"\0\x06x"}, {"opener": False}, {"flow": 7}, {"port": 1}):
            self.failing("session keepalive", self.record(self.keepalive(**wrong)))

    def test_nothing_in_a_datagram(self):
        self.failing("record_type_unknown", b"", "--port", "7000")

    def test_nonce_used_twice(self):
        first = seal_record(self.link, 5, 0, 1, b"")
        second = seal_record(self.link, 5, 0, 1, encode_packet(Packet(layer=LAYER[:4])))
        code, out = self.run_tool(pcap([udp_ipv4(first), udp_ipv4(second)]))
        self.assertEqual((code, list(out["failures"])), (1, ["nonce used twice"]))

    def test_without_keys(self):
        code, out = self.run_tool(pcap([udp_ipv4(self.record(b""))]), keys="")
        self.assertEqual((code, out["counts"]["link records without keys"]), (0, 1))
        packet = udp_ipv4(self.record(self.sealed()))
        code, out = self.run_tool(pcap([packet]), keys=KEYS.split("SESSION")[0])
        self.assertEqual((code, out["counts"]["session records without keys"]), (0, 1))
        code, out = self.run_tool(pcap([packet]), keys=KEYS)  # no MEMBER: addresses not known
        self.assertEqual((code, out["counts"]["inner IPv4 UDP"]), (0, 1))
        self.assertNotIn("inner checksums verified", out["counts"])

    def test_joined_datagrams(self):
        records = [self.record(self.sealed()) for _ in range(3)] + [self.record(b"")]
        code, out = self.run_tool(pcap([udp_ipv4(b"".join(records))]), "--require-keys")
        self.assertEqual(code, 0, out)
        self.assertEqual(out["counts"]["link records"], 4)
        self.assertEqual(out["counts"]["joined datagrams (GSO or GRO)"], 1)
        broken = b"".join(records[:2]) + records[2][:-1] + b"\0"
        self.failing("record_forged", broken)

    def test_not_whole(self):
        packet = udp_ipv4(self.record(self.sealed()))
        code, out = self.run_tool(pcap([packet], snap=60))
        self.assertEqual((code, list(out["failures"])), (1, ["cut by the capture"]))
        first = packet[:6] + b"\x20\0" + packet[8:100]
        code, out = self.run_tool(pcap([first]))
        self.assertEqual((code, list(out["failures"])), (1, ["IP fragment"]))
        later = packet[:6] + b"\x00\x09" + packet[8:]
        self.assertIsNone(udp_datagram(next(read_frames(pcap([later])))))

    def test_broken_files(self):
        good = pcap([udp_ipv4(b"x")])
        broken = pcapng([udp_ipv4(b"x")])[:-2]
        for capture in (b"", b"text", good[:20], good[:30], good[:-1], broken):
            with self.assertRaises(CaptureError):
                list(read_frames(capture))
            self.assertEqual(self.run_tool(capture)[0], 2)
        none = "00" * 32
        for keys in ("LINK 5 1 00 00", "NODE 000005 1 00 00", f"LINK 00000g 1 {none} {none}"):
            self.assertEqual(self.run_tool(good, keys=keys)[0], 2)


if __name__ == "__main__":
    unittest.main()
