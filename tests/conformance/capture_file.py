"""Captures: pcap and pcapng files, and the UDP datagrams in their frames.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, tcpdump.org's link-layer header types.
"""

import struct
from dataclasses import dataclass


class CaptureError(Exception):
    """The file is no capture, or breaks off."""


@dataclass
class Frame:
    link_type: int
    octets: bytes
    cut: bool  # the capture holds less than there was


@dataclass
class Datagram:
    source: bytes
    source_port: int
    destination: bytes
    destination_port: int
    octets: bytes
    cut: bool
    fragment: bool  # first of several IP fragments: octets is not all of it


def read_frames(data):
    """All frames of a pcap or pcapng file's octets."""
    magic = data[:4]
    if magic == b"\x0a\x0d\x0d\x0a":
        return _pcapng(data)
    if magic in (b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        return _pcap(data, ">")
    if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        return _pcap(data, "<")
    raise CaptureError("neither pcap nor pcapng")


def _pcap(data, order):
    if len(data) < 24:
        raise CaptureError("file header breaks off")
    link_type = struct.unpack(order + "I", data[20:24])[0] & 0x0FFFFFFF
    at = 24
    while at < len(data):
        if at + 16 > len(data):
            raise CaptureError(f"record header at {at} breaks off")
        _, _, kept, size = struct.unpack(order + "IIII", data[at : at + 16])
        at += 16
        if at + kept > len(data):
            raise CaptureError(f"record at {at} breaks off")
        yield Frame(link_type, data[at : at + kept], kept < size)
        at += kept


_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6


def _pcapng(data):
    at, order, interfaces = 0, "<", []
    while at < len(data):
        if at + 12 > len(data):
            raise CaptureError(f"block at {at} breaks off")
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = ">" if data[at + 8 : at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
            interfaces = []
        kind, size = struct.unpack(order + "II", data[at : at + 8])
        if size < 12 or size % 4 or at + size > len(data):
            raise CaptureError(f"block at {at} breaks off")
        body = data[at + 8 : at + size - 4]
        if kind == _INTERFACE:
            interfaces.append(struct.unpack(order + "HHI", body[:8]))
        elif kind in (_ENHANCED, _OLD_PACKET):
            if kind == _ENHANCED:
                interface = struct.unpack(order + "I", body[:4])[0]
            else:
                interface = struct.unpack(order + "H", body[:2])[0]
            kept, whole = struct.unpack(order + "II", body[12:20])
            if interface >= len(interfaces) or 20 + kept > len(body):
                raise CaptureError(f"packet block at {at} is broken")
            yield Frame(interfaces[interface][0], body[20 : 20 + kept], kept < whole)
        elif kind == _SIMPLE:
            if not interfaces:
                raise CaptureError(f"packet block at {at} is broken")
            whole, limit = struct.unpack(order + "I", body[:4])[0], interfaces[0][2]
            kept = min(whole, limit) if limit else whole
            yield Frame(interfaces[0][0], body[4 : 4 + kept], kept < whole)
        at += size


_NULL, _ETHERNET, _RAW, _COOKED, _IPV4, _IPV6, _COOKED_2 = 0, 1, 101, 113, 228, 229, 276
_RAW_TOO = (12, 14, _RAW, _IPV4, _IPV6)
_VLAN = (0x8100, 0x88A8, 0x9100)


def _network_layer(frame):
    """The IP packet in a frame, or nothing."""
    octets = frame.octets
    if frame.link_type in _RAW_TOO:
        return octets
    if frame.link_type == _NULL:
        return octets[4:]
    if frame.link_type == _COOKED:
        place, start = 14, 16
    elif frame.link_type == _COOKED_2:
        place, start = 0, 20
    elif frame.link_type == _ETHERNET:
        place, start = 12, 14
    else:
        raise CaptureError(f"link type {frame.link_type} is not read here")
    protocol = int.from_bytes(octets[place : place + 2], "big")
    while protocol in _VLAN and frame.link_type == _ETHERNET:
        protocol = int.from_bytes(octets[start + 2 : start + 4], "big")
        start += 4
    return octets[start:] if protocol in (0x0800, 0x86DD) else b""


def udp_datagram(frame):
    """The UDP datagram in a frame (the first part of one that was fragmented), or None."""
    packet = _network_layer(frame)
    if not packet:
        return None
    if packet[0] >> 4 == 4 and len(packet) >= 20:
        header, fragment = (packet[0] & 15) * 4, int.from_bytes(packet[6:8], "big")
        if packet[9] != 17 or fragment & 0x1FFF:
            return None
        source, destination, fragment = packet[12:16], packet[16:20], bool(fragment & 0x2000)
    elif packet[0] >> 4 == 6 and len(packet) >= 40:
        protocol, header, fragment = packet[6], 40, False
        while protocol in (0, 43, 44, 60) and header + 8 <= len(packet):
            if protocol == 44:
                place = int.from_bytes(packet[header + 2 : header + 4], "big")
                if place & 0xFFF8:
                    return None
                fragment, size = bool(place & 1), 8
            else:
                size = (packet[header + 1] + 1) * 8
            protocol, header = packet[header], header + size
        if protocol != 17:
            return None
        source, destination = packet[8:24], packet[24:40]
    else:
        return None
    udp = packet[header:]
    if len(udp) < 8:
        return None
    source_port, destination_port, length = struct.unpack(">HHH", udp[:6])
    if length < 8:
        return None
    return Datagram(
        source,
        source_port,
        destination,
        destination_port,
        udp[8:length],
        frame.cut and len(udp) < length,
        fragment or (not frame.cut and len(udp) < length),
    )
