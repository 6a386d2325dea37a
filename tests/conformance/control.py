"""Control messages: wire.md section 7."""

import struct
from dataclasses import dataclass

from wire_packet import NEXT_SESSION, VERSION, Refused

ERRORS = {
    1: "no route",
    2: "unknown service",
    3: "TTL exceeded",
    4: "too big",
    5: "refused by rule",
    6: "critical option unknown",
    8: "session unknown",
    9: "opened from the other side",
}
ECHO_REQUEST, ECHO_REPLY = 16, 17
LOOKUP, ANSWER = 32, 33
QUESTIONS = {ECHO_REQUEST: "echo request", ECHO_REPLY: "echo reply", LOOKUP: "lookup", ANSWER: "answer"}
KNOWN = {*ERRORS, *QUESTIONS}
LOOKUP_KEYS = {1: range(16, 17), 2: range(4, 5), 3: range(1, 64)}  # sizes by kind: name, IPv4, label
QUOTE_MINIMUM = 56


@dataclass
class Control:
    type: int
    info: int
    body: bytes
    text: str = ""  # errors only
    quote: bytes = b""  # errors only


def decode_control(payload):
    """The message; of types from 128 on the body comes back as it is."""
    if len(payload) < 8:
        raise Refused("control_malformed")
    kind, code, length, info = struct.unpack(">BBHI", payload[:8])
    body = payload[8:]
    if len(body) != length:
        raise Refused("control_malformed")
    if code or (kind < 128 and kind not in KNOWN):
        raise Refused("control_malformed")
    if kind == LOOKUP and not is_lookup(body) or kind == ANSWER and not is_answer(body):
        raise Refused("control_malformed")
    if kind not in ERRORS:
        return Control(kind, info, body)
    if not body or 1 + body[0] > len(body):
        raise Refused("control_malformed")
    try:
        text = body[1 : 1 + body[0]].decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("control_malformed") from None
    quote = body[1 + body[0] :]
    if len(quote) < QUOTE_MINIMUM:
        raise Refused("control_malformed")
    return Control(kind, info, body, text, quote)


def is_lookup(body):
    if not body or len(body) - 1 not in LOOKUP_KEYS.get(body[0], ()):
        return False
    try:
        return body[0] != 3 or bool(body[1:].decode("utf-8"))
    except UnicodeDecodeError:
        return False


def is_answer(body):
    if not body or body[0] > 4:
        return False
    if body[0] == 0:
        return len(body) == 1
    if body[0] in (1, 3, 4):
        return len(body) >= 3 and len(body) - 3 >= struct.unpack(">H", body[1:3])[0]
    return len(body) > 1


def decode_quote(quote):
    """What the first octets of the reported packet say: its addressing, and its session where the
    quote reaches that far. Refused if they are no extension header of this version."""
    if len(quote) < QUOTE_MINIMUM or quote[0] & 0xFC != VERSION << 4 | 1 << 2:
        raise Refused("control_malformed")
    service, flow, inner_protocol, flags, port = struct.unpack(">IIBBH", quote[12:24])
    header = quote[5] * 4
    session = quote[header : header + 8] if quote[3] == NEXT_SESSION else b""
    return {
        "source": quote[24:40],
        "destination": quote[40:56],
        "layer": quote[8:12],
        "service": service,
        "flow_id": flow,
        "next_protocol": quote[3],
        "inner_protocol": inner_protocol,
        "inner_flags": flags,
        "responder_port": port,
        "session": session if len(session) == 8 else b"",
    }


def encode_control(kind, info, body):
    return struct.pack(">BBHI", kind, 0, len(body), info) + body


def encode_error(kind, info, text, reported):
    """An error about the packet reported (its octets)."""
    encoded = text.encode("utf-8")
    quote = reported[: reported[5] * 4 + 8]
    return encode_control(kind, info, bytes([len(encoded)]) + encoded + quote)
