"""The second implementation against vectors written by hand, and against itself both ways."""

import random
import struct
import unittest

import inner_ip
import own_vectors
from entresol_wire import (
    Direction,
    FieldRefused,
    Option,
    Packet,
    Refused,
    ReplayWindow,
    canonical_form,
    checksum_fits,
    decode_control,
    decode_field,
    decode_frame,
    decode_inside,
    decode_items,
    decode_packet,
    encode_control,
    encode_error,
    encode_field,
    encode_items,
    encode_packet,
    open_record,
    open_session,
    rebuild,
    seal_record,
    seal_session,
    take_apart,
)


class WireCase(unittest.TestCase):
    def refused(self, reason, function, *arguments):
        with self.assertRaises(Refused) as caught:
            function(*arguments)
        self.assertEqual(caught.exception.reason, reason)


class Packets(WireCase):
    def test_accepted(self):
        for name, octets, fields, field, body in own_vectors.ACCEPTED:
            with self.subTest(name):
                packet = Packet(**fields)
                self.assertEqual(decode_packet(octets), packet)
                self.assertEqual(encode_packet(packet).hex(), octets.hex())
                self.assertEqual(encode_field(packet), (field, body))
                self.assertEqual(decode_field(field, body), packet)

    def test_refused(self):
        for name, octets, reason in own_vectors.REFUSED:
            with self.subTest(name):
                self.refused(reason, decode_packet, octets)

    def test_refused_fields(self):
        for name, field, body, reason in own_vectors.REFUSED_FIELDS:
            with self.subTest(name):
                if reason:
                    self.refused(reason, decode_field, field, body)
                else:
                    with self.assertRaises(FieldRefused):
                        decode_field(field, body)

    def test_same_fields(self):
        for name, field, same, body in own_vectors.SAME_FIELDS:
            with self.subTest(name):
                self.assertNotEqual(field, same)
                self.assertEqual(decode_field(field, body), decode_field(same, body))

    def test_random_both_ways(self):
        rng = random.Random(1)
        for _ in range(300):
            next_protocol = rng.choice((0, 1, 2, 3, 3, 3, 200))
            options = []
            for _ in range(rng.randrange(4)):
                mutable = rng.random() < 0.5
                options.append(
                    Option(
                        rng.randrange(256),
                        rng.randrange(256),
                        rng.random() < 0.5,
                        mutable,
                        not mutable and rng.random() < 0.5,
                        rng.randbytes(rng.randrange(20)),
                    )
                )
            packet = Packet(
                ttl=rng.randrange(256),
                traffic_class=rng.randrange(256),
                next_protocol=next_protocol,
                layer=rng.randbytes(4),
                service=rng.randrange(1 << 32),
                flow=rng.randrange(1 << 32),
                source=rng.randbytes(16),
                destination=rng.randbytes(16),
                options=options,
                payload=rng.randbytes(rng.randrange(26, 80)) if next_protocol else b"",
            )
            if next_protocol > 2:
                packet.inner_protocol, packet.port = rng.randrange(256), rng.randrange(65536)
                packet.opener, packet.fragment = rng.random() < 0.5, rng.random() < 0.5
            self.assertEqual(decode_packet(encode_packet(packet)), packet)
            self.assertEqual(decode_field(*encode_field(packet)), packet)

    def test_what_no_header_holds(self):
        for packet in (
            Packet(next_protocol=1, payload=bytes(65536)),
            Packet(options=[Option(1, 1, value=bytes(256))]),
            Packet(options=[Option(1, 1, value=bytes(252))] * 4),
            Packet(flow=1 << 32),
            Packet(layer=bytes(3)),
        ):
            with self.assertRaises(ValueError):
                encode_packet(packet)


class Records(WireCase):
    def setUp(self):
        self.secret = bytes(range(32))

    def directions(self, suite):
        return {0xABCDEF: Direction(suite, self.secret)}

    def test_both_ways(self):
        for suite in (1, 2):
            sender, receiver = Direction(suite, self.secret), self.directions(suite)
            for lane, counter, plaintext in ((0, 0, b""), (0x21, 5, b"x" * 1400), (0x21, 4, b"y")):
                record = seal_record(sender, 0xABCDEF, lane, counter, plaintext)
                head = bytes.fromhex("14000000abcdef") + bytes([lane]) + struct.pack(">I", counter)
                self.assertEqual(record[:12], head)
                self.assertEqual(open_record(record, receiver), plaintext)
                self.refused("record_replayed", open_record, record, receiver)

    def test_order_of_checks(self):
        sender = Direction(1, self.secret)
        record = seal_record(sender, 0xABCDEF, 0, 0, b"")
        self.refused("record_truncated", open_record, record[:27], self.directions(1))
        self.refused("record_type_unknown", open_record, b"\x15" + record[1:], {})
        self.refused("header_reserved", open_record, record[:3] + b"\1" + record[4:], {})
        self.refused("record_index_unknown", open_record, record, {})
        late = record[:8] + struct.pack(">I", 1 << 28) + record[12:]
        self.refused("record_counter_exhausted", open_record, late, self.directions(1))
        self.refused("record_counter_exhausted", seal_record, sender, 1, 0, 1 << 28, b"")
        last = seal_record(sender, 0xABCDEF, 0, (1 << 28) - 1, b"")
        self.assertEqual(open_record(last, self.directions(1)), b"")
        for bit in range(8 * 7, 8 * len(record)):
            changed = bytearray(record)
            changed[bit // 8] ^= 1 << bit % 8
            expected = "record_forged"
            if 8 * 8 <= bit < 8 * 12 and int.from_bytes(changed[8:12], "big") >= 1 << 28:
                expected = "record_counter_exhausted"
            self.refused(expected, open_record, bytes(changed), self.directions(1))

    def test_window(self):
        window = ReplayWindow()
        window.accept(0)
        window.accept(8192)
        self.refused("record_replayed", window.check, 0)
        window.accept(1)
        self.refused("record_replayed", window.check, 1)
        window.accept(100000)
        self.refused("record_replayed", window.check, 100000 - 8192)
        window.accept(100000 - 8191)
        for counter in range(100001, 130000):
            window.accept(counter)
        self.refused("record_replayed", window.check, 129999 - 8191)


class Sessions(WireCase):
    LAYER = bytes(range(100, 132))

    def packet(self):
        return Packet(
            ttl=9,
            layer=self.LAYER[:4],
            service=1,
            flow=0x01020304,
            inner_protocol=6,
            opener=True,
            port=443,
            source=bytes(range(16)),
            destination=bytes(range(16, 32)),
            options=[
                Option(4, 1, mutable=True, value=b"seen"),
                Option(5, 2, critical=True, end_to_end=True, value=b"abc"),
                Option(5, 3, value=b"plain"),
                Option(5, 4, end_to_end=True),
            ],
        )

    def test_canonical_form(self):
        packet = self.packet()
        sender = Direction(1, bytes(32))
        seal_session(packet, self.LAYER, sender, 0x010203, 0x45, 7, b"\0\x06rest")
        expected = (
            bytes.fromhex("01 03 06 01 01bb 0000")
            + self.LAYER
            + bytes.fromhex("00000001 01020304 01020345 00000007")
            + bytes(range(32))
            + bytes.fromhex("0502a003 61626300 05042000")
        )
        self.assertEqual(canonical_form(packet, self.LAYER), expected)

    def test_what_is_authenticated(self):
        sender = Direction(2, bytes(32))
        packet = seal_session(self.packet(), self.LAYER, sender, 9, 1, 3, b"\0\x06rest")
        octets = encode_packet(packet)

        def opens(change):
            again = decode_packet(octets)
            change(again)
            again = decode_packet(encode_packet(again))
            return open_session(again, self.LAYER, {9: Direction(2, bytes(32))})

        def setter(name, value):
            return lambda packet: setattr(packet, name, value)

        for change in (
            lambda packet: None,
            setter("ttl", 1),
            setter("traffic_class", 3),
            setter("layer", bytes(4)),  # the full id is authenticated, not these 32 bits
            lambda packet: setattr(packet.options[0], "value", b"SEEN"),
            lambda packet: packet.options.pop(2),
        ):
            self.assertEqual(opens(change), b"\0\x06rest")
        for change in (
            setter("service", 2),
            setter("flow", 1),
            setter("inner_protocol", 17),
            setter("opener", False),
            setter("fragment", True),
            setter("port", 444),
            setter("source", bytes(16)),
            setter("destination", bytes(16)),
            lambda packet: packet.options.pop(),
            lambda packet: setattr(packet.options[1], "value", b"abd"),
            lambda packet: packet.options.reverse(),
            lambda packet: setattr(packet, "payload", packet.payload[:-1] + b"\0"),
        ):
            self.refused("record_forged", opens, change)
        self.refused("session_unknown", open_session, packet, self.LAYER, {})


def tcp(source_port=1000, destination_port=443, data=b"data"):
    ports = struct.pack(">HH", source_port, destination_port)
    return ports + struct.pack(">IIBBHHH", 1, 2, 0x50, 0x18, 9, 0, 0) + data


SOURCE_IPV4, DESTINATION_IPV4 = bytes((10, 35, 0, 1)), bytes((10, 35, 0, 2))


def ipv4(upper, protocol=6, identification=0x1234, place=0x4000, options=b"", tos=0, ttl=64):
    size = 20 + len(options)
    header = struct.pack(">BBHH", 0x40 | size // 4, tos, size + len(upper), identification)
    header += struct.pack(">HBBH", place, ttl, protocol, 0)
    header += SOURCE_IPV4 + DESTINATION_IPV4 + options
    checksum = inner_ip.ones_sum(header) ^ 0xFFFF
    return header[:10] + checksum.to_bytes(2, "big") + header[12:] + upper


def ipv6(upper, protocol=6, source=bytes(range(16)), destination=bytes(range(16, 32)), first=None):
    first = 6 << 28 | 0x2E << 20 | 0xABCDE if first is None else first
    return struct.pack(">IHBB", first, len(upper), protocol, 61) + source + destination + upper


class Inner(WireCase):
    def packet(self, opener=True):
        return Packet(
            next_protocol=3,
            flow=0x77700000,
            opener=opener,
            source=bytes(range(16)),
            destination=bytes(range(16, 32)),
        )

    def ipv4_of(self, name):
        return {0: SOURCE_IPV4, 16: DESTINATION_IPV4}[name[0]]

    def both_ways(self, octets, form, packet=None, **arguments):
        packet = packet or self.packet()
        plaintext = take_apart(octets, packet, **arguments)
        self.assertEqual(plaintext[1], form)
        inner = rebuild(packet, plaintext, self.ipv4_of)
        return packet, plaintext, inner

    def test_ipv6(self):
        octets = ipv6(tcp())
        packet, plaintext, inner = self.both_ways(octets, 0x06)
        self.assertEqual(plaintext, b"\0\x06" + tcp())
        self.assertEqual(inner.octets, octets)
        self.assertEqual((packet.flow, packet.ttl, packet.traffic_class), (0x777ABCDE, 61, 0x2E))
        self.assertEqual((packet.inner_protocol, packet.port), (6, 443))

    def test_responder_answers(self):
        packet, _, inner = self.both_ways(ipv6(tcp()), 0x06, self.packet(opener=False))
        self.assertEqual(packet.port, 1000)

    def test_ipv4_without_fragmenting(self):
        octets = ipv4(tcp(), tos=0x2E, identification=0)
        packet, plaintext, inner = self.both_ways(octets, 0x44)
        self.assertEqual(plaintext, b"\0\x44" + tcp())
        self.assertEqual(inner.octets, octets)
        # A DF packet's identification does not travel.
        _, plaintext_2, _ = self.both_ways(ipv4(tcp(), tos=0x2E, identification=7), 0x44)
        self.assertEqual(plaintext_2, plaintext)

    def test_ipv4_that_may_be_fragmented(self):
        octets = ipv4(tcp(), place=0)
        _, plaintext, inner = self.both_ways(octets, 0x14)
        self.assertEqual(plaintext[:6], b"\0\x14\x12\x34\0\0")
        self.assertEqual(inner.octets, octets)
        self.assertFalse(inner.fragment)

    def test_ipv4_fragments(self):
        first = ipv4(tcp(), place=0x2000)
        packet, _, inner = self.both_ways(first, 0x14)
        self.assertTrue(packet.fragment)
        self.assertEqual((packet.port, inner.octets), (443, first))
        later = ipv4(b"later...", place=0x0003)
        packet, plaintext, inner = self.both_ways(later, 0x14, first_port=443)
        self.assertEqual((packet.port, inner.octets, inner.first), (443, later, False))
        packet.fragment = False
        self.refused("inside_differs", rebuild, packet, plaintext, self.ipv4_of)

    def test_whole_ipv4(self):
        octets = ipv4(tcp(), options=b"\x94\x04\0\0", tos=3)
        packet, plaintext, inner = self.both_ways(octets, 0x24)
        self.assertEqual(plaintext, b"\0\x24" + octets)
        self.assertEqual(inner.octets, octets)
        packet.ttl, packet.traffic_class = 5, 1
        self.assertEqual(
            rebuild(packet, plaintext, self.ipv4_of).octets,
            ipv4(tcp(), options=b"\x94\x04\0\0", tos=1, ttl=5),
        )
        for name in ("source", "destination"):
            swapped = self.packet()
            take_apart(octets, swapped)
            setattr(swapped, name, packet.destination if name == "source" else packet.source)
            self.refused("inside_differs", rebuild, swapped, plaintext, self.ipv4_of)
        for changed in (plaintext[:-1], plaintext + b"\0", b"\0\x24", b"\0\x24\x45"):
            self.refused("inside_malformed", rebuild, packet, changed, self.ipv4_of)
        self.refused("inside_differs", rebuild, packet, b"\0\x26" + octets, self.ipv4_of)

    def test_whole_ipv6(self):
        hop_by_hop = b"\x06\0\x01\x04\0\0\0\0"
        octets = ipv6(hop_by_hop + tcp(), protocol=0)
        packet, plaintext, inner = self.both_ways(octets, 0x26)
        self.assertEqual(inner.octets, octets)
        self.assertEqual((packet.inner_protocol, packet.port, inner.upper), (6, 443, 48))
        packet.ttl, packet.traffic_class = 3, 0xFF
        changed = rebuild(packet, plaintext).octets
        self.assertEqual(changed[:8].hex(), "6ffabcde" + octets[4:7].hex() + "03")
        self.assertEqual(changed[8:], octets[8:])
        packet.source = bytes(16)
        self.refused("inside_differs", rebuild, packet, plaintext)

    def test_ipv6_fragments(self):
        for place, data, port in ((1, tcp(), 443), (24 | 1, b"middle..", 443), (32, b"last", 443)):
            octets = ipv6(struct.pack(">BBHI", 6, 0, place, 99) + data, protocol=44)
            packet, _, inner = self.both_ways(octets, 0x26, first_port=port)
            self.assertEqual(inner.octets, octets)
            self.assertTrue(packet.fragment)
            self.assertEqual(packet.port, 443)

    def test_inside_and_outside(self):
        octets = ipv6(tcp())
        packet, plaintext, _ = self.both_ways(octets, 0x06)
        for name, value in (("port", 444), ("opener", False), ("fragment", True)):
            changed = decode_packet(encode_packet(packet) [:56][:6] + b"\0\x1a" +
                                    encode_packet(packet)[8:56] + bytes(26))
            setattr(changed, name, value)
            self.refused("inside_differs", rebuild, changed, plaintext)
        echo = ipv6(b"\x80\0\0\0\0\1\0\1", protocol=58)
        packet, plaintext, _ = self.both_ways(echo, 0x06)
        self.assertEqual(packet.port, 0)
        packet.port = 1
        self.refused("inside_differs", rebuild, packet, plaintext)
        packet.port, packet.inner_protocol = 0, 44
        self.refused("inside_malformed", rebuild, packet, b"\0\x06\x06\0\0\x01\0\0\0\0" + tcp())

    def test_prefix(self):
        for text in (
            "", "00", "0204", "8006", "0003", "0005", "0000", "0086", "0016", "0046",
            "0034" + "00" * 4, "0054" + "00" * 4, "0064", "0014" + "00" * 3, "0174",
        ):  # fmt: skip
            self.refused("inside_malformed", decode_inside, bytes.fromhex(text))
        self.assertTrue(decode_inside(bytes.fromhex("0106")).unfinished_checksum)

    def test_lengths(self):
        packet = self.packet()
        packet.inner_protocol = 6
        self.refused("inside_malformed", rebuild, packet, b"\0\x06\0\0\0")
        self.refused("inside_malformed", rebuild, packet, b"\0\x44" + bytes(65516), self.ipv4_of)
        # IPv4 that says neither its flags (I) nor that it has DF (D).
        self.refused("inside_malformed", rebuild, packet, b"\0\x04" + tcp(), self.ipv4_of)

    def test_unfinished_checksum(self):
        upper = tcp()
        pseudo = bytes(range(32)) + struct.pack(">II", len(upper), 6)
        partial = inner_ip.ones_sum(pseudo).to_bytes(2, "big")
        octets = ipv6(upper[:16] + partial + upper[18:])
        packet, plaintext, inner = self.both_ways(octets, 0x06, unfinished_checksum=True)
        self.assertEqual(plaintext[:2], b"\x01\x06")
        self.assertIs(checksum_fits(inner), True)
        whole = (inner_ip.ones_sum(pseudo + upper) ^ 0xFFFF).to_bytes(2, "big")
        octets = ipv6(upper[:16] + whole + upper[18:])
        inner = self.both_ways(octets, 0x06)[2]
        self.assertIs(checksum_fits(inner), True)
        self.assertIs(checksum_fits(self.both_ways(ipv6(upper), 0x06)[2]), False)
        packet.inner_protocol, packet.port = 58, 0
        self.refused("inside_malformed", rebuild, packet, b"\x01\x06" + bytes(20))
        packet.inner_protocol = 6
        self.refused("inside_malformed", rebuild, packet, b"\x01\x06" + bytes(17))

    def test_addresses_not_known(self):
        packet, plaintext, _ = self.both_ways(ipv4(tcp()), 0x44)
        inner = rebuild(packet, plaintext)
        self.assertFalse(inner.addresses_known)
        self.assertEqual(inner.octets[12:20], bytes(8))
        self.assertIsNone(checksum_fits(inner))


class ControlMessages(WireCase):
    def test_error(self):
        reported = own_vectors.ACCEPTED[1][1]
        octets = encode_error(5, 12, "darf nicht: ü", reported)
        message = decode_control(octets)
        self.assertEqual((message.type, message.info, message.text), (5, 12, "darf nicht: ü"))
        self.assertEqual(message.quote, reported[: 64 + 8])
        for changed in (
            octets[:7],
            octets + b"\0",
            octets[:-1],
            octets[:1] + b"\1" + octets[2:],
            b"\x07" + octets[1:],
            b"\0" + octets[1:],
            b"\x0a" + octets[1:],
            octets[:8] + b"\xff" + octets[9:],
            octets.replace("ü".encode(), b"\xff\xff"),
            encode_control(1, 0, b"\0" + reported[:55]),
            encode_control(1, 0, b""),
        ):
            self.refused("control_malformed", decode_control, changed)
        self.assertEqual(decode_control(encode_control(1, 0, b"\0" + reported[:56])).text, "")

    def test_echo(self):
        message = decode_control(encode_control(16, 5 << 16 | 6, b"any"))
        self.assertEqual((message.type, message.info, message.body), (16, 0x50006, b"any"))
        self.assertEqual(decode_control(encode_control(17, 0, b"")).body, b"")
        self.assertEqual(decode_control(encode_control(128, 0, b"new")).type, 128)
        self.refused("control_malformed", decode_control, b"\x80\x01" + bytes(6))


class Handshakes(WireCase):
    def test_frames(self):
        initiation = bytes.fromhex("10010201 0a0b0c00") + bytes(range(156))
        frame = decode_frame(initiation)
        self.assertEqual((frame.kind, frame.suite, frame.sender), ("initiation", 2, 0x0A0B0C))
        self.assertEqual(len(frame.sealed_static), 48)
        self.assertEqual(len(frame.sealed_payload), 164 - 88 - 32)
        self.assertEqual(frame.mac2, initiation[-16:])
        response = bytes.fromhex("11010102 00000100 00000200") + bytes(92)
        frame = decode_frame(response)
        self.assertEqual((frame.sender, frame.receiver, frame.purpose), (1, 2, 2))
        self.assertEqual(decode_frame(bytes.fromhex("120000000000ff00") + bytes(56)).receiver, 255)
        reset = decode_frame(bytes.fromhex("1300000001020304") + bytes(range(16)))
        self.assertEqual((reset.receiver, reset.token), (0x01020304, bytes(range(16))))
        for reason, changed in (
            ("handshake_malformed", b""),
            ("handshake_malformed", initiation[:163]),
            ("handshake_malformed", response[:103]),
            ("handshake_suite", b"\x10\x02" + initiation[2:]),
            ("handshake_suite", b"\x10\x01\x03" + initiation[3:]),
            ("handshake_suite", b"\x10\x01\x01\x03" + initiation[4:]),
            ("handshake_suite", b"\x10\x01\x01\x03" + initiation[4:7] + b"\1" + initiation[8:]),
            ("handshake_malformed", initiation + bytes(8193 - 164)),
            ("handshake_malformed", initiation[:7] + b"\1" + initiation[8:]),
            ("handshake_malformed", response[:11] + b"\1" + response[12:]),
            ("handshake_malformed", b"\x12" + bytes(62)),
            ("handshake_malformed", b"\x13\1" + bytes(22)),
            ("record_type_unknown", b"\x15" + bytes(200)),
        ):
            self.refused(reason, decode_frame, changed)

    def test_items(self):
        items = {1: bytes(8), 2: b"certificate", 5: bytes(16), 6: b"\x05\x50"}
        octets = encode_items(items)
        self.assertEqual(decode_items(octets, True), items)
        self.assertEqual(decode_items(octets + b"\x80\0\x01x" + b"\xff\0\0", True), items)
        rest = {kind: value for kind, value in items.items() if kind != 1}
        self.assertEqual(decode_items(octets[11:], False), rest)
        for changed in (
            octets[:-1],
            octets + octets,
            octets + octets[-5:],
            octets + b"\x07\0\0",
            b"\0\0\0" + octets,
            octets + b"\x80\0",
            b"\x01\0\x07" + bytes(7),
            octets[11:],
            octets[:11] + b"\2\0\0",
        ):
            self.refused("handshake_malformed", decode_items, changed, True)
        self.refused("handshake_malformed", decode_items, octets, False)


if __name__ == "__main__":
    unittest.main()
