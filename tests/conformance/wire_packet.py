"""Extension header and options: wire.md sections 3 and 4."""

import struct
from dataclasses import dataclass, field

VERSION = 1
FIXED_HEADER = 56
MAX_HEADER = 255 * 4

NEXT_NOTHING, NEXT_CONTROL, NEXT_HANDSHAKE, NEXT_SESSION = 0, 1, 2, 3
SESSION_HEADER, SEALED_PREFIX, TAG = 8, 2, 16

_OPENER, _FRAGMENT = 1, 2
_CRITICAL, _MUTABLE, _END_TO_END = 0x80, 0x40, 0x20


class Refused(Exception):
    """A packet is refused; reason is the drop reason's name."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


@dataclass
class Option:
    option_class: int
    type: int
    critical: bool = False
    mutable: bool = False
    end_to_end: bool = False
    value: bytes = b""

    def encode(self):
        if len(self.value) > 255:
            raise ValueError("an option's value has at most 255 octets")
        flags = (
            _CRITICAL * self.critical | _MUTABLE * self.mutable | _END_TO_END * self.end_to_end
        )
        head = struct.pack(">BBBB", self.option_class, self.type, flags, len(self.value))
        return head + self.value + bytes(-len(self.value) % 4)


@dataclass
class Packet:
    """One packet: extension header, options, and the payload behind them as it is."""

    ttl: int = 64
    traffic_class: int = 0
    next_protocol: int = NEXT_NOTHING
    layer: bytes = bytes(4)
    service: int = 0
    flow: int = 0
    inner_protocol: int = 0
    opener: bool = False
    fragment: bool = False
    port: int = 0
    source: bytes = bytes(16)
    destination: bytes = bytes(16)
    options: list = field(default_factory=list)
    payload: bytes = b""
    version: int = VERSION

    @property
    def session_index(self):
        """Receiver's session index, lane included; only with a sealed payload."""
        return struct.unpack(">I", self.payload[:4])[0]

    @property
    def sequence(self):
        return struct.unpack(">I", self.payload[4:8])[0]


def critical_summary(options):
    summary = 0
    for option in options:
        if option.critical:
            summary |= 1 << min(option.option_class, 7)
    return summary


def encode_packet(packet):
    """The packet's octets. ValueError for what no header can hold; rules are not enforced."""
    options = b"".join(option.encode() for option in packet.options)
    header_size = FIXED_HEADER + len(options)
    if header_size > MAX_HEADER:
        raise ValueError("options do not fit into a header")
    if len(packet.payload) > 0xFFFF:
        raise ValueError("payload does not fit into its length field")
    if len(packet.layer) != 4 or len(packet.source) != 16 or len(packet.destination) != 16:
        raise ValueError("layer has 4 octets, names have 16")
    names_form, flags = 1, _OPENER * packet.opener | _FRAGMENT * packet.fragment
    try:
        return b"".join(
            (
                struct.pack(
                    ">BBBBBBH",
                    packet.version << 4 | names_form << 2,
                    packet.ttl,
                    packet.traffic_class,
                    packet.next_protocol,
                    critical_summary(packet.options),
                    header_size // 4,
                    len(packet.payload),
                ),
                packet.layer,
                struct.pack(
                    ">IIBBH",
                    packet.service,
                    packet.flow,
                    packet.inner_protocol,
                    flags,
                    packet.port,
                ),
                packet.source,
                packet.destination,
                options,
                packet.payload,
            )
        )
    except struct.error as error:
        raise ValueError(str(error)) from error


def _decode_options(area):
    options, at = [], 0
    while at < len(area):
        option_class, option_type, flags, length = area[at : at + 4]
        end = at + 4 + length
        padded = end + -length % 4
        if padded > len(area):
            raise Refused("option_malformed")
        if flags & ~(_CRITICAL | _MUTABLE | _END_TO_END):
            raise Refused("option_malformed")
        if flags & _MUTABLE and flags & _END_TO_END:
            raise Refused("option_malformed")
        if any(area[end:padded]):
            raise Refused("option_malformed")
        options.append(
            Option(
                option_class,
                option_type,
                bool(flags & _CRITICAL),
                bool(flags & _MUTABLE),
                bool(flags & _END_TO_END),
                area[at + 4 : end],
            )
        )
        at = padded
    return options


def decode_packet(octets):
    """The packet, or Refused with the reason of the first check of section 3 that fails."""
    if len(octets) < 24:
        raise Refused("header_truncated")
    first, ttl, traffic_class, next_protocol, summary, words, length = struct.unpack(
        ">BBBBBBH", octets[:8]
    )
    if first >> 4 != VERSION:
        raise Refused("header_version")
    if first >> 2 & 3 != 1 or first & 3 != 0:
        raise Refused("header_reserved")
    if words < 14:
        raise Refused("header_length")
    if words * 4 > len(octets):
        raise Refused("header_truncated")
    if words * 4 + length != len(octets):
        raise Refused("header_length")
    service, flow, inner_protocol, flags, port = struct.unpack(">IIBBH", octets[12:24])
    if flags & ~(_OPENER | _FRAGMENT):
        raise Refused("header_reserved")
    if next_protocol <= NEXT_HANDSHAKE and (inner_protocol or flags or port):
        raise Refused("header_reserved")
    if next_protocol == NEXT_NOTHING and length:
        raise Refused("header_length")
    if next_protocol == NEXT_SESSION and length < SESSION_HEADER + SEALED_PREFIX + TAG:
        raise Refused("header_truncated")
    options = _decode_options(octets[FIXED_HEADER : words * 4])
    if summary != critical_summary(options):
        raise Refused("option_summary")
    return Packet(
        ttl=ttl,
        traffic_class=traffic_class,
        next_protocol=next_protocol,
        layer=octets[8:12],
        service=service,
        flow=flow,
        inner_protocol=inner_protocol,
        opener=bool(flags & _OPENER),
        fragment=bool(flags & _FRAGMENT),
        port=port,
        source=octets[24:40],
        destination=octets[40:56],
        options=options,
        payload=octets[words * 4 :],
    )
