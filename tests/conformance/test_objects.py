"""Signed objects of the second implementation, against octets put together by hand: wire.md section 9."""

import base64
import unittest

import ed25519
from entresol_wire import (
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


class SignedObjects(unittest.TestCase):
    ROOT, OPERATOR, MEMBER = bytes(32), b"\1" * 32, b"\2" * 32

    @classmethod
    def setUpClass(cls):
        cls.root = ed25519.public_key(cls.ROOT)
        cls.operator = ed25519.public_key(cls.OPERATOR)
        cls.member = ed25519.public_key(cls.MEMBER)
        cls.layer = layer_id(cls.root)

    def delegation(self, **changes):
        fields = {"layer": self.layer, "key": self.operator, "not_before": 0, "not_after": 50}
        return encode_object(2, fields | {"label": "operator"} | changes, self.ROOT)

    def certificate(self, seed=None, **changes):
        fields = {
            "layer": self.layer, "suite": 1, "key": self.member, "role": 1,
            "ipv4": bytes((10, 0, 0, 1)), "not_before": 10, "not_after": 20, "label": "a host",
            "tags": ["one", "zwei"], "prefixes": [], "issuer": self.operator,
        }  # fmt: skip
        return encode_object(1, fields | changes, seed or self.OPERATOR)

    def test_certificate_by_hand(self):
        octets = self.certificate()
        body = (
            self.layer + b"\1" + self.member + b"\1" + bytes((10, 0, 0, 1))
            + bytes(7) + b"\x0a" + bytes(7) + b"\x14" + b"\x06a host"
            + b"\x02\x03one\x04zwei" + b"\0" + self.operator
        )  # fmt: skip
        unsigned = b"\1\1" + len(body).to_bytes(2, "big") + body
        self.assertEqual(octets[:-64], unsigned)
        signed = b"entresol object" + unsigned
        self.assertTrue(ed25519.verify(self.operator, signed, octets[-64:]))
        self.assertEqual(decode_object(octets)[1]["tags"], ["one", "zwei"])

    def test_chain(self):
        certificate, delegation = self.certificate(), self.delegation()
        fields = verify_certificate(certificate, delegation, self.root, 15)
        self.assertEqual(fields["name"], member_name(self.layer, 1, self.member))
        self.assertEqual(fields["name"][:4], b"\xfd\x35" + self.layer[:2])
        direct = self.certificate(self.ROOT, issuer=self.root)
        self.assertEqual(verify_certificate(direct, None, self.root, 10)["label"], "a host")
        for refused in (
            (certificate, delegation, self.root, 9),
            (certificate, delegation, self.root, 20),
            (direct, delegation, self.root, 15),
            (certificate, delegation, self.member, 15),
            (certificate, None, self.root, 15),
            (certificate, certificate, self.root, 15),
            (certificate, self.delegation(not_after=15), self.root, 15),
            (certificate, self.delegation(key=self.member), self.root, 15),
            (self.certificate(self.MEMBER), delegation, self.root, 15),
            (delegation, None, self.root, 15),
            (certificate[:-1] + bytes([certificate[-1] ^ 1]), delegation, self.root, 15),
        ):
            with self.assertRaises(ObjectRefused):
                verify_certificate(*refused)

    def test_every_octet_counts(self):
        certificate, delegation = self.certificate(), self.delegation()
        for at in range(len(certificate)):
            changed = bytearray(certificate)
            changed[at] ^= 1 << at % 8
            with self.assertRaises(ObjectRefused, msg=f"octet {at}"):
                verify_certificate(bytes(changed), delegation, self.root, 15)

    def test_form(self):
        octets = self.certificate()
        for changed in (
            b"", octets[:3], octets[:-1], octets + b"\0", b"\2" + octets[1:],
            octets[:1] + b"\x08" + octets[2:],
            self.certificate(role=3), self.certificate(suite=128),
            encode_object(1, decode_object(octets)[1] | {"prefixes": [b"x"]}, self.OPERATOR),
        ):  # fmt: skip
            with self.assertRaises(ObjectRefused):
                decode_object(changed)

    def test_policy_by_hand(self):
        fields = {"layer": self.layer, "revision": 3, "issued_at": 10, "digest": bytes(range(32)), "issuer": self.root}
        octets = encode_object(5, fields, self.ROOT)
        self.assertEqual(octets[4:-64], self.layer + bytes(7) + b"\3" + bytes(7) + b"\x0a" + bytes(range(32)) + self.root)
        self.assertEqual(decode_object(octets), (5, fields))

    def test_registration(self):
        name = member_name(self.layer, 1, self.member)
        fields = {
            "layer": self.layer, "name": name, "sequence": 7, "not_after": 20,
            "attachments": [bytes(16)], "keys": [(1, bytes(range(32)))],
            "endpoints": [(bytes(10) + b"\xff\xff\xc0\0\2\1", 4850)],
        }  # fmt: skip
        octets = encode_object(3, fields, self.MEMBER)
        self.assertEqual(verify_registration(octets, self.member, 19), fields)
        by_hand = (
            self.layer + name + bytes(7) + b"\7" + bytes(7) + b"\x14" + b"\1" + bytes(16)
            + b"\1\1" + bytes(range(32)) + b"\1" + bytes(10) + b"\xff\xff\xc0\0\2\1\x12\xf2"
        )  # fmt: skip
        self.assertEqual(octets[4:-64], by_hand)
        most = fields | {"endpoints": [(bytes(16), 1)] * 8}
        self.assertEqual(verify_registration(encode_object(3, most, self.MEMBER), self.member, 19), most)
        with self.assertRaises(ObjectRefused):
            decode_object(encode_object(3, most | {"endpoints": [(bytes(16), 1)] * 9}, self.MEMBER))
        for refused in ((octets, self.operator, 19), (octets, self.member, 20)):
            with self.assertRaises(ObjectRefused):
                verify_registration(*refused)
        with self.assertRaises(ObjectRefused):
            verify_registration(encode_object(3, fields, self.OPERATOR), self.member, 19)

    def test_text_is_not_judged(self):
        octets = encode_object(1, decode_object(self.certificate())[1] | {"label": "\udcff"}, self.OPERATOR)
        self.assertIn(b"\x01\xff", octets)
        self.assertEqual(decode_object(octets)[1]["label"], "\udcff")

    def test_grant(self):
        fields = {
            "layer": self.layer, "key": bytes(range(32)), "ipv4": bytes(4), "not_before": 0,
            "not_after": 9, "label": "phone", "tags": [], "nodes": [], "issuer": self.root,
        }  # fmt: skip
        octets = encode_object(4, fields, self.ROOT)
        said = verify_grant(octets, None, self.root, 5)
        self.assertEqual(said["name"], member_name(self.layer, 128, bytes(range(32))))

    def name_certificate(self, seed=None, **changes):
        fields = {
            "layer": self.layer, "suite": 2, "key": self.member, "kind": 2, "service": 0x80010203, "ipv4": bytes((10, 0, 0, 9)),
            "not_before": 10, "not_after": 20, "label": "web", "tags": ["front"], "issuer": self.operator,
        }  # fmt: skip
        return encode_object(6, fields | changes, seed or self.OPERATOR)

    def test_name_certificate_by_hand(self):
        octets = self.name_certificate()
        by_hand = (
            self.layer + b"\2" + self.member + b"\2" + b"\x80\1\2\3" + bytes((10, 0, 0, 9))
            + bytes(7) + b"\x0a" + bytes(7) + b"\x14" + b"\x03web" + b"\1\x05front" + self.operator
        )  # fmt: skip
        self.assertEqual(octets[:-64], b"\1\6" + len(by_hand).to_bytes(2, "big") + by_hand)
        said = verify_name_certificate(octets, self.delegation(), self.root, 15)
        self.assertEqual(said["name"], member_name(self.layer, 2, self.member))
        self.assertNotEqual(said["name"], member_name(self.layer, 1, self.member))
        for refused in (
            (octets, None, self.root, 15), (octets, self.delegation(), self.root, 20), (octets, self.delegation(), self.member, 15),
            (self.name_certificate(self.MEMBER), self.delegation(), self.root, 15),
            (self.certificate(), self.delegation(), self.root, 15),
        ):  # fmt: skip
            with self.assertRaises(ObjectRefused):
                verify_name_certificate(*refused)
        for changes in ({"suite": 1}, {"kind": 0}, {"kind": 3}, {"kind": 1}, {"service": 0}):
            with self.assertRaises(ObjectRefused):
                decode_object(self.name_certificate(**changes))
        self.assertEqual(decode_object(self.name_certificate(kind=1, service=0))[1]["kind"], 1)

    def test_member_delegation_by_hand(self):
        name = member_name(self.layer, 2, self.member)
        fields = {"layer": self.layer, "name": name, "member": bytes(range(16)), "sequence": 7, "weight": 3, "not_before": 10,
                  "not_after": 20}  # fmt: skip
        octets = encode_object(7, fields, self.MEMBER)
        by_hand = (
            self.layer + name + bytes(range(16)) + bytes(7) + b"\7" + b"\3" + bytes(7) + b"\x0a" + bytes(7) + b"\x14"
        )  # fmt: skip
        self.assertEqual(octets[:-64], b"\1\7" + len(by_hand).to_bytes(2, "big") + by_hand)
        self.assertEqual(verify_member_delegation(octets, self.member, 15), fields)
        foreign = encode_object(7, fields, self.OPERATOR)
        changed = octets[:52] + bytes(16) + octets[68:]
        for refused in ((octets, self.operator, 15), (octets, self.member, 9), (octets, self.member, 20),
                        (foreign, self.member, 15), (foreign, self.operator, 15), (changed, self.member, 15)):  # fmt: skip
            with self.assertRaises(ObjectRefused):
                verify_member_delegation(*refused)

    def test_guest_place_by_hand(self):
        node, guest = member_name(self.layer, 1, self.member), member_name(self.layer, 128, bytes(range(32)))
        grant = {"layer": self.layer, "name": guest, "nodes": []}
        fields = {"layer": self.layer, "guest": guest, "node": node, "sequence": 7, "not_after": 20}
        octets = encode_object(8, fields, self.MEMBER)
        by_hand = self.layer + guest + node + bytes(7) + b"\7" + bytes(7) + b"\x14"
        self.assertEqual(octets[:-64], b"\1\10" + len(by_hand).to_bytes(2, "big") + by_hand)
        self.assertEqual(verify_guest_place(octets, self.member, grant, 15), fields)
        self.assertEqual(verify_guest_place(octets, self.member, grant | {"nodes": [bytes(16), node]}, 15), fields)
        foreign = encode_object(8, fields, self.OPERATOR)
        for refused in ((octets, self.operator, grant, 15), (octets, self.member, grant, 20), (foreign, self.member, grant, 15),
                        (foreign, self.operator, grant, 15), (octets, self.member, grant | {"nodes": [bytes(16)]}, 15),
                        (octets, self.member, grant | {"name": node}, 15)):  # fmt: skip
            with self.assertRaises(ObjectRefused):
                verify_guest_place(*refused)

    def test_armour(self):
        octets = self.certificate()
        text = base64.encodebytes(octets).decode()
        file = f"-----BEGIN ENTRESOL CERTIFICATE-----\n{text}-----END ENTRESOL CERTIFICATE-----\n"
        self.assertEqual(decode_armour(file + file), [("ENTRESOL CERTIFICATE", octets)] * 2)


if __name__ == "__main__":
    unittest.main()
