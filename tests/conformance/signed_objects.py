"""Certificates, delegations, registrations, grants and shared names: wire.md section 9."""

import base64
import hashlib
import re
import struct

import ed25519

CERTIFICATE, DELEGATION, REGISTRATION, GRANT, POLICY = 1, 2, 3, 4, 5
NAME_CERTIFICATE, MEMBER_DELEGATION = 6, 7
GUEST_PLACE = 8
CATALOGUE = 9
SUITE_ED25519, SUITE_SHARED, SUITE_GUEST_X25519 = 1, 2, 128
ROLE_HOST, ROLE_NODE = 1, 2
NAME_SHARED, NAME_SERVICE = 1, 2
SIGNATURE = 64
LARGEST = 4096  # octets, signature included
MOST_ENDPOINTS = 8
_CONTEXT = b"entresol object"


class ObjectRefused(Exception):
    """The octets are no object of this kind, or its signature does not verify."""


class _Reader:
    def __init__(self, octets):
        self._octets, self._at = octets, 0

    def take(self, count):
        out = self._octets[self._at : self._at + count]
        if len(out) != count:
            raise ObjectRefused("object ends too early")
        self._at += count
        return out

    def integer(self, count):
        return int.from_bytes(self.take(count), "big")

    def text(self):
        # Issuers see to it that this is UTF-8; what is not stays as it is.
        return self.take(self.integer(1)).decode("utf-8", "surrogateescape")

    def list_of(self, element):
        return [element() for _ in range(self.integer(1))]

    def end(self):
        if self._at != len(self._octets):
            raise ObjectRefused("octets behind the last field")


def _text(value):
    encoded = value.encode("utf-8", "surrogateescape")
    return _count(encoded) + encoded


def _count(items):
    if len(items) > 255:
        raise ValueError("at most 255 octets of text or elements of a list")
    return bytes([len(items)])


def _list(items, encode=lambda item: item):
    return _count(items) + b"".join(encode(item) for item in items)


# Each body is a list of (field, kind of field), in the order of the wire.
_INTEGERS = {"u8": 1, "u32": 4, "u64": 8}
_FIELDS = {
    CERTIFICATE: (
        ("layer", 32), ("suite", "u8"), ("key", 32), ("role", "u8"), ("ipv4", 4),
        ("not_before", "u64"), ("not_after", "u64"), ("label", "text"), ("tags", "texts"),
        ("prefixes", "none"), ("issuer", 32),
    ),
    DELEGATION: (
        ("layer", 32), ("key", 32), ("not_before", "u64"), ("not_after", "u64"), ("label", "text"),
    ),
    REGISTRATION: (
        ("layer", 32), ("name", 16), ("sequence", "u64"), ("not_after", "u64"),
        ("attachments", "names"), ("keys", "keys"), ("endpoints", "endpoints"),
    ),
    GRANT: (
        ("layer", 32), ("key", 32), ("ipv4", 4), ("not_before", "u64"), ("not_after", "u64"),
        ("label", "text"), ("tags", "texts"), ("nodes", "names"), ("issuer", 32),
    ),
    NAME_CERTIFICATE: (
        ("layer", 32), ("suite", "u8"), ("key", 32), ("kind", "u8"), ("service", "u32"), ("ipv4", 4),
        ("not_before", "u64"), ("not_after", "u64"), ("label", "text"), ("tags", "texts"), ("issuer", 32),
    ),
    MEMBER_DELEGATION: (
        ("layer", 32), ("name", 16), ("member", 16), ("sequence", "u64"), ("weight", "u8"),
        ("not_before", "u64"), ("not_after", "u64"),
    ),
    GUEST_PLACE: (("layer", 32), ("guest", 16), ("node", 16), ("sequence", "u64"), ("not_after", "u64")),
    CATALOGUE: (("layer", 32), ("revision", "u64"), ("issued_at", "u64"), ("digest", 32), ("issuer", 32)),
    POLICY: (("layer", 32), ("revision", "u64"), ("issued_at", "u64"), ("digest", 32), ("issuer", 32)),
}  # fmt: skip


def _read_field(reader, kind):
    if isinstance(kind, int):
        return reader.take(kind)
    if kind in _INTEGERS:
        return reader.integer(_INTEGERS[kind])
    if kind == "text":
        return reader.text()
    if kind == "texts":
        return reader.list_of(reader.text)
    if kind == "names":
        return reader.list_of(lambda: reader.take(16))
    if kind == "keys":
        return reader.list_of(lambda: (reader.integer(1), reader.take(32)))
    if kind == "endpoints":
        found = reader.list_of(lambda: (reader.take(16), reader.integer(2)))
        if len(found) > MOST_ENDPOINTS:
            raise ObjectRefused("too many endpoints")
        return found
    if reader.integer(1):
        raise ObjectRefused("a list that is empty in version 1 is not")
    return []


def _write_field(value, kind):
    if isinstance(kind, int):
        if len(value) != kind:
            raise ValueError(f"{kind} octets wanted")
        return value
    if kind in _INTEGERS:
        return value.to_bytes(_INTEGERS[kind], "big")
    if kind == "text":
        return _text(value)
    if kind == "texts":
        return _list(value, _text)
    if kind == "keys":
        return _list(value, lambda item: bytes([item[0]]) + item[1])
    if kind == "endpoints":
        return _list(value, lambda item: item[0] + item[1].to_bytes(2, "big"))
    return _list(value)


def object_size(octets):
    """Size of the object that the octets begin with."""
    if len(octets) < 4:
        raise ObjectRefused("object ends too early")
    return 4 + int.from_bytes(octets[2:4], "big") + SIGNATURE


def decode_object(octets):
    """Kind and fields of one object; the signature is not looked at."""
    if len(octets) < 4 or len(octets) != object_size(octets):
        raise ObjectRefused("length disagrees with the octets")
    if len(octets) > LARGEST:
        raise ObjectRefused("longer than an object can be")
    version, kind, length = struct.unpack(">BBH", octets[:4])
    if version != 1:
        raise ObjectRefused("version is not 1")
    if kind not in _FIELDS:
        raise ObjectRefused("unknown kind")
    reader, fields = _Reader(octets[4 : 4 + length]), {}
    for name, field_kind in _FIELDS[kind]:
        fields[name] = _read_field(reader, field_kind)
    reader.end()
    if kind == CERTIFICATE and fields["role"] not in (ROLE_HOST, ROLE_NODE):
        raise ObjectRefused("role is neither host nor node")
    if kind == CERTIFICATE and fields["suite"] != SUITE_ED25519:
        raise ObjectRefused("identity keys are of suite 1")
    if kind == NAME_CERTIFICATE:
        if fields["suite"] != SUITE_SHARED or fields["kind"] not in (NAME_SHARED, NAME_SERVICE):
            raise ObjectRefused("no name of this version")
        if (fields["kind"] == NAME_SERVICE) != (fields["service"] != 0):
            raise ObjectRefused("service id")
    return kind, fields


def encode_object(kind, fields, seed):
    """The object, signed with the Ed25519 key of the seed."""
    body = b"".join(_write_field(fields[name], how) for name, how in _FIELDS[kind])
    unsigned = struct.pack(">BBH", 1, kind, len(body)) + body
    return unsigned + ed25519.sign(seed, _CONTEXT + unsigned)


def signature_verifies(octets, key):
    return ed25519.verify(key, _CONTEXT + octets[:-SIGNATURE], octets[-SIGNATURE:])


def layer_id(root_key):
    return hashlib.sha256(b"entresol layer v1" + root_key).digest()


def member_name(layer, suite, key):
    digest = hashlib.sha256(b"entresol name v1" + layer + bytes([suite]) + key).digest()
    return b"\xfd\x35" + layer[:2] + digest[:12]


def _require(condition, why):
    if not condition:
        raise ObjectRefused(why)


def _check_issued(octets, fields, delegation, root_key, now):
    _require(fields["layer"] == layer_id(root_key), "another layer")
    _require(fields["not_before"] <= now < fields["not_after"], "outside its time")
    _require(signature_verifies(octets, fields["issuer"]), "signature")
    if delegation is None:
        _require(fields["issuer"] == root_key, "issuer is not the root, and there is no delegation")
        return
    kind, said = decode_object(delegation)
    _require(kind == DELEGATION and said["layer"] == fields["layer"], "delegation")
    _require(said["key"] == fields["issuer"], "delegation of another operator")
    _require(said["not_before"] <= now < said["not_after"], "delegation outside its time")
    _require(signature_verifies(delegation, root_key), "delegation's signature")


def verify_certificate(octets, delegation, root_key, now):
    """Fields of a certificate that holds now, with the member's name as "name"."""
    kind, fields = decode_object(octets)
    _require(kind == CERTIFICATE, "no certificate")
    _check_issued(octets, fields, delegation, root_key, now)
    return fields | {"name": member_name(fields["layer"], fields["suite"], fields["key"])}


def verify_grant(octets, delegation, root_key, now):
    kind, fields = decode_object(octets)
    _require(kind == GRANT, "no grant")
    _check_issued(octets, fields, delegation, root_key, now)
    return fields | {"name": member_name(fields["layer"], SUITE_GUEST_X25519, fields["key"])}


def verify_name_certificate(octets, delegation, root_key, now):
    kind, fields = decode_object(octets)
    _require(kind == NAME_CERTIFICATE, "no name certificate")
    _check_issued(octets, fields, delegation, root_key, now)
    return fields | {"name": member_name(fields["layer"], SUITE_SHARED, fields["key"])}


def verify_member_delegation(octets, name_key, now):
    kind, fields = decode_object(octets)
    _require(kind == MEMBER_DELEGATION, "no member delegation")
    _require(fields["name"] == member_name(fields["layer"], SUITE_SHARED, name_key), "name")
    _require(fields["not_before"] <= now < fields["not_after"], "outside its time")
    _require(signature_verifies(octets, name_key), "signature")
    return fields


def verify_guest_place(octets, node_key, grant, now):
    """A guest's registration by the node of this identity key; of the guest's grant the fields are wanted."""
    kind, fields = decode_object(octets)
    _require(kind == GUEST_PLACE, "no guest's registration")
    _require(fields["layer"] == grant["layer"] and fields["guest"] == grant["name"], "another guest")
    _require(fields["node"] == member_name(fields["layer"], SUITE_ED25519, node_key), "name")
    _require(not grant["nodes"] or fields["node"] in grant["nodes"], "the grant is for other nodes")
    _require(now < fields["not_after"], "outside its time")
    _require(signature_verifies(octets, node_key), "signature")
    return fields


def verify_registration(octets, identity_key, now):
    kind, fields = decode_object(octets)
    _require(kind == REGISTRATION, "no registration")
    _require(fields["name"] == member_name(fields["layer"], SUITE_ED25519, identity_key), "name")
    _require(now < fields["not_after"], "outside its time")
    _require(signature_verifies(octets, identity_key), "signature")
    return fields


_ARMOUR = re.compile(
    r"-----BEGIN (ENTRESOL [A-Z' ]+)-----\s*([A-Za-z0-9+/=\s]*?)\s*-----END \1-----"
)


def decode_armour(text):
    """All objects of a file: (title, octets)."""
    out = []
    for title, body in _ARMOUR.findall(text):
        try:
            out.append((title, base64.b64decode("".join(body.split()), validate=True)))
        except ValueError:
            raise ObjectRefused("base64") from None
    return out
