"""The inner IP packet and the sealed prefix: wire.md sections 5 (plaintext) and 6."""

import ipaddress
import struct
from dataclasses import dataclass

from wire_packet import Refused

TCP, UDP, DCCP, SCTP, UDP_LITE = 6, 17, 33, 132, 136
WITH_PORTS = (TCP, UDP, DCCP, SCTP, UDP_LITE)
ICMP, ICMPV6, NO_NEXT_HEADER = 1, 58, 59
KEEPALIVE = b"\0\x06"  # plaintext of a session's keepalive, inner protocol 59
# What counts as an IPv6 extension header; all else, AH and ESP too, is the upper layer.
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION)
_MOST_EXTENSIONS = 8
_LARGEST = 65535  # of a packet, and of what its fragments make together

_UNFINISHED = 0x01
_IDENTIFICATION, _WHOLE, _DONT_FRAGMENT = 0x10, 0x20, 0x40
_IPV4_DF = 0x4000
_NO_IPV4 = bytes(4)


@dataclass
class Inside:
    """What a sealed plaintext says."""

    unfinished_checksum: bool
    ip_version: int
    identification: bytes  # 4 octets, or none
    whole: bool
    dont_fragment: bool
    payload: bytes


@dataclass
class InnerPacket:
    octets: bytes  # the IP packet; IPv4 addresses are 0.0.0.0 where they are not known
    unfinished_checksum: bool
    protocol: int
    upper: int  # where the upper layer starts
    fragment: bool
    first: bool  # holds the start of the upper layer
    addresses_known: bool


@dataclass
class _View:
    """A whole IP packet, looked at."""

    version: int
    source: bytes
    destination: bytes
    protocol: int
    upper: int
    fragment: bool
    offset: int  # octets
    plain: bool  # no IPv4 options, no IPv6 extension headers

    @property
    def first(self):
        """Also of what is no fragment: the upper layer's header is here."""
        return self.offset == 0


def decode_inside(plaintext):
    if len(plaintext) < 2:
        raise Refused("inside_malformed")
    offload, form = plaintext[:2]
    version, rest = form & 0x0F, plaintext[2:]
    shapes = form & (_IDENTIFICATION | _WHOLE | _DONT_FRAGMENT)
    if offload & ~_UNFINISHED or form & 0x80:
        raise Refused("inside_malformed")
    if version == 4:
        if shapes not in (0, _IDENTIFICATION, _WHOLE, _DONT_FRAGMENT):
            raise Refused("inside_malformed")
    elif version == 6:
        if shapes not in (0, _WHOLE):
            raise Refused("inside_malformed")
    else:
        raise Refused("inside_malformed")
    identification = b""
    if shapes == _IDENTIFICATION:
        if len(rest) < 4:
            raise Refused("inside_malformed")
        identification, rest = rest[:4], rest[4:]
    return Inside(
        bool(offload & _UNFINISHED),
        version,
        identification,
        shapes == _WHOLE,
        shapes == _DONT_FRAGMENT,
        rest,
    )


def encode_inside(inside):
    form = (
        inside.ip_version
        | _IDENTIFICATION * bool(inside.identification)
        | _WHOLE * inside.whole
        | _DONT_FRAGMENT * inside.dont_fragment
    )
    head = bytes([_UNFINISHED * inside.unfinished_checksum, form])
    return head + inside.identification + inside.payload


def _require(condition):
    if not condition:
        raise Refused("inside_malformed")


def _check_fragment(offset, more, size):
    """All but the last are made of whole units of 8 octets, and none reaches too far."""
    _require(not more or (size and size % 8 == 0))
    _require(offset + size <= _LARGEST)


def _view_ipv4(octets):
    _require(20 <= len(octets) <= _LARGEST)
    header = (octets[0] & 0x0F) * 4
    _require(20 <= header <= len(octets) and int.from_bytes(octets[2:4], "big") == len(octets))
    _require(ones_sum(octets[:header]) == 0xFFFF)
    place = int.from_bytes(octets[6:8], "big")
    offset, more = (place & 0x1FFF) * 8, bool(place & 0x2000)
    if offset or more:
        _check_fragment(offset, more, len(octets) - header)
    return _View(
        version=4,
        source=octets[12:16],
        destination=octets[16:20],
        protocol=octets[9],
        upper=header,
        fragment=bool(offset or more),
        offset=offset,
        plain=header == 20,
    )


def _view_ipv6(octets):
    _require(len(octets) >= 40 and int.from_bytes(octets[4:6], "big") + 40 == len(octets))
    protocol, at, offset, more, count, fragments = octets[6], 40, 0, False, 0, 0
    while protocol in _EXTENSIONS and not offset:
        _require(count < _MOST_EXTENSIONS and at + 8 <= len(octets))
        size = (octets[at + 1] + 1) * 8
        if protocol == _HOP_BY_HOP:
            _require(count == 0)
        elif protocol == _FRAGMENT:
            fragments, size = fragments + 1, 8
            _require(fragments == 1)
            place = int.from_bytes(octets[at + 2 : at + 4], "big")
            offset, more = place & 0xFFF8, bool(place & 1)
            if offset or more:
                _check_fragment(offset, more, len(octets) - at - 8)
        _require(at + size <= len(octets))
        protocol, at, count = octets[at], at + size, count + 1
    return _View(
        version=6,
        source=octets[8:24],
        destination=octets[24:40],
        protocol=protocol,
        upper=at,
        fragment=bool(offset or more),
        offset=offset,
        plain=at == 40,
    )


def _check_upper_layer(seen, upper):
    """The upper layer's header is there, where it should be."""
    if not seen.first:
        _require(seen.protocol != TCP or seen.offset >= 20)
    elif seen.protocol == TCP:
        _require(len(upper) >= 20 and 20 <= (upper[12] >> 4) * 4 <= len(upper))
    elif seen.protocol == UDP:
        _require(len(upper) >= 8)
        length = int.from_bytes(upper[4:6], "big")
        _require(length >= 8 and (length <= len(upper) or seen.fragment))
    else:
        least = {UDP_LITE: 8, SCTP: 12, DCCP: 12}.get(seen.protocol, 0)
        if seen.protocol == (ICMP if seen.version == 4 else ICMPV6):
            least = 8 if seen.version == 4 else 4
        _require(len(upper) >= least)


def view(octets):
    """Looks at a whole IP packet; Refused inside_malformed if it is none."""
    version = octets[0] >> 4 if octets else 0
    _require(version in (4, 6))
    seen = _view_ipv4(octets) if version == 4 else _view_ipv6(octets)
    _check_upper_layer(seen, octets[seen.upper :])
    return seen


def ones_sum(octets):
    """Folded one's complement sum, not inverted (RFC 1071)."""
    total = sum(struct.unpack(f">{(len(octets) + 1) // 2}H", octets + bytes(len(octets) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _with_ipv4_checksum(header):
    header = header[:10] + bytes(2) + header[12:]
    return header[:10] + (ones_sum(header) ^ 0xFFFF).to_bytes(2, "big") + header[12:]


def _rebuild_header(packet, inside, source, destination):
    size = len(inside.payload)
    if inside.ip_version == 6:
        # With an extension header the whole packet would have travelled.
        _require(size <= _LARGEST and packet.inner_protocol not in _EXTENSIONS)
        first = 6 << 28 | packet.traffic_class << 20 | packet.flow & 0xFFFFF
        head = struct.pack(">IHBB", first, size, packet.inner_protocol, packet.ttl)
        return head + source + destination
    _require(inside.identification or inside.dont_fragment)  # else nothing says what the flags are
    _require(20 + size <= _LARGEST)
    if _NO_IPV4 in (source, destination):
        raise Refused("inside_differs")
    source, destination = source or _NO_IPV4, destination or _NO_IPV4
    identification = inside.identification or struct.pack(">HH", 0, _IPV4_DF)
    head = struct.pack(">BBH", 0x45, packet.traffic_class, 20 + size) + identification
    head += struct.pack(">BBH", packet.ttl, packet.inner_protocol, 0) + source + destination
    return _with_ipv4_checksum(head)


def _write_outer_fields(packet, octets, seen):
    """With the whole packet: traffic class and TTL are the extension header's."""
    if seen.version == 4:
        header = octets[:1] + bytes([packet.traffic_class]) + octets[2:8]
        header += bytes([packet.ttl]) + octets[9 : seen.upper]
        return _with_ipv4_checksum(header) + octets[seen.upper :]
    first = int.from_bytes(octets[:4], "big") & 0xF00FFFFF | packet.traffic_class << 20
    return first.to_bytes(4, "big") + octets[4:7] + bytes([packet.ttl]) + octets[8:]


def _take_whole(packet, inside, source, destination):
    seen = view(inside.payload)
    if seen.version != inside.ip_version:
        raise Refused("inside_differs")
    for expected, actual in ((source, seen.source), (destination, seen.destination)):
        if expected is not None and (expected != actual or expected == _NO_IPV4):
            raise Refused("inside_differs")
    return _write_outer_fields(packet, inside.payload, seen), seen


def rebuild(packet, plaintext, ipv4_of=lambda name: None):
    """The inner packet of a session record that was opened.

    ipv4_of: a name's IPv4 address (4 octets, zero if it has none) from its certificate, or None
    where it is not known; then the rebuilt packet has 0.0.0.0 there, and an address inside is not
    compared.
    """
    inside = decode_inside(plaintext)
    if inside.ip_version == 6:
        source, destination = packet.source, packet.destination
    else:
        source, destination = ipv4_of(packet.source), ipv4_of(packet.destination)
    addresses_known = inside.whole or (source is not None and destination is not None)
    if inside.whole:
        octets, seen = _take_whole(packet, inside, source, destination)
    else:
        octets = _rebuild_header(packet, inside, source, destination) + inside.payload
        seen = view(octets)
    if inside.unfinished_checksum:
        _check_unfinished(seen, octets[seen.upper :])
    _check_against_header(packet, seen, octets[seen.upper :])
    return InnerPacket(
        octets,
        inside.unfinished_checksum,
        seen.protocol,
        seen.upper,
        seen.fragment,
        seen.first,
        addresses_known,
    )


def _check_unfinished(seen, upper):
    """TCP or UDP, no fragment, and a UDP length that covers all of it."""
    _require(not seen.fragment and seen.protocol in (TCP, UDP))
    _require(seen.protocol == TCP or int.from_bytes(upper[4:6], "big") == len(upper))


def _check_against_header(packet, seen, upper):
    # Behind a fragment header that is not the first, an extension header hides the upper layer.
    hidden = not seen.first and seen.protocol in _EXTENSIONS and seen.version == 6
    if seen.protocol != packet.inner_protocol and not hidden:
        raise Refused("inside_differs")
    if seen.fragment != packet.fragment:
        raise Refused("inside_differs")
    if packet.inner_protocol not in WITH_PORTS:
        if packet.port:
            raise Refused("inside_differs")
    elif seen.first:
        source_port, destination_port = struct.unpack(">HH", upper[:4])
        if packet.port != (destination_port if packet.opener else source_port):
            raise Refused("inside_differs")


def take_apart(octets, packet, unfinished_checksum=False, first_port=0):
    """The sending end: fills the packet's header fields from an inner packet (names, opener and
    the rest of the flow id stay as they are) and returns the plaintext to be sealed.
    first_port: responder's port of a fragment's first."""
    seen = view(octets)
    packet.inner_protocol, packet.fragment, packet.port = seen.protocol, seen.fragment, 0
    upper = octets[seen.upper :]
    if seen.protocol in WITH_PORTS:
        packet.port = first_port
        if seen.first:
            packet.port = int.from_bytes(upper[2:4] if packet.opener else upper[:2], "big")
    identification, whole, dont_fragment = b"", not seen.plain, False
    if seen.version == 4:
        packet.traffic_class, packet.ttl = octets[1], octets[8]
        if seen.plain:
            dont_fragment = int.from_bytes(octets[6:8], "big") == _IPV4_DF
            identification = b"" if dont_fragment else octets[4:8]
    else:
        first = int.from_bytes(octets[:4], "big")
        packet.traffic_class, packet.ttl = first >> 20 & 0xFF, octets[7]
        packet.flow = packet.flow & 0xFFF00000 | first & 0xFFFFF
    return encode_inside(
        Inside(
            unfinished_checksum,
            seen.version,
            identification,
            whole,
            dont_fragment,
            octets if whole else upper,
        )
    )


def checksum_fits(inner):
    """Whether the upper layer's checksum is what it should be, as far as that can be told:
    None for fragments, other protocols, and IPv4 addresses that are not known."""
    upper = inner.octets[inner.upper :]
    version = inner.octets[0] >> 4
    place = {TCP: 16, UDP: 6, ICMPV6: 2, ICMP: 2}.get(inner.protocol)
    if inner.fragment or place is None or len(upper) < place + 2:
        return None
    if inner.protocol == ICMP:
        return ones_sum(upper) == 0xFFFF if version == 4 else None
    if not inner.addresses_known or (inner.protocol == ICMPV6 and version != 6):
        return None
    if version == 4:
        pseudo = inner.octets[12:20]
    else:
        pseudo = inner.octets[8:40]
    pseudo += struct.pack(">II", len(upper), inner.protocol)
    stored = int.from_bytes(upper[place : place + 2], "big")
    if inner.unfinished_checksum:
        # The one sum has two representations of zero; a folded sum of non-zero terms is never 0.
        return stored == ones_sum(pseudo)
    if inner.protocol == UDP and stored == 0:
        return version == 4
    return ones_sum(pseudo + upper) == 0xFFFF


def address_text(octets):
    return str(ipaddress.ip_address(octets))
