"""The inner IP packet and the sealed prefix: wire.md sections 5 (plaintext) and 6."""

import ipaddress
import struct
from dataclasses import dataclass

from wire_packet import Refused

TCP, UDP, DCCP, SCTP, UDP_LITE = 6, 17, 33, 132, 136
WITH_PORTS = (TCP, UDP, DCCP, SCTP, UDP_LITE)
ICMP, ICMPV6 = 1, 58
# IPv6 extension headers (IANA) that have a next header and a readable length.
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AH, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AH, _DESTINATION, 135, 139, 140)

_UNFINISHED = 0x01
_IDENTIFICATION, _WHOLE, _DONT_FRAGMENT = 0x10, 0x20, 0x40
_IPV4_DF = 0x4000


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
    first: bool
    plain: bool  # no IPv4 options, no IPv6 extension headers


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


def _view_ipv4(octets):
    if len(octets) < 20:
        raise Refused("inside_malformed")
    header = (octets[0] & 0x0F) * 4
    if header < 20 or header > len(octets) or int.from_bytes(octets[2:4], "big") != len(octets):
        raise Refused("inside_malformed")
    place = int.from_bytes(octets[6:8], "big")
    return _View(
        version=4,
        source=octets[12:16],
        destination=octets[16:20],
        protocol=octets[9],
        upper=header,
        fragment=bool(place & 0x3FFF),
        first=not place & 0x1FFF,
        plain=header == 20,
    )


def _view_ipv6(octets):
    if len(octets) < 40 or int.from_bytes(octets[4:6], "big") + 40 != len(octets):
        raise Refused("inside_malformed")
    protocol, at, fragment, first = octets[6], 40, False, True
    while protocol in _EXTENSIONS and first:
        if at + 8 > len(octets):
            raise Refused("inside_malformed")
        size = (octets[at + 1] + 1) * 8
        if protocol == _AH:
            size = (octets[at + 1] + 2) * 4
        elif protocol == _FRAGMENT:
            size, place = 8, int.from_bytes(octets[at + 2 : at + 4], "big")
            fragment, first = fragment or bool(place & 0xFFF9), not place & 0xFFF8
        if at + size > len(octets):
            raise Refused("inside_malformed")
        protocol, at = octets[at], at + size
    return _View(
        version=6,
        source=octets[8:24],
        destination=octets[24:40],
        protocol=protocol,
        upper=at,
        fragment=fragment,
        first=first,
        plain=at == 40,
    )


def view(octets):
    """Looks at a whole IP packet; Refused inside_malformed if it is none."""
    version = octets[0] >> 4 if octets else 0
    if version == 4:
        return _view_ipv4(octets)
    if version == 6:
        return _view_ipv6(octets)
    raise Refused("inside_malformed")


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
        if size > 0xFFFF:
            raise Refused("inside_malformed")
        first = 6 << 28 | packet.traffic_class << 20 | packet.flow & 0xFFFFF
        head = struct.pack(">IHBB", first, size, packet.inner_protocol, packet.ttl)
        return head + source + destination
    if size > 0xFFFF - 20:
        raise Refused("inside_malformed")
    if not inside.identification and not inside.dont_fragment:
        raise Refused("inside_malformed")  # nothing says what the flags are
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


def rebuild(packet, plaintext, ipv4_of=lambda name: None):
    """The inner packet of a session record that was opened.

    ipv4_of: a name's IPv4 address (4 octets) from its certificate, or None where it is not known;
    then the rebuilt packet has 0.0.0.0 there, and an address inside is not compared.
    """
    inside = decode_inside(plaintext)
    if inside.ip_version == 6:
        source, destination = packet.source, packet.destination
    else:
        source, destination = ipv4_of(packet.source), ipv4_of(packet.destination)
    addresses_known = source is not None and destination is not None
    if inside.whole:
        if not inside.payload:
            raise Refused("inside_malformed")
        if inside.payload[0] >> 4 != inside.ip_version:
            raise Refused("inside_differs")
        seen = view(inside.payload)
        for expected, actual in ((source, seen.source), (destination, seen.destination)):
            if expected is not None and expected != actual:
                raise Refused("inside_differs")
        octets = _write_outer_fields(packet, inside.payload, seen)
        addresses_known = True
    else:
        none = bytes(4)
        octets = (
            _rebuild_header(packet, inside, source or none, destination or none) + inside.payload
        )
        seen = view(octets)
    _check_against_header(packet, inside, seen, octets)
    return InnerPacket(
        octets,
        inside.unfinished_checksum,
        seen.protocol,
        seen.upper,
        seen.fragment,
        seen.first,
        addresses_known,
    )


def _check_against_header(packet, inside, seen, octets):
    # Behind a fragment header that is not the first, an extension header hides the upper layer.
    hidden = not seen.first and seen.protocol in _EXTENSIONS and seen.version == 6
    if seen.protocol != packet.inner_protocol and not hidden:
        raise Refused("inside_differs")
    if seen.fragment != packet.fragment:
        raise Refused("inside_differs")
    upper = octets[seen.upper :]
    if inside.unfinished_checksum:
        if seen.fragment or seen.protocol not in (TCP, UDP):
            raise Refused("inside_malformed")
        if len(upper) < (18 if seen.protocol == TCP else 8):
            raise Refused("inside_malformed")
    if packet.inner_protocol not in WITH_PORTS:
        if packet.port:
            raise Refused("inside_differs")
    elif seen.first:
        if len(upper) < 4:
            raise Refused("inside_malformed")
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
            if len(upper) < 4:
                raise Refused("inside_malformed")
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
