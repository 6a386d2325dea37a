"""Datagram types and the clear parts of the native handshake: wire.md sections 1 and 8."""

import struct
from dataclasses import dataclass

from wire_packet import Refused

INITIATION, RESPONSE, COOKIE, RESET, RECORD = 0x10, 0x11, 0x12, 0x13, 0x14
PROBES = {0x17: "probe", 0x18: "answer to a probe"}
NATIVE = {
    INITIATION: "initiation",
    RESPONSE: "response",
    COOKIE: "cookie reply",
    RESET: "reset",
    RECORD: "record",
}
LARGEST = 8192  # octets of an initiation or response
WIREGUARD = {1: "initiation", 2: "response", 3: "cookie reply", 4: "transport data"}

ITEM_TIMESTAMP, ITEM_CERTIFICATE, ITEM_REGISTRATION, ITEM_GRANT = 1, 2, 3, 4
ITEM_RESET_TOKEN, ITEM_LINK_SIZE = 5, 6
_OBJECTS = (ITEM_CERTIFICATE, ITEM_REGISTRATION, ITEM_GRANT)


@dataclass
class Frame:
    kind: str
    suite: int = 0
    purpose: int = 0
    sender: int = 0
    receiver: int = 0  # in a reset: the wire id, lane included
    ephemeral: bytes = b""
    sealed_static: bytes = b""
    sealed_payload: bytes = b""
    mac1: bytes = b""
    mac2: bytes = b""
    token: bytes = b""


def decode_frame(message):
    """A message of types 0x10 to 0x13, as far as it can be read without keys."""
    if not message:
        raise Refused("handshake_malformed")
    kind = message[0]
    if kind == INITIATION or kind == RESPONSE:
        return _decode_hello(message, kind)
    if kind == COOKIE:
        if len(message) != 64 or any(message[1:4]) or message[7]:
            raise Refused("handshake_malformed")
        return Frame("cookie reply", receiver=int.from_bytes(message[4:7], "big"))
    if kind == RESET:
        if len(message) != 24 or any(message[1:4]):
            raise Refused("handshake_malformed")
        return Frame("reset", receiver=int.from_bytes(message[4:8], "big"), token=message[8:])
    raise Refused("record_type_unknown")


def check_hello_size(message, kind):
    """What is looked at before mac1."""
    if not (164 if kind == INITIATION else 104) <= len(message) <= LARGEST:
        raise Refused("handshake_malformed")


def _decode_hello(message, kind):
    check_hello_size(message, kind)
    _, version, suite, purpose = message[:4]
    # Whatever an end is configured for, it is one of these.
    if version != 1 or suite not in (1, 2) or purpose not in (1, 2):
        raise Refused("handshake_suite")
    if message[7] or (kind == RESPONSE and message[11]):
        raise Refused("handshake_malformed")
    frame = Frame(NATIVE[kind], suite, purpose, int.from_bytes(message[4:7], "big"))
    at = 8
    if kind == RESPONSE:
        frame.receiver, at = int.from_bytes(message[8:11], "big"), 12
    frame.ephemeral, at = message[at : at + 32], at + 32
    if kind == INITIATION:
        frame.sealed_static, at = message[at : at + 48], at + 48
    frame.sealed_payload = message[at:-32]
    frame.mac1, frame.mac2 = message[-32:-16], message[-16:]
    return frame


def decode_items(payload, initiation):
    """The items of an initiation's or response's opened payload, type to value; those from 128 on
    left out."""
    items, at, last = {}, 0, -1
    while at < len(payload):
        if at + 3 > len(payload):
            raise Refused("handshake_malformed")
        kind, length = struct.unpack(">BH", payload[at : at + 3])
        value = payload[at + 3 : at + 3 + length]
        if kind <= last or len(value) != length:
            raise Refused("handshake_malformed")
        if not ITEM_TIMESTAMP <= kind <= ITEM_LINK_SIZE and kind < 128:
            raise Refused("handshake_malformed")
        expected = {ITEM_TIMESTAMP: 8, ITEM_RESET_TOKEN: 16, ITEM_LINK_SIZE: 2}.get(kind, length)
        if length != expected or (kind in _OBJECTS and not length):
            raise Refused("handshake_malformed")
        if kind < 128:
            items[kind] = value
        last, at = kind, at + 3 + length
    if (ITEM_TIMESTAMP in items) != initiation:
        raise Refused("handshake_malformed")
    return items


def encode_items(items):
    return b"".join(
        struct.pack(">BH", kind, len(items[kind])) + items[kind] for kind in sorted(items)
    )
