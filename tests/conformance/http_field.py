"""The packet as the HTTP field "Entresol", both ways: wire.md section 10, RFC 9651."""

import base64
import re
import struct

from wire_packet import (
    NEXT_SESSION,
    SESSION_HEADER,
    Option,
    Packet,
    decode_packet,
    encode_packet,
)


class FieldRefused(Exception):
    """The field is no Structured Dictionary of section 10; no drop reason stands for that."""


# --- Structured Fields, as far as section 10 uses them -------------------------------------------

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?")
_BYTES = re.compile(r":([A-Za-z0-9+/]*)(=*):")


class _Parser:
    """Integers, booleans, byte sequences and inner lists of them; all else is a wrong type."""

    def __init__(self, text):
        self._text, self._at = text, 0

    def _peek(self):
        return self._text[self._at : self._at + 1]

    def _skip(self, characters):
        while self._peek() and self._peek() in characters:
            self._at += 1

    def _match(self, pattern, what):
        found = pattern.match(self._text, self._at)
        if not found:
            raise FieldRefused(f"no {what} at {self._at}")
        self._at = found.end()
        return found

    def dictionary(self):
        members = {}
        self._skip(" ")
        while self._peek():
            key = self._match(_KEY, "key").group()
            if key in members:
                raise FieldRefused(f"{key} twice")
            if self._peek() == "=":
                self._at += 1
                value = self._inner_list() if self._peek() == "(" else self._item()
            else:
                value = True
            members[key] = (value, self._parameters())
            self._skip(" \t")
            if not self._peek():
                break
            if self._peek() != ",":
                raise FieldRefused(f"no comma at {self._at}")
            self._at += 1
            self._skip(" \t")
            if not self._peek():
                raise FieldRefused("comma at the end")
        return members

    def _inner_list(self):
        self._at += 1
        items = []
        while True:
            self._skip(" ")
            if self._peek() == ")":
                self._at += 1
                return items
            items.append((self._item(), self._parameters()))
            if self._peek() not in (" ", ")"):
                raise FieldRefused(f"inner list broken at {self._at}")

    def _parameters(self):
        parameters = {}
        while self._peek() == ";":
            self._at += 1
            self._skip(" ")
            key = self._match(_KEY, "parameter").group()
            if key in parameters:
                raise FieldRefused(f"parameter {key} twice")
            parameters[key] = True
            if self._peek() == "=":
                self._at += 1
                parameters[key] = self._item()
        return parameters

    def _item(self):
        first = self._peek()
        if first == ":":
            return self._byte_sequence()
        if first == "?":
            value = self._text[self._at : self._at + 2]
            if value not in ("?0", "?1"):
                raise FieldRefused(f"no boolean at {self._at}")
            self._at += 2
            return value == "?1"
        number = self._match(_NUMBER, "value of a type that is used here")
        if number.group(1) is not None:
            raise FieldRefused("decimal")
        if len(number.group().lstrip("-")) > 15:
            raise FieldRefused("integer too long")
        return int(number.group())

    def _byte_sequence(self):
        text, padding = self._match(_BYTES, "byte sequence").groups()
        # One encoding per value: RFC 9651, section 4.2.7, would let missing padding and pad bits
        # that are not zero pass; section 10 refuses both.
        if (len(text) + len(padding)) % 4 or len(padding) > 2:
            raise FieldRefused("base64")
        octets = base64.b64decode(text + padding)
        if base64.b64encode(octets).decode("ascii") != text + padding:
            raise FieldRefused("base64")
        return octets


# --- The value -----------------------------------------------------------------------------------

_BITS = {"v": 4, "ttl": 8, "tc": 8, "np": 8, "svc": 32, "flow": 32, "proto": 8, "port": 16}
_OCTETS = {"layer": 4, "src": 16, "dst": 16}
_BOOLEANS = ("opener", "frag")
_SESSION = {"sid": 32, "seq": 32}
_OPTION_BITS = {"c": 8, "t": 8}
_OPTION_BOOLEANS = {"crit": "critical", "mut": "mutable", "e2e": "end_to_end"}


def _integer(name, value, bits):
    if type(value) is not int:
        raise FieldRefused(f"{name} is no integer")
    if not 0 <= value < 1 << bits:
        raise FieldRefused(f"{name} is out of range")
    return value


def _boolean(name, value):
    if type(value) is not bool:
        raise FieldRefused(f"{name} is no boolean")
    return value


def _octets(name, value, count):
    if type(value) is not bytes:
        raise FieldRefused(f"{name} is no byte sequence")
    if len(value) != count:
        raise FieldRefused(f"{name} has not {count} octets")
    return value


def _option(value, parameters):
    if type(value) is not bytes or len(value) > 255:
        raise FieldRefused("an option's value is a byte sequence of at most 255 octets")
    option = Option(0, 0, value=value)
    for name, parameter in parameters.items():
        if name in _OPTION_BITS:
            _integer(name, parameter, _OPTION_BITS[name])
        elif name in _OPTION_BOOLEANS:
            setattr(option, _OPTION_BOOLEANS[name], _boolean(name, parameter))
        else:
            raise FieldRefused(f"unknown parameter {name}")
    for name in _OPTION_BITS:
        if name not in parameters:
            raise FieldRefused(f"option without {name}")
    option.option_class, option.type = parameters["c"], parameters["t"]
    return option


def decode_field(text, body=b""):
    """The packet; FieldRefused for the field itself, Refused for the checks of section 3."""
    values = {}
    for name, (value, parameters) in _Parser(text).dictionary().items():
        if parameters:
            raise FieldRefused(f"{name} takes no parameters")
        if name in _BITS or name in _SESSION:
            values[name] = _integer(name, value, (_BITS | _SESSION)[name])
        elif name in _OCTETS:
            values[name] = _octets(name, value, _OCTETS[name])
        elif name in _BOOLEANS:
            values[name] = _boolean(name, value)
        elif name == "opt":
            if type(value) is not list or not value:
                raise FieldRefused("opt is a list with at least one option")
            values[name] = [_option(*item) for item in value]
        else:
            raise FieldRefused(f"unknown key {name}")
    wanted = [*_BITS, *_OCTETS, *_BOOLEANS]
    if values.get("np") == NEXT_SESSION:
        wanted += _SESSION
    elif set(_SESSION) & set(values):
        raise FieldRefused("sid or seq without a sealed payload")
    for name in wanted:
        if name not in values:
            raise FieldRefused(f"{name} is missing")
    if values["np"] == NEXT_SESSION:
        body = struct.pack(">II", values["sid"], values["seq"]) + body
    packet = Packet(
        ttl=values["ttl"],
        traffic_class=values["tc"],
        next_protocol=values["np"],
        layer=values["layer"],
        service=values["svc"],
        flow=values["flow"],
        inner_protocol=values["proto"],
        opener=values["opener"],
        fragment=values["frag"],
        port=values["port"],
        source=values["src"],
        destination=values["dst"],
        options=values.get("opt", []),
        payload=body,
        version=values["v"],
    )
    try:
        octets = encode_packet(packet)
    except ValueError as error:
        raise FieldRefused(str(error)) from error
    return decode_packet(octets)


def _bytes_text(octets):
    return ":" + base64.b64encode(octets).decode("ascii") + ":"


def _option_text(option):
    text = f"{_bytes_text(option.value)};c={option.option_class};t={option.type}"
    for name, attribute in _OPTION_BOOLEANS.items():
        if getattr(option, attribute):
            text += f";{name}"
    return text


def encode_field(packet):
    """Field value and body of a packet that section 3 accepts."""
    members = [
        f"v={packet.version}",
        f"ttl={packet.ttl}",
        f"tc={packet.traffic_class}",
        f"np={packet.next_protocol}",
        f"layer={_bytes_text(packet.layer)}",
        f"svc={packet.service}",
        f"flow={packet.flow}",
        f"proto={packet.inner_protocol}",
        f"opener=?{int(packet.opener)}",
        f"frag=?{int(packet.fragment)}",
        f"port={packet.port}",
        f"src={_bytes_text(packet.source)}",
        f"dst={_bytes_text(packet.destination)}",
    ]
    if packet.options:
        members.append(f"opt=({' '.join(map(_option_text, packet.options))})")
    body = packet.payload
    if packet.next_protocol == NEXT_SESSION:
        members += [f"sid={packet.session_index}", f"seq={packet.sequence}"]
        body = body[SESSION_HEADER:]
    return ", ".join(members), body
