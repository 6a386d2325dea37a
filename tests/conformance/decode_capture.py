#!/usr/bin/env python3
"""Decodes a capture with its key log to the last octet, by docs/wire.md alone.

Key log, one line each ("#" starts a comment):
  LINK    RECEIVER-INDEX SUITE SECRET LAYER-ID    one direction of a link
  SESSION RECEIVER-INDEX SUITE SECRET LAYER-ID    one direction of a session
  MEMBER  NAME IPV4                               optional: an IPv4 address from a certificate
Index (6 digits), secret (64), layer id (64) and name (32) in hexadecimal; suite 1 or 2. Lines of
one index may be many: all are tried.

Exit code: 0 all that has keys decodes and what was asked for holds; 1 not; 2 wrong usage or files.
"""

import argparse
import collections
import hashlib
import ipaddress
import json
import sys

import aead
import handshake_frames
import sealed
from capture_file import CaptureError, read_frames, udp_datagram
from control import ERRORS, QUESTIONS, decode_control, decode_quote
from inner_ip import (
    ICMP,
    ICMPV6,
    KEEPALIVE,
    NO_NEXT_HEADER,
    TCP,
    UDP,
    address_text,
    checksum_fits,
    rebuild,
)
from wire_packet import (
    NEXT_CONTROL,
    NEXT_HANDSHAKE,
    NEXT_NOTHING,
    NEXT_SESSION,
    SESSION_HEADER,
    Refused,
    decode_packet,
)

_PROTOCOLS = {ICMP: "ICMP", ICMPV6: "ICMP", TCP: "TCP", UDP: "UDP"}
_SHORTEST_RECORD = sealed.RECORD_HEADER + sealed.TAG


class KeyLogError(Exception):
    pass


class Key:
    """One direction's secret; remembers what each counter sealed, so that a nonce that was used
    twice shows. A capture sees records late, twice and on several links: there is no window."""

    def __init__(self, suite, secret, layer_id):
        self.layer_id = layer_id
        self._suite, self._secret = suite, secret
        self._lanes, self._seen = {}, {}

    def open(self, lane, counter, octets, aad):
        """Plaintext, and whether it is seen for the first time; Forged if it is another key's."""
        if counter >= sealed.KEY_RECORDS:
            raise Refused("record_counter_exhausted")
        if lane not in self._lanes:
            self._lanes[lane] = aead.Lane(self._suite, self._secret, lane)
        plaintext = self._lanes[lane].open(counter, octets, aad)
        digest = hashlib.blake2s(octets).digest()
        first = self._seen.setdefault((lane, counter), digest)
        if first is not digest and first != digest:
            raise Refused("nonce used twice")
        return plaintext, first is digest


class KeyLog:
    def __init__(self):
        self.links = collections.defaultdict(list)
        self.sessions = collections.defaultdict(list)
        self.ipv4 = {}

    def read(self, lines):
        for number, line in enumerate(lines, 1):
            words = line.split("#")[0].split()
            try:
                if words:
                    self._line(words)
            except (ValueError, IndexError) as error:
                raise KeyLogError(f"key log, line {number}: {error}") from error

    def _line(self, words):
        if words[0] == "MEMBER":
            _, name, address = words
            self.ipv4[bytes.fromhex(name)] = ipaddress.IPv4Address(address).packed
            return
        kind, index, suite, secret, layer = words
        if kind not in ("LINK", "SESSION"):
            raise ValueError(f"no such kind: {kind}")
        secret, layer = bytes.fromhex(secret), bytes.fromhex(layer)
        if len(index) != 6 or suite not in ("1", "2") or len(secret) != 32 or len(layer) != 32:
            raise ValueError("index has 6 digits, suite is 1 or 2, secret and layer have 64 digits")
        table = self.links if kind == "LINK" else self.sessions
        table[int(index, 16)].append(Key(int(suite), secret, layer))


def open_with(keys, lane, counter, octets, aad_of):
    """Opens with whichever of the keys fits: key, plaintext, first time."""
    for key in keys:
        try:
            return (key, *key.open(lane, counter, octets, aad_of(key)))
        except aead.Forged:
            continue
    raise Refused("record_forged")


class Decoder:
    def __init__(self, keys, ports=(), require_keys=False, check_checksums=True):
        self.counts = collections.Counter()
        self.failures = collections.Counter()
        self.examples = []
        self.inner_protocols = collections.Counter()
        self.inner_packets = []  # seen for the first time
        self._keys, self._ports = keys, frozenset(ports)
        self._require_keys, self._check_checksums = require_keys, check_checksums

    def fail(self, what, where=""):
        self.failures[what] += 1
        if len(self.examples) < 20:
            self.examples.append(f"{what}{': ' if where else ''}{where}")

    # --- datagrams ---

    def datagram(self, datagram, number):
        ports = {datagram.source_port, datagram.destination_port}
        if self._ports and not self._ports & ports:
            self.counts["UDP, other ports"] += 1
            return
        where = (
            f"frame {number}, {address_text(datagram.source)} port {datagram.source_port} to "
            f"{address_text(datagram.destination)} port {datagram.destination_port}, "
            f"{len(datagram.octets)} octets"
        )
        octets = datagram.octets
        kind = octets[0] if octets else -1
        known = kind in handshake_frames.NATIVE or kind in handshake_frames.WIREGUARD
        probe = len(octets) == 28 and not any(octets[1:4]) and handshake_frames.PROBES.get(kind)
        if datagram.fragment or datagram.cut:
            self.counts["datagrams not captured whole"] += 1
            if known and (self._ports or self._record_has_keys(octets)):
                self.fail("IP fragment" if datagram.fragment else "cut by the capture", where)
        elif kind == handshake_frames.RECORD:
            self._record(octets, where)
        elif kind in handshake_frames.NATIVE:
            self._handshake(octets, where, "link", bool(self._ports))
        elif probe:
            self.counts[f"link {probe}"] += 1
        elif self._is_wireguard(octets):
            self.counts[f"WireGuard {handshake_frames.WIREGUARD[kind]}"] += 1
        else:
            self.counts["UDP, other"] += 1
            if self._ports:
                self.fail("record_type_unknown", where)

    @staticmethod
    def _is_wireguard(octets):
        if len(octets) < 32 or octets[0] not in (1, 2, 3, 4) or any(octets[1:4]):
            return False
        size = {1: 148, 2: 92, 3: 64}.get(octets[0])
        return size is None or len(octets) == size

    def _record_has_keys(self, octets):
        return octets[0] == 0x14 and int.from_bytes(octets[4:7], "big") in self._keys.links

    def _handshake(self, octets, where, purpose, strict):
        try:
            frame = handshake_frames.decode_frame(octets)
        except Refused as refused:
            self.counts["UDP, other" if not strict else "undecodable handshakes"] += 1
            if strict:
                self.fail(refused.reason, where)
            return
        self.counts[f"{purpose} handshake {frame.kind}"] += 1

    def _open_record(self, octets):
        index, lane, counter, body = sealed.split_record(octets)
        keys = self._keys.links.get(index)
        if not keys:
            raise Refused("record_index_unknown")
        head = octets[: sealed.RECORD_HEADER]
        return open_with(keys, lane, counter, body, lambda key: head)

    def _record(self, octets, where):
        try:
            opened = [self._open_record(octets)]
        except Refused as refused:
            if refused.reason == "record_index_unknown":
                self.counts["link records without keys"] += 1
                if self._require_keys:
                    self.fail("record_index_unknown", where)
                return
            opened = self._split(octets) if refused.reason == "record_forged" else None
            if opened is None:
                has_keys = self._record_has_keys(octets)
                self.counts["undecodable records" if has_keys or self._ports else "UDP, other"] += 1
                if has_keys or self._ports:
                    self.fail(refused.reason, where)
                return
            self.counts["joined datagrams (GSO or GRO)"] += 1
        for key, plaintext, first in opened:
            self.counts["link records"] += 1
            if not first:
                self.counts["link records seen again"] += 1
            self._plaintext(key, plaintext, where)

    def _split(self, octets):
        """A datagram captured above GSO or below GRO: records of one size, the last may be
        shorter. Returns what they hold, or None if no size fits."""
        for size in range(_SHORTEST_RECORD, len(octets) - _SHORTEST_RECORD + 1):
            starts = range(0, len(octets), size)
            if len(octets) - starts[-1] < _SHORTEST_RECORD:
                continue
            if any(octets[at : at + 4] != b"\x14\0\0\0" for at in starts):
                continue
            try:
                return [self._open_record(octets[at : at + size]) for at in starts]
            except Refused:
                continue
        return None

    # --- packets ---

    def _plaintext(self, key, plaintext, where):
        if not plaintext:
            self.counts["keepalives"] += 1
            return
        try:
            packet = decode_packet(plaintext)
            if packet.layer != key.layer_id[:4]:
                raise Refused("layer_unknown")
            self._packet(packet, where)
        except Refused as refused:
            self.counts["undecodable packets"] += 1
            self.fail(refused.reason, f"{where}, inside its record")

    def _packet(self, packet, where):
        self.counts["options"] += len(packet.options)
        if packet.next_protocol == NEXT_NOTHING:
            self.counts["packets without payload"] += 1
        elif packet.next_protocol == NEXT_CONTROL:
            message = decode_control(packet.payload)
            if message.type >= 128:
                name = f"of type {message.type}"
            else:
                name = ERRORS.get(message.type) or QUESTIONS[message.type]
            if message.quote:
                decode_quote(message.quote)
                if not 0 <= len(message.quote) - message.quote[5] * 4 <= 8:
                    self.fail("control quote", where)
            self.counts[f"control: {name}"] += 1
        elif packet.next_protocol == NEXT_HANDSHAKE:
            self._handshake(packet.payload, f"{where}, inside its record", "session", True)
        elif packet.next_protocol == NEXT_SESSION:
            self._session(packet, where)
        else:
            self.counts[f"packets of next protocol {packet.next_protocol}"] += 1

    def _session(self, packet, where):
        index, lane = packet.session_index >> 8, packet.session_index & 0xFF
        keys = [
            key
            for key in self._keys.sessions.get(index, ())
            if key.layer_id[:4] == packet.layer
        ]
        if not keys:
            self.counts["session records without keys"] += 1
            if self._require_keys:
                self.fail("session_unknown", where)
            return
        _, plaintext, first = open_with(
            keys,
            lane,
            packet.sequence,
            packet.payload[SESSION_HEADER:],
            lambda key: sealed.canonical_form(packet, key.layer_id),
        )
        self.counts["session records"] += 1
        if not first:
            self.counts["session records seen again"] += 1
            return
        if packet.inner_protocol == NO_NEXT_HEADER:
            self.counts["session keepalives"] += 1
            if plaintext != KEEPALIVE or not packet.opener or packet.port or packet.flow:
                self.fail("session keepalive", where)
            return
        inner = rebuild(packet, plaintext, self._keys.ipv4.get)
        self.inner_packets.append(inner.octets)
        name = _PROTOCOLS.get(inner.protocol, f"protocol {inner.protocol}")
        self.inner_protocols[name] += 1
        self.counts[f"inner IPv{inner.octets[0] >> 4} {name}"] += 1
        if inner.fragment:
            self.counts["inner fragments"] += 1
        if inner.unfinished_checksum:
            self.counts["inner checksums unfinished"] += 1
        fits = checksum_fits(inner)
        if fits:
            self.counts["inner checksums verified"] += 1
        elif fits is False:
            self.counts["inner checksums wrong"] += 1
            if self._check_checksums:
                self.fail("inner checksum", where)


def decode(capture, decoder):
    """Feeds all frames of a capture's octets to the decoder."""
    for number, frame in enumerate(read_frames(capture), 1):
        decoder.counts["frames"] += 1
        datagram = udp_datagram(frame)
        if datagram:
            decoder.datagram(datagram, number)


def _arguments(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("capture", nargs="+", help="pcap or pcapng file")
    parser.add_argument("--keys", required=True, help="key log", action="append")
    parser.add_argument("--port", type=int, action="append", default=[],
                        help="look at this UDP port only, and require all of it to decode")
    parser.add_argument("--require-keys", action="store_true",
                        help="records without keys are failures, too")
    parser.add_argument("--ignore-checksums", action="store_true",
                        help="wrong inner checksums are counted, but no failure")
    parser.add_argument("--expect-inner", default="", metavar="LIST",
                        help="require inner packets of these protocols, e.g. ICMP,TCP,UDP")
    parser.add_argument("--find", action="append", default=[], metavar="HEX", type=bytes.fromhex,
                        help="require these octets in an inner packet")
    parser.add_argument("--absent", action="append", default=[], metavar="HEX", type=bytes.fromhex,
                        help="require that these octets are nowhere in the capture itself")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    return parser.parse_args(argv)  # fmt: skip


def _asked_for(arguments, decoder, captures):
    """What was asked for: text to whether it holds."""
    asked = {}
    for name in filter(None, arguments.expect_inner.upper().split(",")):
        asked[f"inner {name}"] = decoder.inner_protocols[name] > 0
    for marker in arguments.find:
        asked[f"found {marker.hex()}"] = any(marker in inner for inner in decoder.inner_packets)
    for marker in arguments.absent:
        asked[f"absent {marker.hex()}"] = not any(marker in capture for capture in captures)
    return asked


def main(argv=None):
    arguments = _arguments(argv)
    keys, captures = KeyLog(), []
    decoder = Decoder(
        keys, arguments.port, arguments.require_keys, not arguments.ignore_checksums
    )
    try:
        for name in arguments.keys:
            with open(name, encoding="ascii") as file:
                keys.read(file)
        for name in arguments.capture:
            with open(name, "rb") as file:
                captures.append(file.read())
            decode(captures[-1], decoder)
    except (OSError, UnicodeDecodeError, KeyLogError, CaptureError) as error:
        print(f"decode_capture: {error}", file=sys.stderr)
        return 2
    asked = _asked_for(arguments, decoder, captures)
    holds = not decoder.failures and all(asked.values())
    if arguments.json:
        summary = {"counts": decoder.counts, "failures": decoder.failures, "asked": asked}
        print(json.dumps(summary | {"holds": holds}, indent=2, sort_keys=True))
        return 0 if holds else 1
    for name, count in sorted(decoder.counts.items()):
        print(f"{count:9}  {name}")
    for name, count in sorted(decoder.failures.items()):
        print(f"{count:9}  FAILED: {name}")
    for example in decoder.examples:
        print(f"           {example}")
    for name, true in asked.items():
        print(f"{'yes' if true else 'NO':>9}  {name}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
