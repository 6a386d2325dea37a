"""Vectors written by hand from docs/wire.md, octet by octet: what test_wire.py runs.

ACCEPTED: name, octets, the value's fields, HTTP field, body. REFUSED: name, octets, reason.
REFUSED_FIELDS: name, field, body, reason or None where the field itself is refused.
"""

from wire_packet import Option

SOURCE = "fd35abcd000102030405060708090a0b"
DESTINATION = "fd35abcdf0f1f2f3f4f5f6f7f8f9fafb"
NAMES = SOURCE + DESTINATION
SOURCE_FIELD = ":/TWrzQABAgMEBQYHCAkKCw==:"
DESTINATION_FIELD = ":/TWrzfDx8vP09fb3+Pn6+w==:"

_COMMON = {
    "layer": bytes.fromhex("abcdef01"),
    "source": bytes.fromhex(SOURCE),
    "destination": bytes.fromhex(DESTINATION),
}


def _octets(*parts):
    return bytes.fromhex("".join("".join(part.split()) for part in parts))


# The first 56 octets where nothing but the shown ones differs.
def header(
    first="14 40 00 00  00 0e 0000",
    layer="abcdef01",
    service="00000001",
    flow="12345678",
    inner="00 00 0000",
):
    return "".join((first, layer, service, flow, inner, NAMES))


_SEALED_26 = "00010203 00000007" + "a5" * 18

ACCEPTED = (
    (
        "nothing",
        _octets(header()),
        _COMMON | {"ttl": 64, "service": 1, "flow": 0x12345678},
        "v=1, ttl=64, tc=0, np=0, layer=:q83vAQ==:, svc=1, flow=305419896, proto=0, opener=?0, "
        f"frag=?0, port=0, src={SOURCE_FIELD}, dst={DESTINATION_FIELD}",
        b"",
    ),
    (
        "sealed, with one end-to-end option",
        _octets(
            header("14 40 b9 03  10 10 001a", inner="06 01 01bb"),
            "04 01 a0 04 00010203",
            _SEALED_26,
        ),
        _COMMON
        | {
            "ttl": 64,
            "traffic_class": 0xB9,
            "next_protocol": 3,
            "service": 1,
            "flow": 0x12345678,
            "inner_protocol": 6,
            "opener": True,
            "port": 443,
            "options": [Option(4, 1, critical=True, end_to_end=True, value=bytes(range(4)))],
            "payload": _octets(_SEALED_26),
        },
        "v=1, ttl=64, tc=185, np=3, layer=:q83vAQ==:, svc=1, flow=305419896, proto=6, opener=?1, "
        f"frag=?0, port=443, src={SOURCE_FIELD}, dst={DESTINATION_FIELD}, "
        "opt=(:AAECAw==:;c=4;t=1;crit;e2e), sid=66051, seq=7",
        bytes.fromhex("a5" * 18),
    ),
    (
        "three options, with padding, with no value, of a class above 7",
        _octets(
            header("14 01 ff c8  81 13 0001", service="80000000", inner="11 03 ffff"),
            "00 ff 80 05 0102030405000000",
            "07 00 00 00",
            "ff 09 c0 00",
            "99",
        ),
        _COMMON
        | {
            "ttl": 1,
            "traffic_class": 255,
            "next_protocol": 200,
            "service": 1 << 31,
            "flow": 0x12345678,
            "inner_protocol": 17,
            "opener": True,
            "fragment": True,
            "port": 65535,
            "options": [
                Option(0, 255, critical=True, value=bytes([1, 2, 3, 4, 5])),
                Option(7, 0),
                Option(255, 9, critical=True, mutable=True),
            ],
            "payload": b"\x99",
        },
        "v=1, ttl=1, tc=255, np=200, layer=:q83vAQ==:, svc=2147483648, flow=305419896, proto=17, "
        f"opener=?1, frag=?1, port=65535, src={SOURCE_FIELD}, dst={DESTINATION_FIELD}, "
        "opt=(:AQIDBAU=:;c=0;t=255;crit ::;c=7;t=0 ::;c=255;t=9;crit;mut)",
        b"\x99",
    ),
    (
        "control",
        _octets(
            header("14 ff 00 01  00 0e 000a", service="00000000", flow="00000000"),
            "10 00 0002 00010002 aabb",
        ),
        _COMMON | {"ttl": 255, "next_protocol": 1, "payload": _octets("10000002 00010002 aabb")},
        "v=1, ttl=255, tc=0, np=1, layer=:q83vAQ==:, svc=0, flow=0, proto=0, opener=?0, "
        f"frag=?0, port=0, src={SOURCE_FIELD}, dst={DESTINATION_FIELD}",
        _octets("10000002 00010002 aabb"),
    ),
)

_LONG = "14 40 00 c8  00 0f 0000"  # one option of 4 octets, or 4 octets too many

REFUSED = (
    ("empty", b"", "header_truncated"),
    ("23 octets of another version", _octets("24" + "00" * 22), "header_truncated"),
    ("24 octets of another version", _octets("24" + "00" * 23), "header_version"),
    ("version before names form", _octets("04" + "00" * 23), "header_version"),
    ("names form 0", _octets(header("10 40 00 00 00 0e 0000")), "header_reserved"),
    ("names form 2", _octets(header("18 40 00 00 00 0e 0000")), "header_reserved"),
    ("R", _octets(header("15 40 00 00 00 0e 0000")), "header_reserved"),
    ("13 words", _octets(header("14 40 00 c8 00 0d 0004")), "header_length"),
    ("0 words, 24 octets", _octets("14 40 00 00 00 00 0018" + "00" * 16), "header_length"),
    ("cut in the names", _octets(header())[:-1], "header_truncated"),
    ("one octet too many", _octets(header(), "00"), "header_length"),
    ("payload length 1, no payload", _octets(header("14 40 00 c8 00 0e 0001")), "header_length"),
    ("inner flag 4", _octets(header("14 40 00 c8 00 0e 0000", inner="06 04 0000")),
     "header_reserved"),
    ("inner flag 128", _octets(header("14 40 00 c8 00 0e 0000", inner="06 80 0000")),
     "header_reserved"),
    ("nothing with protocol", _octets(header(inner="06 00 0000")), "header_reserved"),
    ("nothing with flag", _octets(header(inner="00 01 0000")), "header_reserved"),
    ("control with port", _octets(header("14 40 00 01 00 0e 0000", inner="00 00 0001")),
     "header_reserved"),
    ("handshake with flag", _octets(header("14 40 00 02 00 0e 0000", inner="00 02 0000")),
     "header_reserved"),
    ("nothing with payload", _octets(header("14 40 00 00 00 0e 0001"), "00"), "header_length"),
    ("sealed, 25 octets", _octets(header("14 40 00 03 00 0e 0019", inner="06 00 0000"), "00" * 25),
     "header_truncated"),
    ("option longer than the header", _octets(header(_LONG), "04 01 00 01"), "option_malformed"),
    ("option with a reserved bit", _octets(header(_LONG), "04 01 01 00"), "option_malformed"),
    ("option with bit 0x10", _octets(header(_LONG), "04 01 10 00"), "option_malformed"),
    ("option M and E", _octets(header(_LONG), "04 01 60 00"), "option_malformed"),
    ("option's padding", _octets(header("14 40 00 c8 00 10 0000"), "04 01 00 01 00000001"),
     "option_malformed"),
    ("summary lacks a class", _octets(header(_LONG), "04 01 80 00"), "option_summary"),
    ("summary of an option that is not critical",
     _octets(header("14 40 00 c8 10 0f 0000"), "04 01 00 00"), "option_summary"),
    ("summary without options", _octets(header("14 40 00 c8 80 0e 0000")), "option_summary"),
    ("malformed before summary", _octets(header("14 40 00 c8 01 0f 0000"), "04 01 60 00"),
     "option_malformed"),
)  # fmt: skip

FIELD = ACCEPTED[1][3]
FIELD_BODY = ACCEPTED[1][4]
PLAIN_FIELD = ACCEPTED[0][3]

REFUSED_FIELDS = (
    ("empty", "", b"", None),
    ("unknown key", PLAIN_FIELD + ", x=1", b"", None),
    ("key twice", PLAIN_FIELD + ", v=1", b"", None),
    ("key missing", PLAIN_FIELD.replace("ttl=64, ", ""), b"", None),
    ("comma at the end", PLAIN_FIELD + ",", b"", None),
    ("text behind", PLAIN_FIELD + " x", b"", None),
    ("parameter of a key", PLAIN_FIELD.replace("ttl=64", "ttl=64;a"), b"", None),
    ("decimal", PLAIN_FIELD.replace("ttl=64", "ttl=64.0"), b"", None),
    ("string", PLAIN_FIELD.replace("ttl=64", 'ttl="64"'), b"", None),
    ("token", PLAIN_FIELD.replace("ttl=64", "ttl=many"), b"", None),
    ("boolean for integer", PLAIN_FIELD.replace("ttl=64", "ttl"), b"", None),
    ("integer for boolean", PLAIN_FIELD.replace("frag=?0", "frag=0"), b"", None),
    ("negative", PLAIN_FIELD.replace("ttl=64", "ttl=-1"), b"", None),
    ("out of range", PLAIN_FIELD.replace("ttl=64", "ttl=256"), b"", None),
    ("flow of 33 bits", PLAIN_FIELD.replace("flow=305419896", "flow=4294967296"), b"", None),
    ("version of 5 bits", PLAIN_FIELD.replace("v=1", "v=16"), b"", None),
    ("16 digits", PLAIN_FIELD.replace("ttl=64", "ttl=0000000000000064"), b"", None),
    ("layer of 3 octets", PLAIN_FIELD.replace(":q83vAQ==:", ":q83v:"), b"", None),
    ("broken base64", PLAIN_FIELD.replace(":q83vAQ==:", ":q83v*Q==:"), b"", None),
    ("no base64 padding", PLAIN_FIELD.replace(":q83vAQ==:", ":q83vAQ:"), b"", None),
    ("pad bits not zero", PLAIN_FIELD.replace(":q83vAQ==:", ":q83vAR==:"), b"", None),
    ("sid without np 3", PLAIN_FIELD + ", sid=1", b"", None),
    ("np 3 without seq", FIELD.replace(", seq=7", ""), FIELD_BODY, None),
    ("unknown parameter", FIELD.replace(";crit", ";critical"), FIELD_BODY, None),
    ("parameter twice", FIELD.replace(";crit", ";crit;crit"), FIELD_BODY, None),
    ("parameter of a wrong type", FIELD.replace(";crit", ";crit=1"), FIELD_BODY, None),
    ("option without class", FIELD.replace(";c=4", ""), FIELD_BODY, None),
    ("option of class 256", FIELD.replace(";c=4", ";c=256"), FIELD_BODY, None),
    ("option that is an integer", FIELD.replace(":AAECAw==:", "7"), FIELD_BODY, None),
    ("opt is no list", PLAIN_FIELD + ", opt=:AA==:;c=1;t=1", b"", None),
    ("opt is empty", PLAIN_FIELD + ", opt=()", b"", None),
    ("version 2", PLAIN_FIELD.replace("v=1", "v=2"), b"", "header_version"),
    ("nothing with port", PLAIN_FIELD.replace("port=0", "port=1"), b"", "header_reserved"),
    ("nothing with body", PLAIN_FIELD, b"x", "header_length"),
    ("sealed, body of 17", FIELD, FIELD_BODY[1:], "header_truncated"),
    ("M and E", FIELD.replace(";crit;e2e", ";mut;e2e"), FIELD_BODY, "option_malformed"),
)

# Fields that say the same as PLAIN_FIELD or FIELD in another way.
SAME_FIELDS = (
    ("any order", ", ".join(reversed(PLAIN_FIELD.split(", "))), PLAIN_FIELD, b""),
    ("no spaces", PLAIN_FIELD.replace(", ", ","), PLAIN_FIELD, b""),
    ("tabs", PLAIN_FIELD.replace(", ", "\t ,\t "), PLAIN_FIELD, b""),
    ("outer spaces", f"  {PLAIN_FIELD}  ", PLAIN_FIELD, b""),
    ("leading zeros", PLAIN_FIELD.replace("ttl=64", "ttl=00064"), PLAIN_FIELD, b""),
    ("minus zero", PLAIN_FIELD.replace("tc=0", "tc=-0"), PLAIN_FIELD, b""),
    ("bare true", FIELD.replace("opener=?1", "opener"), FIELD, FIELD_BODY),
    ("true with a value", FIELD.replace(";crit", ";crit=?1"), FIELD, FIELD_BODY),
    ("false with a value", FIELD.replace(";e2e", ";e2e;mut=?0"), FIELD, FIELD_BODY),
    (
        "spaces in the list",
        FIELD.replace("(:", "(  :").replace("e2e)", "e2e  )"),
        FIELD,
        FIELD_BODY,
    ),
    ("spaces before parameters", FIELD.replace(";c", "; c"), FIELD, FIELD_BODY),
)
