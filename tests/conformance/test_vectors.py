"""The checked-in vectors (tests/vectors) against the second implementation, and every single-bit
flip of each against the first one.
"""

import ipaddress
import json
import pathlib
import unittest

import handshake
import own_vectors
from both import Both, flips, outcome
from entresol_wire import (
    FieldRefused,
    Option,
    Packet,
    Refused,
    canonical_form,
    critical_summary,
    decode_control,
    decode_field,
    decode_frame,
    decode_inside,
    decode_packet,
    decode_quote,
    encode_control,
    encode_field,
    encode_inside,
    encode_packet,
    split_record,
)
from inner_ip import Inside
from wire_packet import NEXT_CONTROL, NEXT_HANDSHAKE

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"


def load(name):
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def check_packet(octets):
    """A packet, and the control message in it."""
    packet = decode_packet(octets)
    if packet.next_protocol == NEXT_CONTROL:
        decode_control(packet.payload)
    return packet


def name_of(text):
    return ipaddress.IPv6Address(text).packed


def packet_of(value, payload):
    """A vector's value as a Packet."""
    return Packet(
        ttl=value["ttl"],
        traffic_class=value["traffic_class"],
        next_protocol=value["next_protocol"],
        layer=bytes.fromhex(value["layer"]),
        service=value["service"],
        flow=value["flow_id"],
        inner_protocol=value["inner_protocol"],
        opener=value["opener"],
        fragment=value["fragment"],
        port=value["responder_port"],
        source=name_of(value["source"]),
        destination=name_of(value["destination"]),
        options=[
            Option(
                option["class"],
                option["type"],
                option["critical"],
                option["mutable"],
                option["end_to_end"],
                bytes.fromhex(option["value"]),
            )
            for option in value["options"]
        ],
        payload=payload,
    )


def control_octets(control):
    if "quote" in control:
        text = control["text"].encode("utf-8")
        body = bytes([len(text)]) + text + bytes.fromhex(control["quote"])
    else:
        body = bytes.fromhex(control["body"])
    return encode_control(control["type"], control["info"], body)


def session_head(session):
    wire_id = session["index"].to_bytes(3, "big") + bytes([session["lane"]])
    return wire_id + session["sequence"].to_bytes(4, "big")


def payload_of(value):
    if "session" in value:
        session = value["session"]
        return session_head(session) + bytes.fromhex(session["sealed"])
    if "control" in value:
        return control_octets(value["control"])
    return bytes.fromhex(value.get("payload", ""))


class Packets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vectors = load("packet.json")

    def test_file_is_not_empty(self):
        self.assertGreater(len(self.vectors["valid"]), 10)
        self.assertGreater(len(self.vectors["invalid"]), 10)

    def test_valid(self):
        for vector in self.vectors["valid"]:
            with self.subTest(vector["name"]):
                octets, value = bytes.fromhex(vector["packet"]), vector["value"]
                packet = packet_of(value, payload_of(value))
                self.assertEqual(decode_packet(octets), packet)
                self.assertEqual(encode_packet(packet).hex(), octets.hex())
                self.assertEqual(critical_summary(packet.options), value["summary"])
                self.assertEqual(octets[5], value["header_length"])
                self.assertEqual(len(packet.payload), value["payload_length"])
                self.check_payload(packet, value)
                body = bytes.fromhex(vector["body"])
                self.assertEqual(encode_field(packet), (vector["field"], body))
                self.assertEqual(decode_field(vector["field"], body), packet)

    def check_payload(self, packet, value):
        if "canonical" in value:
            layer_id = bytes.fromhex(value["canonical"]["layer_id"])
            self.assertEqual(canonical_form(packet, layer_id).hex(), value["canonical"]["form"])
        if packet.next_protocol == NEXT_CONTROL:
            self.check_control(decode_control(packet.payload), value["control"])

    def check_control(self, message, control):
        self.assertEqual((message.type, message.info), (control["type"], control["info"]))
        if "quote" in control:
            self.assertEqual(message.text, control["text"])
            self.assertEqual(message.quote.hex(), control["quote"])
        else:
            self.assertEqual(message.body.hex(), control["body"])
        if "identifier" in control:
            said = control["identifier"], control["sequence"]
            self.assertEqual(divmod(message.info, 65536), said)
        if "quoted" in control:
            expected = dict(control["quoted"])
            for name in ("source", "destination"):
                expected[name] = name_of(expected[name])
            expected["layer"] = bytes.fromhex(expected["layer"])
            session = expected.get("session")
            expected["session"] = session_head(session) if session else b""
            self.assertEqual(decode_quote(message.quote), expected)

    def test_handshake_frames(self):
        kinds = set()
        for vector in self.vectors["valid"]:
            packet = decode_packet(bytes.fromhex(vector["packet"]))
            if packet.next_protocol == NEXT_HANDSHAKE:
                with self.subTest(vector["name"]):
                    kinds.add(decode_frame(packet.payload).kind)
        self.assertEqual(kinds, {"initiation", "response", "cookie reply", "reset"})

    def test_invalid(self):
        for vector in self.vectors["invalid"]:
            with self.subTest(vector["name"]):
                octets = bytes.fromhex(vector["packet"])
                self.assertEqual(outcome(check_packet, octets), vector["reason"])


class Fields(unittest.TestCase):
    def test_valid(self):
        for vector in load("field.json")["valid"]:
            with self.subTest(vector["name"]):
                packet = decode_field(vector["field"], bytes.fromhex(vector["body"]))
                self.assertEqual(encode_packet(packet).hex(), vector["packet"])

    def test_invalid(self):
        for vector in load("field.json")["invalid"]:
            with self.subTest(vector["name"]):
                body = bytes.fromhex(vector["body"])
                self.assertEqual(outcome(decode_field, vector["field"], body), vector["reason"])


class Probes(unittest.TestCase):
    def test_valid(self):
        for vector in load("probe.json")["valid"]:
            with self.subTest(vector["name"]):
                octets, node = bytes.fromhex(vector["message"]), bytes.fromhex(vector["node"])
                kind, nonce = handshake.check_probe(octets, node)
                said = {"answer": kind == handshake.PROBE_ANSWER, "nonce": nonce.hex()}
                self.assertEqual(said, vector["value"])
                self.assertEqual(handshake.probe(kind, nonce, node).hex(), octets.hex())

    def test_invalid(self):
        for vector in load("probe.json")["invalid"]:
            with self.subTest(vector["name"]):
                octets, node = bytes.fromhex(vector["message"]), bytes.fromhex(vector.get("node", ""))
                self.assertEqual(outcome(handshake.check_probe, octets, node), vector["reason"])


class Records(unittest.TestCase):
    def test_valid(self):
        for vector in load("record.json")["valid"]:
            with self.subTest(vector["name"]):
                value = vector["value"]
                index, lane, counter, sealed = split_record(bytes.fromhex(vector["datagram"]))
                self.assertEqual((index, lane), (value["index"], value["lane"]))
                self.assertEqual((lane >> 4, lane & 15), (value["path"], value["worker"]))
                self.assertEqual((counter, sealed.hex()), (value["counter"], value["sealed"]))

    def test_invalid(self):
        for vector in load("record.json")["invalid"]:
            with self.subTest(vector["name"]):
                octets = bytes.fromhex(vector["datagram"])
                self.assertEqual(outcome(split_record, octets), vector["reason"])


class SealedPrefixes(unittest.TestCase):
    FORMS = {
        "payload": (False, False, False),
        "payload_dont_fragment": (False, False, True),
        "payload_behind_id": (True, False, False),
        "whole_packet": (False, True, False),
    }

    def test_valid(self):
        for vector in load("sealed_prefix.json")["valid"]:
            with self.subTest(vector["name"]):
                octets, value = bytes.fromhex(vector["plaintext"]), vector["value"]
                behind_id, whole, dont_fragment = self.FORMS[value["form"]]
                identification = value["identification"].to_bytes(4, "big") if behind_id else b""
                inside = Inside(
                    value["checksum_unfinished"],
                    value["ip_version"],
                    identification,
                    whole,
                    dont_fragment,
                    bytes.fromhex(value["rest"]),
                )
                self.assertEqual(decode_inside(octets), inside)
                self.assertEqual(encode_inside(inside), octets)

    def test_invalid(self):
        for vector in load("sealed_prefix.json")["invalid"]:
            with self.subTest(vector["name"]):
                octets = bytes.fromhex(vector["plaintext"])
                self.assertEqual(outcome(decode_inside, octets), vector["reason"])


def edits(text):
    """Every text that is one character away from this one, for some characters."""
    for at in range(len(text) + 1):
        for new in " ,;=:?1a\t":
            yield text[:at] + new + text[at:]
    for at, old in enumerate(text):
        yield text[:at] + text[at + 1 :]
        for bit in range(7):
            new = chr(ord(old) ^ 1 << bit)
            if new not in "\n\r\0":
                yield text[:at] + new + text[at + 1 :]


class BothImplementations(Both):
    """The vectors and all that is one bit away from them."""

    @staticmethod
    def with_flips(file, name):
        vectors, out = load(file), []
        for vector in vectors["valid"] + vectors["invalid"]:
            octets = bytes.fromhex(vector[name])
            out.append((vector["name"], octets))
            out += [(f"{vector['name']}, bit {bit}", changed) for bit, changed in flips(octets)]
        return out

    def test_packets_every_bit(self):
        seen = self.binary(self.with_flips("packet.json", "packet"), check_packet)
        self.assertEqual(
            seen,
            {
                "ok", "header_truncated", "header_version", "header_reserved", "header_length",
                "option_malformed", "option_summary", "control_malformed",
            },
        )  # fmt: skip

    def test_packets_every_length(self):
        inputs = []
        for vector in load("packet.json")["valid"]:
            octets = bytes.fromhex(vector["packet"])
            for size in range(len(octets)):
                inputs.append((f"{vector['name']}, first {size} octets", octets[:size]))
            inputs.append((f"{vector['name']} and an octet", octets + b"\0"))
        self.binary(inputs, check_packet)

    def test_records_every_bit(self):
        seen = self.binary(self.with_flips("record.json", "datagram"), split_record, "--record")
        self.assertEqual(
            seen, {"ok", "record_truncated", "record_type_unknown", "header_reserved"}
        )

    def test_sealed_prefixes_every_bit(self):
        inputs = self.with_flips("sealed_prefix.json", "plaintext")
        self.assertEqual(self.binary(inputs, decode_inside, "--prefix"), {"ok", "inside_malformed"})

    def test_sealed_prefixes_all(self):
        inputs = [
            (f"{offload:02x} {form:02x}", bytes([offload, form]) + bytes(rest))
            for offload in range(256)
            for form in range(256)
            for rest in (0, 4)
        ]
        self.binary(inputs, decode_inside, "--prefix")

    def test_fields_of_every_bit(self):
        """What the packet says, to the last bit: through the other encoding of it."""

        def answer(line):
            octets = bytes.fromhex(line)
            said = outcome(decode_packet, octets)
            if said != "ok":
                return said
            field, body = encode_field(decode_packet(octets))
            return f"ok\t{field}\t{body.hex()}"

        inputs = [
            (what, octets.hex())
            for what, octets in self.with_flips("packet.json", "packet")
            if outcome(check_packet, octets) != "control_malformed"
        ]
        self.compare(inputs, answer, "--field-of")

    def test_edited_fields(self):
        inputs = []
        edited = ("nothing", "sealed TCP, opener", "option critical and end to end")
        for vector in load("packet.json")["valid"]:
            if vector["name"] in edited:
                for field in edits(vector["field"]):
                    inputs.append((vector["name"], f"{field}\t{vector['body']}"))
        for name, field, body, _ in own_vectors.REFUSED_FIELDS:
            inputs.append((name, f"{field}\t{body.hex()}"))
        for name, field, _, body in own_vectors.SAME_FIELDS:
            inputs.append((name, f"{field}\t{body.hex()}"))
        for vector in load("field.json")["valid"] + load("field.json")["invalid"]:
            inputs.append((vector["name"], f"{vector['field']}\t{vector['body']}"))

        def answer(line):
            field, body = line.rsplit("\t", 1)
            arguments = field, bytes.fromhex(body)
            said = outcome(decode_field, *arguments)
            return f"ok\t{encode_packet(decode_field(*arguments)).hex()}" if said == "ok" else said

        seen = self.compare(inputs, answer, "--packet-of")
        self.assertEqual(
            seen,
            {
                "ok", "refused", "header_version", "header_reserved", "header_truncated",
                "header_length", "option_malformed",
            },
        )  # fmt: skip


if __name__ == "__main__":
    unittest.main()
