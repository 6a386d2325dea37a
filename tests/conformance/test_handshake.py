"""Noise IK against published vectors, and the native handshake against itself."""

import json
import pathlib
import unittest

import aead
import handshake
from entresol_wire import Direction, Refused, open_record, seal_record

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"


class Primitives(unittest.TestCase):
    def test_x25519_rfc_7748_section_5_2(self):
        self.assertEqual(
            handshake.x25519(
                bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            ).hex(),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        )
        k = u = (9).to_bytes(32, "little")
        k, u = handshake.x25519(k, u), k
        self.assertEqual(
            k.hex(), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
        )

    def test_hchacha20_draft_section_2_2_1(self):
        self.assertEqual(
            handshake.hchacha20(
                bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927")
            ).hex(),
            "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc",
        )


class Published(unittest.TestCase):
    def test_noise_ik(self):
        path = VECTORS / "noise_ik.json"
        if not path.exists():
            self.skipTest(f"{path} is missing")
        suites = {"Noise_IK_25519_AESGCM_BLAKE2s": 1, "Noise_IK_25519_ChaChaPoly_BLAKE2s": 2}
        ran = set()
        for vector in json.loads(path.read_text())["vectors"]:
            suite = suites.get(vector["protocol_name"])
            if suite is None:
                continue
            ran.add(suite)
            with self.subTest(suite=suite):
                self.run_vector(suite, vector)
        self.assertEqual(ran, {1, 2})

    def run_vector(self, suite, vector):
        def octets(name):
            return bytes.fromhex(vector.get(name, ""))

        initiator = handshake.NoiseIk(
            suite,
            octets("init_prologue"),
            True,
            octets("init_static"),
            octets("init_remote_static"),
        )
        responder = handshake.NoiseIk(suite, octets("resp_prologue"), False, octets("resp_static"))
        messages = [
            (bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"]))
            for message in vector["messages"]
        ]
        payload, sealed = messages[0]
        self.assertEqual(initiator.write_initiation(octets("init_ephemeral"), payload), sealed)
        self.assertEqual(responder.read_initiation(sealed), payload)
        self.assertEqual(responder.remote_static, handshake.public_key(octets("init_static")))
        payload, sealed = messages[1]
        self.assertEqual(responder.write_response(octets("resp_ephemeral"), payload), sealed)
        self.assertEqual(initiator.read_response(sealed), payload)
        if "handshake_hash" in vector:
            self.assertEqual(initiator.hash, octets("handshake_hash"))
        secrets = initiator.split()
        self.assertEqual(secrets, responder.split())
        for i, (payload, sealed) in enumerate(messages[2:]):
            counter = (i // 2).to_bytes(8, "big" if suite == 1 else "little")
            cipher = aead.aead(suite, secrets[i % 2])
            self.assertEqual(cipher.seal(bytes(4) + counter, payload), sealed)


class Native(unittest.TestCase):
    LAYER = bytes(range(32))
    INITIATOR, RESPONDER, EPHEMERAL_1, EPHEMERAL_2 = (bytes([i]) * 32 for i in (1, 2, 3, 4))

    def states(self, suite, names=b""):
        prologue = handshake.prologue(suite, handshake.LINK, self.LAYER, names)
        self.public = handshake.public_key(self.RESPONDER)
        return (
            handshake.NoiseIk(suite, prologue, True, self.INITIATOR, self.public),
            handshake.NoiseIk(suite, prologue, False, self.RESPONDER),
        )

    def test_both_ways(self):
        for suite in (1, 2):
            initiator, responder = self.states(suite)
            first = handshake.initiation(initiator, suite, 1, 0x111111, self.EPHEMERAL_1, b"i" * 28)
            self.assertEqual(len(first), 164)
            self.assertEqual(
                handshake.read_initiation(responder, first, self.public), b"i" * 28
            )
            second = handshake.response(
                responder, suite, 1, 0x222222, 0x111111, self.EPHEMERAL_2, b"r" * 12
            )
            self.assertEqual(len(second), 104)
            own = handshake.public_key(self.INITIATOR)
            self.assertEqual(handshake.read_response(initiator, second, own), b"r" * 12)
            to_responder, to_initiator = initiator.split()
            self.assertEqual([to_responder, to_initiator], responder.split())
            record = seal_record(Direction(suite, to_responder), 0x222222, 1, 0, b"first")
            keys = {0x222222: Direction(suite, to_responder)}
            self.assertEqual(open_record(record, keys), b"first")

    def test_refused(self):
        initiator, _ = self.states(1)
        first = handshake.initiation(initiator, 1, 1, 5, self.EPHEMERAL_1, b"i" * 28)
        for at in range(8, 8 + 80 + 44 + 16):
            changed = bytearray(first)
            changed[at] ^= 1
            for mend, reason in ((False, "handshake_mac1"), (True, "handshake_forged")):
                if mend and at < len(first) - 32:
                    changed = bytearray(handshake.with_macs(bytes(changed[:-32]), self.public))
                elif mend:
                    continue
                with self.assertRaises(Refused) as caught:
                    handshake.read_initiation(self.states(1)[1], bytes(changed), self.public)
                self.assertEqual(caught.exception.reason, reason)
        # mac1 is looked at before suite and purpose.
        for at in (1, 2, 3):
            changed = first[:at] + b"\x07" + first[at + 1 :]
            for message, reason in (
                (changed, "handshake_mac1"),
                (handshake.with_macs(changed[:-32], self.public), "handshake_suite"),
            ):
                with self.assertRaises(Refused) as caught:
                    handshake.read_initiation(self.states(1)[1], message, self.public)
                self.assertEqual(caught.exception.reason, reason)
        # The clear octets are part of the transcript.
        changed = handshake.with_macs(b"\x10\1\1\2" + first[4:-32], self.public)
        with self.assertRaises(Refused) as caught:
            handshake.read_initiation(self.states(1)[1], changed, self.public)
        self.assertEqual(caught.exception.reason, "handshake_forged")

    def test_cookie(self):
        initiator, _ = self.states(2)
        first = handshake.initiation(initiator, 2, 1, 5, self.EPHEMERAL_1, b"i" * 28)
        mac1, cookie = first[-32:-16], bytes(range(16))
        reply = handshake.cookie_reply(5, bytes(range(24)), cookie, self.public, mac1)
        self.assertEqual(len(reply), 64)
        self.assertEqual(handshake.open_cookie_reply(reply, self.public, mac1), cookie)
        with self.assertRaises(Refused):
            handshake.open_cookie_reply(reply, self.public, bytes(16))
        again = handshake.with_macs(first[:-32], self.public, cookie)
        self.assertEqual(again[-16:], handshake.mac(cookie, again[:-16]))
        self.assertEqual(first[-16:], bytes(16))


if __name__ == "__main__":
    unittest.main()
