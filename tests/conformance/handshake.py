"""The native handshake with its keys: wire.md section 8, Noise Protocol Framework revision 34,
X25519 (RFC 7748), XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), WireGuard's macs and cookie."""

import hashlib
import hmac
import struct

import aead
from handshake_frames import INITIATION, RESPONSE, check_hello_size, decode_frame
from wire_packet import Refused

LINK, SESSION = 1, 2
_NAMES = {1: b"Noise_IK_25519_AESGCM_BLAKE2s", 2: b"Noise_IK_25519_ChaChaPoly_BLAKE2s"}
_P = 2**255 - 19


def x25519(scalar, u):
    """RFC 7748, section 5."""
    k = int.from_bytes(scalar, "little") & ((1 << 254) - 8) | 1 << 254
    x1 = int.from_bytes(u, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swapped ^ bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % _P, b * b % _P, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % _P, x1 * (da - cb) ** 2 % _P
        x2, z2 = aa * bb % _P, e * (aa + 121665 * e) % _P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")


def public_key(secret):
    return x25519(secret, (9).to_bytes(32, "little"))


def _dh(secret, public):
    shared = x25519(secret, public)
    if not any(shared):
        raise Refused("handshake_forged")
    return shared


class NoiseIk:
    """One end's handshake state. Messages are without the wire's framing; clear octets that
    precede them are mixed in through mix_hash."""

    def __init__(self, suite, prologue, initiator, static, remote_static=None):
        self._suite, self._initiator, self._static = suite, initiator, static
        self.remote_static, self._remote_ephemeral, self._ephemeral = remote_static, None, None
        name = _NAMES[suite]
        self.hash = name.ljust(32, b"\0") if len(name) <= 32 else hashlib.blake2s(name).digest()
        self._chain, self._key, self._counter = self.hash, None, 0
        self.mix_hash(prologue)
        self.mix_hash(remote_static if initiator else public_key(static))

    def mix_hash(self, octets):
        self.hash = hashlib.blake2s(self.hash + octets).digest()

    def _mix_key(self, shared):
        self._chain, self._key = aead.hkdf(self._chain, shared, 2)
        self._counter = 0

    def _nonce(self):
        counter, self._counter = self._counter, self._counter + 1
        return bytes(4) + struct.pack(">Q" if self._suite == 1 else "<Q", counter)

    def _seal(self, plaintext):
        out = aead.aead(self._suite, self._key).seal(self._nonce(), plaintext, self.hash)
        self.mix_hash(out)
        return out

    def _open(self, octets):
        try:
            out = aead.aead(self._suite, self._key).open(self._nonce(), octets, self.hash)
        except aead.Forged:
            raise Refused("handshake_forged") from None
        self.mix_hash(octets)
        return out

    def write_initiation(self, ephemeral, payload):
        self._ephemeral, public = ephemeral, public_key(ephemeral)
        self.mix_hash(public)
        self._mix_key(_dh(ephemeral, self.remote_static))
        static = self._seal(public_key(self._static))
        self._mix_key(_dh(self._static, self.remote_static))
        return public + static + self._seal(payload)

    def read_initiation(self, message):
        self._remote_ephemeral = message[:32]
        self.mix_hash(message[:32])
        self._mix_key(_dh(self._static, self._remote_ephemeral))
        self.remote_static = self._open(message[32:80])
        self._mix_key(_dh(self._static, self.remote_static))
        return self._open(message[80:])

    def write_response(self, ephemeral, payload):
        public = public_key(ephemeral)
        self.mix_hash(public)
        self._mix_key(_dh(ephemeral, self._remote_ephemeral))
        self._mix_key(_dh(ephemeral, self.remote_static))
        return public + self._seal(payload)

    def read_response(self, message):
        self.mix_hash(message[:32])
        self._mix_key(_dh(self._ephemeral, message[:32]))
        self._mix_key(_dh(self._static, message[:32]))
        return self._open(message[32:])

    def split(self):
        """Secrets of the two directions, the initiator's first."""
        return aead.hkdf(self._chain, b"", 2)


def prologue(suite, purpose, layer_id, names=b""):
    """names: initiator's and responder's, for a session."""
    return b"entresol v1" + bytes([suite, purpose]) + layer_id + names


# --- Macs and cookies ----------------------------------------------------------------------------


def mac(key, octets):
    return hashlib.blake2s(octets, key=key, digest_size=16).digest()


def mac1_key(receiver_static):
    return hashlib.blake2s(b"entresol mac1" + receiver_static).digest()


def cookie_key(receiver_static):
    return hashlib.blake2s(b"entresol cookie" + receiver_static).digest()


def with_macs(message, receiver_static, cookie=None):
    message += mac(mac1_key(receiver_static), message)
    return message + (mac(cookie, message) if cookie else bytes(16))


def check_mac1(message, receiver_static):
    if not hmac.compare_digest(mac(mac1_key(receiver_static), message[:-32]), message[-32:-16]):
        raise Refused("handshake_mac1")


def hchacha20(key, nonce):
    """draft-irtf-cfrg-xchacha-03, section 2.2: a block of ChaCha20 without its last addition."""
    counter = struct.unpack("<I", nonce[:4])[0]
    block = struct.unpack("<16I", aead.chacha20_stream(key, nonce[4:], counter, 1))
    start = struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<4I", nonce)
    used = block[:4] + block[12:]
    return struct.pack("<8I", *((a - b) & 0xFFFFFFFF for a, b in zip(used, start)))


def xchacha20_poly1305(key, nonce):
    """The AEAD and the 12 octets of nonce to use with it."""
    return aead.ChaCha20Poly1305(hchacha20(key, nonce[:16])), bytes(4) + nonce[16:]


def cookie_reply(receiver_index, nonce, cookie, receiver_static, mac1):
    """receiver_static: the key of who sends the cookie, as the initiation's mac1."""
    cipher, short = xchacha20_poly1305(cookie_key(receiver_static), nonce)
    head = b"\x12\0\0\0" + receiver_index.to_bytes(3, "big") + b"\0"
    return head + nonce + cipher.seal(short, cookie, mac1)


def open_cookie_reply(message, receiver_static, mac1):
    decode_frame(message)
    cipher, short = xchacha20_poly1305(cookie_key(receiver_static), message[8:32])
    try:
        return cipher.open(short, message[32:], mac1)
    except aead.Forged:
        raise Refused("handshake_forged") from None


# --- Probes --------------------------------------------------------------------------------------


PROBE, PROBE_ANSWER = 0x17, 0x18


def probe(kind, nonce, node_static):
    head = bytes([kind, 0, 0, 0]) + nonce
    if kind == PROBE:
        key = mac1_key(node_static)
    else:
        key = hashlib.blake2s(b"entresol probe" + node_static).digest()
    return head + mac(key, head)


def check_probe(message, node_static):
    """Its type and nonce."""
    if len(message) != 28 or message[0] not in (PROBE, PROBE_ANSWER) or any(message[1:4]):
        raise Refused("handshake_malformed")
    if not hmac.compare_digest(probe(message[0], message[4:12], node_static), message):
        raise Refused("handshake_mac1" if message[0] == PROBE else "handshake_forged")
    return message[0], message[4:12]


# --- Messages ------------------------------------------------------------------------------------


def initiation(state, suite, purpose, sender, ephemeral, payload, cookie=None):
    head = bytes([INITIATION, 1, suite, purpose]) + sender.to_bytes(3, "big") + b"\0"
    state.mix_hash(head)
    message = head + state.write_initiation(ephemeral, payload)
    return with_macs(message, state.remote_static, cookie)


def response(state, suite, purpose, sender, receiver, ephemeral, payload, cookie=None):
    head = bytes([RESPONSE, 1, suite, purpose]) + sender.to_bytes(3, "big") + b"\0"
    head += receiver.to_bytes(3, "big") + b"\0"
    state.mix_hash(head)
    message = head + state.write_response(ephemeral, payload)
    return with_macs(message, state.remote_static, cookie)


def read_initiation(state, message, own_static):
    """The opened payload. own_static: the receiver's public key."""
    check_hello_size(message, INITIATION)
    check_mac1(message, own_static)
    decode_frame(message)
    state.mix_hash(message[:8])
    return state.read_initiation(message[8:-32])


def read_response(state, message, own_static):
    check_hello_size(message, RESPONSE)
    check_mac1(message, own_static)
    decode_frame(message)
    state.mix_hash(message[:12])
    return state.read_response(message[12:-32])
