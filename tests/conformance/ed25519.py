"""Ed25519 (RFC 8032) in plain Python: verification, and signing for the tests' own objects.

Verification recomputes R and compares octets (no cofactor), S must be below the group's order.
"""

import hashlib

_P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)


def _recover_x(y, sign):
    if y >= _P:
        return None
    x2 = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (_P + 3) // 8, _P)
    if (x * x - x2) % _P:
        x = x * _SQRT_M1 % _P
    if (x * x - x2) % _P:
        return None
    return _P - x if x & 1 != sign else x


# Points are extended coordinates (X, Y, Z, T), x = X/Z, y = Y/Z, x * y = T/Z.
_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE_X = _recover_x(_BASE_Y, 0)
_BASE = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
_ZERO = (0, 1, 1, 0)


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar, point):
    out = _ZERO
    while scalar:
        if scalar & 1:
            out = _add(out, point)
        point = _add(point, point)
        scalar >>= 1
    return out


def _compress(point):
    z_inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * z_inverse % _P, point[1] * z_inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decompress(octets):
    value = int.from_bytes(octets, "little")
    y, sign = value & ((1 << 255) - 1), value >> 255
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _scalar(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


def _expand(seed):
    digest = hashlib.sha512(seed).digest()
    a = int.from_bytes(digest[:32], "little")
    return a & ((1 << 254) - 8) | 1 << 254, digest[32:]


def public_key(seed):
    return _compress(_multiply(_expand(seed)[0], _BASE))


def sign(seed, message):
    a, prefix = _expand(seed)
    public = _compress(_multiply(a, _BASE))
    r = _scalar(prefix, message)
    encoded_r = _compress(_multiply(r, _BASE))
    s = (r + _scalar(encoded_r, public, message) * a) % ORDER
    return encoded_r + s.to_bytes(32, "little")


def verify(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    point = _decompress(public)
    s = int.from_bytes(signature[32:], "little")
    if point is None or s >= ORDER:
        return False
    k = _scalar(signature[:32], public, message)
    negative = (_P - point[0], point[1], 1, _P - point[3])
    return _compress(_add(_multiply(s, _BASE), _multiply(k, negative))) == signature[:32]
