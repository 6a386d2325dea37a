"""Link records, session records and their replay window: wire.md sections 2 and 5."""

import struct

import aead
from wire_packet import NEXT_SESSION, SESSION_HEADER, TAG, Refused

RECORD_TYPE = 0x14
RECORD_HEADER = 12
KEY_RECORDS = 1 << 28
WINDOW = 8192


class ReplayWindow:
    """One lane's counters: what was seen, and what is too old to tell."""

    def __init__(self):
        self._highest = -1
        self._seen = set()

    def check(self, counter):
        if counter in self._seen or self._highest - counter >= WINDOW:
            raise Refused("record_replayed")

    def accept(self, counter):
        self.check(counter)
        self._seen.add(counter)
        if counter > self._highest:
            self._highest = counter
            if len(self._seen) > 2 * WINDOW:
                self._seen = {c for c in self._seen if counter - c < WINDOW}


class Direction:
    """The keys of one direction of a session: lanes made at first use, each with its window."""

    def __init__(self, suite, secret):
        self._suite, self._secret = suite, secret
        self._lanes = {}

    def lane(self, number):
        if number not in self._lanes:
            self._lanes[number] = (aead.Lane(self._suite, self._secret, number), ReplayWindow())
        return self._lanes[number]


def split_record(datagram):
    """Index, lane, counter and sealed octets of a link record."""
    if len(datagram) < RECORD_HEADER + TAG:
        raise Refused("record_truncated")
    if datagram[0] != RECORD_TYPE:
        raise Refused("record_type_unknown")
    if any(datagram[1:4]):
        raise Refused("header_reserved")
    wire_id, counter = struct.unpack(">II", datagram[4:12])
    return wire_id >> 8, wire_id & 0xFF, counter, datagram[12:]


def _open(direction, lane_number, counter, sealed, aad):
    if counter >= KEY_RECORDS:
        raise Refused("record_counter_exhausted")
    lane, window = direction.lane(lane_number)
    window.check(counter)
    try:
        plaintext = lane.open(counter, sealed, aad)
    except aead.Forged:
        raise Refused("record_forged") from None
    window.accept(counter)
    return plaintext


def open_record(datagram, directions):
    """The plaintext (a packet, or nothing) of a link record. directions: index to Direction."""
    index, lane, counter, sealed = split_record(datagram)
    if index not in directions:
        raise Refused("record_index_unknown")
    return _open(directions[index], lane, counter, sealed, datagram[:RECORD_HEADER])


def seal_record(direction, index, lane, counter, plaintext):
    if counter >= KEY_RECORDS:
        raise Refused("record_counter_exhausted")
    head = struct.pack(">III", RECORD_TYPE << 24, index << 8 | lane, counter)
    return head + direction.lane(lane)[0].seal(counter, plaintext, head)


def canonical_form(packet, layer_id):
    """What a session record authenticates of the packet that carries it."""
    if len(layer_id) != 32:
        raise ValueError("a layer's id has 32 octets")
    head = struct.pack(
        ">BBBBHH",
        packet.version,
        packet.next_protocol,
        packet.inner_protocol,
        packet.opener | packet.fragment << 1,
        packet.port,
        0,
    )
    return b"".join(
        [head, layer_id, struct.pack(">II", packet.service, packet.flow), packet.payload[:8]]
        + [packet.source, packet.destination]
        + [option.encode() for option in packet.options if option.end_to_end]
    )


def open_session(packet, layer_id, directions):
    """The plaintext of a sealed payload. directions: session index to Direction."""
    if packet.next_protocol != NEXT_SESSION:
        raise ValueError("only next protocol 3 is sealed")
    index, lane = packet.session_index >> 8, packet.session_index & 0xFF
    if index not in directions:
        raise Refused("session_unknown")
    aad = canonical_form(packet, layer_id)
    return _open(directions[index], lane, packet.sequence, packet.payload[SESSION_HEADER:], aad)


def seal_session(packet, layer_id, direction, index, lane, sequence, plaintext):
    """Makes the packet one of next protocol 3 that carries the plaintext."""
    if sequence >= KEY_RECORDS:
        raise Refused("record_counter_exhausted")
    packet.next_protocol = NEXT_SESSION
    packet.payload = struct.pack(">II", index << 8 | lane, sequence)
    aad = canonical_form(packet, layer_id)
    packet.payload += direction.lane(lane)[0].seal(sequence, plaintext, aad)
    return packet
