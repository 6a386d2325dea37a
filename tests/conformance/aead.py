"""Authenticated encryption and key derivation of the wire, in plain Python.

AES-256-GCM (FIPS 197, NIST SP 800-38D), ChaCha20-Poly1305 (RFC 8439), HKDF over HMAC-BLAKE2s as in
the Noise Protocol Framework (section 4.3), and the lanes of wire.md section 2. Not constant-time:
for tests and captures only.

Both ciphers work on all blocks of a message at once: AES on 16 planes of one octet per block with
bytes.translate, ChaCha20 on 16 integers with one 64-bit slot per block.
"""

import hashlib
import hmac
import struct

SUITE_AES_256_GCM = 1
SUITE_CHACHA20_POLY1305 = 2
TAG_SIZE = 16


class Forged(Exception):
    """The tag does not fit key, nonce, associated data and ciphertext."""


# --- AES-256 -------------------------------------------------------------------------------------


def _xtime(a):
    return ((a << 1) ^ 0x11B) & 0xFF if a & 0x80 else a << 1


def _sbox():
    exp, log, x = [0] * 256, [0] * 256, 1
    for i in range(255):
        exp[i], log[x] = x, i
        x ^= _xtime(x)  # times 3, a generator
    box = []
    for a in range(256):
        inverse = exp[(255 - log[a]) % 255] if a else 0
        value = 0x63
        for shift in range(5):
            value ^= ((inverse << shift) | (inverse >> (8 - shift))) & 0xFF
        box.append(value)
    return bytes(box)


_SBOX = _sbox()
_SBOX2 = bytes(_xtime(a) for a in _SBOX)
# Octet of the state from which ShiftRows fills octet i; the state is stored column by column.
_SHIFTED = [(i + 4 * (i % 4)) % 16 for i in range(16)]


def _expand_key(key):
    if len(key) != 32:
        raise ValueError("AES-256 takes a key of 32 octets")
    words, rcon = [key[i : i + 4] for i in range(0, 32, 4)], 1
    for i in range(8, 60):
        word = words[-1]
        if i % 8 == 0:
            word = (word[1:] + word[:1]).translate(_SBOX)
            word = bytes([word[0] ^ rcon]) + word[1:]
            rcon = _xtime(rcon)
        elif i % 8 == 4:
            word = word.translate(_SBOX)
        words.append(bytes(a ^ b for a, b in zip(word, words[i - 8])))
    stream = b"".join(words)
    return [stream[i : i + 16] for i in range(0, 240, 16)]


class Aes256:
    def __init__(self, key):
        self._round_keys = _expand_key(key)

    def encrypt_blocks(self, blocks):
        """Encrypts any number of blocks of 16 octets, each for itself (ECB)."""
        count = len(blocks) // 16
        ones = int.from_bytes(b"\x01" * count, "big")
        to_int = int.from_bytes
        key = self._round_keys[0]
        state = [
            (to_int(blocks[i::16], "big") ^ key[i] * ones).to_bytes(count, "big") for i in range(16)
        ]
        for round_number in range(1, 14):
            key = self._round_keys[round_number]
            s1 = [to_int(state[i].translate(_SBOX), "big") for i in _SHIFTED]
            s2 = [to_int(state[i].translate(_SBOX2), "big") for i in _SHIFTED]
            state = []
            for c in (0, 4, 8, 12):
                a, b, d, e = s1[c : c + 4]
                a2, b2, d2, e2 = s2[c : c + 4]
                state += [
                    (a2 ^ b2 ^ b ^ d ^ e ^ key[c] * ones).to_bytes(count, "big"),
                    (a ^ b2 ^ d2 ^ d ^ e ^ key[c + 1] * ones).to_bytes(count, "big"),
                    (a ^ b ^ d2 ^ e2 ^ e ^ key[c + 2] * ones).to_bytes(count, "big"),
                    (a2 ^ a ^ b ^ d ^ e2 ^ key[c + 3] * ones).to_bytes(count, "big"),
                ]
        key = self._round_keys[14]
        out = bytearray(len(blocks))
        for i, source in enumerate(_SHIFTED):
            last = to_int(state[source].translate(_SBOX), "big") ^ key[i] * ones
            out[i::16] = last.to_bytes(count, "big")
        return bytes(out)


# --- GCM -----------------------------------------------------------------------------------------


def _ghash_tables(h):
    """For octet position i and octet value v: the product of v at that place and h."""
    powers, v = [], h  # powers[n] = h * x^n; bit 127 of the integer is the coefficient of x^0
    for _ in range(128):
        powers.append(v)
        v = (v >> 1) ^ (0xE1 << 120) if v & 1 else v >> 1
    tables = []
    for position in range(16):
        table = [0] * 256
        for bit in range(8):
            table[0x80 >> bit] = powers[8 * position + bit]
        for value in range(1, 256):
            low = value & -value
            if value != low:
                table[value] = table[value ^ low] ^ table[low]
        tables.append(table)
    return tables


class Aes256Gcm:
    def __init__(self, key):
        self._aes = Aes256(key)
        self._tables = _ghash_tables(int.from_bytes(self._aes.encrypt_blocks(bytes(16)), "big"))

    def _ghash(self, aad, ciphertext):
        data = b"".join(
            (
                aad + bytes(-len(aad) % 16),
                ciphertext + bytes(-len(ciphertext) % 16),
                struct.pack(">QQ", 8 * len(aad), 8 * len(ciphertext)),
            )
        )
        t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf = self._tables
        y = 0
        for at in range(0, len(data), 16):
            x = (y ^ int.from_bytes(data[at : at + 16], "big")).to_bytes(16, "big")
            a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q = x
            y = (
                t0[a] ^ t1[b] ^ t2[c] ^ t3[d] ^ t4[e] ^ t5[f] ^ t6[g] ^ t7[h]
                ^ t8[i] ^ t9[j] ^ ta[k] ^ tb[m] ^ tc[n] ^ td[o] ^ te[p] ^ tf[q]
            )
        return y

    def _stream(self, nonce, length):
        """Mask of the tag, and key stream of the given length."""
        if len(nonce) != 12:
            raise ValueError("nonces have 12 octets")
        blocks = 1 + (length + 15) // 16
        stream = self._aes.encrypt_blocks(
            b"".join(nonce + struct.pack(">I", i) for i in range(1, blocks + 1))
        )
        return stream[:16], stream[16 : 16 + length]

    def _tag(self, mask, aad, ciphertext):
        return (self._ghash(aad, ciphertext) ^ int.from_bytes(mask, "big")).to_bytes(16, "big")

    def seal(self, nonce, plaintext, aad=b""):
        mask, stream = self._stream(nonce, len(plaintext))
        ciphertext = _xor(plaintext, stream)
        return ciphertext + self._tag(mask, aad, ciphertext)

    def open(self, nonce, sealed, aad=b""):
        if len(sealed) < TAG_SIZE:
            raise Forged
        ciphertext, tag = sealed[:-TAG_SIZE], sealed[-TAG_SIZE:]
        mask, stream = self._stream(nonce, len(ciphertext))
        if not hmac.compare_digest(tag, self._tag(mask, aad, ciphertext)):
            raise Forged
        return _xor(ciphertext, stream)


def _xor(a, b):
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


# --- ChaCha20-Poly1305 ---------------------------------------------------------------------------

_CHACHA_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def chacha20_stream(key, nonce, counter, blocks):
    """Key stream of the given number of blocks of 64 octets (RFC 8439, section 2.4)."""
    ones = int.from_bytes(b"\x01\0\0\0\0\0\0\0" * blocks, "little")
    mask = 0xFFFFFFFF * ones
    words = [w * ones for w in _CHACHA_CONSTANTS + struct.unpack("<8I", key)]
    words.append(
        int.from_bytes(struct.pack(f"<{blocks}Q", *range(counter, counter + blocks)), "little")
    )
    words += [w * ones for w in struct.unpack("<3I", nonce)]
    s = list(words)

    def quarter(a, b, c, d):
        sa, sb, sc, sd = s[a], s[b], s[c], s[d]
        sa = (sa + sb) & mask
        sd ^= sa
        sd = ((sd << 16) | (sd >> 16)) & mask
        sc = (sc + sd) & mask
        sb ^= sc
        sb = ((sb << 12) | (sb >> 20)) & mask
        sa = (sa + sb) & mask
        sd ^= sa
        sd = ((sd << 8) | (sd >> 24)) & mask
        sc = (sc + sd) & mask
        sb ^= sc
        sb = ((sb << 7) | (sb >> 25)) & mask
        s[a], s[b], s[c], s[d] = sa, sb, sc, sd

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    columns = [
        struct.unpack(f"<{blocks}Q", ((a + b) & mask).to_bytes(8 * blocks, "little"))
        for a, b in zip(s, words)
    ]
    return b"".join(struct.pack("<16I", *row) for row in zip(*columns))


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    accumulator, prime = 0, (1 << 130) - 5
    for at in range(0, len(message), 16):
        block = int.from_bytes(message[at : at + 16] + b"\x01", "little")
        accumulator = (accumulator + block) * r % prime
    total = (accumulator + int.from_bytes(key[16:32], "little")) & ((1 << 128) - 1)
    return total.to_bytes(16, "little")


class ChaCha20Poly1305:
    def __init__(self, key):
        if len(key) != 32:
            raise ValueError("ChaCha20 takes a key of 32 octets")
        self._key = key

    def _stream(self, nonce, length):
        """The one-time key of the tag, and key stream of the given length."""
        if len(nonce) != 12:
            raise ValueError("nonces have 12 octets")
        stream = chacha20_stream(self._key, nonce, 0, 1 + (length + 63) // 64)
        return stream[:32], stream[64 : 64 + length]

    @staticmethod
    def _tag(one_time_key, aad, ciphertext):
        return poly1305(
            one_time_key,
            b"".join(
                (
                    aad + bytes(-len(aad) % 16),
                    ciphertext + bytes(-len(ciphertext) % 16),
                    struct.pack("<QQ", len(aad), len(ciphertext)),
                )
            ),
        )

    def seal(self, nonce, plaintext, aad=b""):
        one_time_key, stream = self._stream(nonce, len(plaintext))
        ciphertext = _xor(plaintext, stream)
        return ciphertext + self._tag(one_time_key, aad, ciphertext)

    def open(self, nonce, sealed, aad=b""):
        if len(sealed) < TAG_SIZE:
            raise Forged
        ciphertext, tag = sealed[:-TAG_SIZE], sealed[-TAG_SIZE:]
        one_time_key, stream = self._stream(nonce, len(ciphertext))
        if not hmac.compare_digest(tag, self._tag(one_time_key, aad, ciphertext)):
            raise Forged
        return _xor(ciphertext, stream)


# --- Keys ----------------------------------------------------------------------------------------


def hmac_blake2s(key, message):
    return hmac.new(key, message, hashlib.blake2s).digest()


def hkdf(chaining_key, material, outputs):
    """HKDF(chaining_key, input_key_material, num_outputs) of the Noise Protocol Framework."""
    temporary, out, last = hmac_blake2s(chaining_key, material), [], b""
    for i in range(1, outputs + 1):
        last = hmac_blake2s(temporary, last + bytes([i]))
        out.append(last)
    return out


def aead(suite, key):
    """The AEAD of a security suite; ValueError for a suite that does not exist."""
    if suite == SUITE_AES_256_GCM:
        return Aes256Gcm(key)
    if suite == SUITE_CHACHA20_POLY1305:
        return ChaCha20Poly1305(key)
    raise ValueError(f"no security suite {suite}")


def lane_key_and_iv(secret, lane):
    """wire.md section 2: key (32 octets) and IV (12 octets) of one lane of one direction."""
    key, iv = hkdf(secret, b"entresol lane" + bytes([lane]), 2)
    return key, iv[:12]


class Lane:
    """One direction's lane: seals and opens by counter."""

    def __init__(self, suite, secret, lane):
        key, self._iv = lane_key_and_iv(secret, lane)
        self._aead = aead(suite, key)

    def nonce(self, counter):
        tail = int.from_bytes(self._iv[8:], "big") ^ counter
        return self._iv[:8] + tail.to_bytes(4, "big")

    def seal(self, counter, plaintext, aad):
        return self._aead.seal(self.nonce(counter), plaintext, aad)

    def open(self, counter, sealed, aad):
        return self._aead.open(self.nonce(counter), sealed, aad)
