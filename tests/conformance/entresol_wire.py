"""Second implementation of the wire, written from docs/wire.md alone: all of it under one name.

Sections 3, 4   wire_packet       decode_packet, encode_packet
Sections 2, 5   sealed            open_record, open_session, canonical_form, ReplayWindow
Sections 5, 6   inner_ip          rebuild, take_apart
Section 7       control           decode_control
Sections 1, 8   handshake_frames  decode_frame, decode_items
Section 9       signed_objects    decode_object, verify_certificate, verify_registration
Section 10      http_field        decode_field, encode_field
"""

from control import Control, decode_control, decode_quote, encode_control, encode_error
from handshake_frames import Frame, decode_frame, decode_items, encode_items
from http_field import FieldRefused, decode_field, encode_field
from inner_ip import InnerPacket, checksum_fits, decode_inside, encode_inside, rebuild, take_apart
from sealed import (
    Direction,
    ReplayWindow,
    canonical_form,
    open_record,
    open_session,
    seal_record,
    seal_session,
    split_record,
)
from signed_objects import (
    ObjectRefused,
    decode_armour,
    decode_object,
    encode_object,
    layer_id,
    member_name,
    verify_certificate,
    verify_grant,
    verify_guest_place,
    verify_member_delegation,
    verify_name_certificate,
    verify_registration,
)
from wire_packet import Option, Packet, Refused, critical_summary, decode_packet, encode_packet

__all__ = [
    "Control", "Direction", "FieldRefused", "Frame", "InnerPacket", "ObjectRefused", "Option",
    "Packet", "Refused", "ReplayWindow", "canonical_form", "checksum_fits", "critical_summary",
    "decode_armour", "decode_control", "decode_field", "decode_frame", "decode_inside",
    "decode_items", "decode_object", "decode_packet", "decode_quote", "encode_control",
    "encode_error", "encode_field", "encode_inside", "encode_items", "encode_object",
    "encode_packet", "layer_id", "member_name", "open_record", "open_session", "rebuild",
    "seal_record", "seal_session", "split_record", "take_apart", "verify_certificate",
    "verify_grant", "verify_member_delegation", "verify_name_certificate", "verify_registration",
    "verify_guest_place",
]  # fmt: skip
