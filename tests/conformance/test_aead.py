"""Published vectors for the primitives that the conformance decoder uses."""

import hashlib
import unittest

import aead
import ed25519


def octets(text):
    return bytes.fromhex("".join(text.split()))


class Aes(unittest.TestCase):
    def test_fips_197_appendix_c3(self):
        cipher = aead.Aes256(bytes(range(32)))
        plain = octets("00112233445566778899aabbccddeeff")
        expected = octets("8ea2b7ca516745bfeafc49904b496089")
        self.assertEqual(cipher.encrypt_blocks(plain), expected)
        self.assertEqual(cipher.encrypt_blocks(plain * 5), expected * 5)

    def test_sp_800_38a_ecb_aes256(self):
        """NIST SP 800-38A, F.1.5: four blocks at once."""
        cipher = aead.Aes256(
            octets("603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4")
        )
        plain = octets(
            "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51"
            "30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710"
        )
        self.assertEqual(
            cipher.encrypt_blocks(plain),
            octets(
                "f3eed1bdb5d2a03c064b5a7e3db181f8 591ccb10d410ed26dc5ba74a31362870"
                "b6ed21b99ca6f4f9f153e7b1beafed1d 23304b7a39f9f3ff067d8d8f9e24ecc7"
            ),
        )


class Gcm(unittest.TestCase):
    """McGrew and Viega, The Galois/Counter Mode of Operation, appendix B, test cases 13 to 16."""

    KEY = octets("feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308")
    NONCE = octets("cafebabefacedbaddecaf888")
    PLAIN = octets(
        "d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b391aafd255"
    )
    CIPHER = octets(
        "522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662898015ad"
    )
    AAD = octets("feedfacedeadbeeffeedfacedeadbeefabaddad2")

    def test_case_13_nothing(self):
        cipher = aead.Aes256Gcm(bytes(32))
        self.assertEqual(cipher.seal(bytes(12), b""), octets("530f8afbc74536b9a963b4f1c4cb738b"))

    def test_case_14_one_block(self):
        cipher = aead.Aes256Gcm(bytes(32))
        self.assertEqual(
            cipher.seal(bytes(12), bytes(16)),
            octets("cea7403d4d606b6e074ec5d3baf39d18 d0d1c8a799996bf0265b98b5d48ab919"),
        )

    def test_case_15_four_blocks(self):
        cipher = aead.Aes256Gcm(self.KEY)
        self.assertEqual(
            cipher.seal(self.NONCE, self.PLAIN),
            self.CIPHER + octets("b094dac5d93471bdec1a502270e3cc6c"),
        )

    def test_case_16_associated_data(self):
        cipher = aead.Aes256Gcm(self.KEY)
        sealed = self.CIPHER[:60] + octets("76fc6ece0f4e1768cddf8853bb2d551b")
        self.assertEqual(cipher.seal(self.NONCE, self.PLAIN[:60], self.AAD), sealed)
        self.assertEqual(cipher.open(self.NONCE, sealed, self.AAD), self.PLAIN[:60])
        for changed in (
            sealed[:-1] + bytes([sealed[-1] ^ 1]),
            bytes([sealed[0] ^ 128]) + sealed[1:],
        ):
            with self.assertRaises(aead.Forged):
                cipher.open(self.NONCE, changed, self.AAD)
        with self.assertRaises(aead.Forged):
            cipher.open(self.NONCE, sealed, self.AAD[:-1])


class ChaChaPoly(unittest.TestCase):
    SUNSCREEN = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it."
    )

    def test_rfc_8439_section_2_3_2(self):
        stream = aead.chacha20_stream(bytes(range(32)), octets("000000090000004a00000000"), 1, 1)
        self.assertEqual(
            stream,
            octets(
                "10f1e7e4d13b5915500fdd1fa32071c4 c7d1f4c733c068030422aa9ac3d46c4e"
                "d2826446079faa0914c2d705d98b02a2 b5129cd1de164eb9cbd083e8a2503c4e"
            ),
        )

    def test_rfc_8439_section_2_5_2(self):
        key = octets(
            "85d6be7857556d337f4452fe42d506a8 0103808afb0db2fd4abff6af4149f51b"
        )
        tag = aead.poly1305(key, b"Cryptographic Forum Research Group")
        self.assertEqual(tag, octets("a8061dc1305136c6c22b8baf0c0127a9"))

    def test_rfc_8439_section_2_8_2(self):
        cipher = aead.ChaCha20Poly1305(bytes(range(0x80, 0xA0)))
        nonce, aad = octets("070000004041424344454647"), octets("50515253c0c1c2c3c4c5c6c7")
        sealed = octets(
            "d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6"
            "3dbea45e8ca9671282fafb69da92728b 1a71de0a9e060b2905d6a5b67ecd3b36"
            "92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc"
            "3ff4def08e4b7a9de576d26586cec64b 6116 1ae10b594f09e26a7e902ecbd0600691"
        )
        self.assertEqual(cipher.seal(nonce, self.SUNSCREEN, aad), sealed)
        self.assertEqual(cipher.open(nonce, sealed, aad), self.SUNSCREEN)
        with self.assertRaises(aead.Forged):
            cipher.open(nonce, sealed, aad + b"\0")


class Keys(unittest.TestCase):
    def test_blake2s_rfc_7693_appendix_b(self):
        self.assertEqual(
            hashlib.blake2s(b"abc").digest(),
            octets("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"),
        )

    def test_hmac_by_its_definition(self):
        """RFC 2104 with BLAKE2s and its block of 64 octets."""
        for length in (0, 32, 64, 65, 100):
            key, message = bytes(range(length)), b"what is authenticated"
            block = (hashlib.blake2s(key).digest() if length > 64 else key).ljust(64, b"\0")
            inner = hashlib.blake2s(bytes(b ^ 0x36 for b in block) + message).digest()
            outer = hashlib.blake2s(bytes(b ^ 0x5C for b in block) + inner).digest()
            self.assertEqual(aead.hmac_blake2s(key, message), outer)

    def test_wireguard_initial_chain(self):
        """WireGuard's published constant Hash(Construction) (wireguard.com/protocol), which is
        where its HKDF starts, and HKDF against its formula in the Noise specification."""
        ck = hashlib.blake2s(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s").digest()
        self.assertEqual(
            ck, octets("60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36")
        )
        first, second, third = aead.hkdf(ck, b"input", 3)
        temporary = aead.hmac_blake2s(ck, b"input")
        self.assertEqual(first, aead.hmac_blake2s(temporary, b"\x01"))
        self.assertEqual(second, aead.hmac_blake2s(temporary, first + b"\x02"))
        self.assertEqual(third, aead.hmac_blake2s(temporary, second + b"\x03"))

    def test_lane_nonce(self):
        lane = aead.Lane(aead.SUITE_AES_256_GCM, bytes(32), 0x21)
        _, iv = aead.lane_key_and_iv(bytes(32), 0x21)
        self.assertEqual(lane.nonce(0), iv)
        changed = lane.nonce(0x0A0B0C0D)
        self.assertEqual(changed[:8], iv[:8])
        self.assertEqual(
            bytes(a ^ b for a, b in zip(changed[8:], iv[8:])), octets("0a0b0c0d")
        )

    def test_lanes_differ(self):
        keys = {aead.lane_key_and_iv(bytes(32), lane) for lane in range(256)}
        self.assertEqual(len(keys), 256)

    def test_unknown_suite(self):
        with self.assertRaises(ValueError):
            aead.aead(3, bytes(32))


class Ed25519(unittest.TestCase):
    """RFC 8032 section 7.1, tests 1 to 3."""

    CASES = (
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    )

    def test_published(self):
        for seed, public, message, signature in self.CASES:
            seed, public = octets(seed), octets(public)
            message, signature = octets(message), octets(signature)
            self.assertEqual(ed25519.public_key(seed), public)
            self.assertEqual(ed25519.sign(seed, message), signature)
            self.assertTrue(ed25519.verify(public, message, signature))

    def test_refuses(self):
        _, public, message, signature = (octets(text) for text in self.CASES[2])
        self.assertFalse(ed25519.verify(public, message + b"\0", signature))
        for at in (0, 31, 32, 63):
            changed = bytearray(signature)
            changed[at] ^= 1
            self.assertFalse(ed25519.verify(public, message, bytes(changed)))
        # S + L signs the same message: refused, as RFC 8032 section 5.1.7 says.
        s = int.from_bytes(signature[32:], "little") + ed25519.ORDER
        self.assertFalse(ed25519.verify(public, message, signature[:32] + s.to_bytes(32, "little")))
        self.assertFalse(ed25519.verify(public, message, signature[:63]))
        self.assertFalse(ed25519.verify(b"\xff" * 32, message, signature))


if __name__ == "__main__":
    unittest.main()
