"""Datagrams by the hundred thousand a second: sendmmsg, for tests of what a flood does to its receiver."""

import contextlib
import ctypes
import os
import random
import socket
import threading

_LIBC = ctypes.CDLL(None, use_errno=True)
BATCH = 512


class _Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("iov", ctypes.POINTER(_Iovec)), ("iov_length", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_int)]


class _Mmsghdr(ctypes.Structure):
    _fields_ = [("header", _Msghdr), ("sent", ctypes.c_uint)]


class Batch:
    """Datagrams for a connected socket, sent by one call."""

    def __init__(self, size: int = BATCH):
        self._vectors, self._messages = (_Iovec * size)(), (_Mmsghdr * size)()
        for vector, message in zip(self._vectors, self._messages):
            message.header.iov, message.header.iov_length = ctypes.pointer(vector), 1

    def send(self, to: socket.socket, datagrams: list[bytes]) -> int:
        """How many the kernel has taken."""
        octets = ctypes.create_string_buffer(b"".join(datagrams))
        at = ctypes.addressof(octets)
        for vector, datagram in zip(self._vectors, datagrams):
            vector.base, vector.length = at, len(datagram)
            at += len(datagram)
        sent = 0
        while sent < len(datagrams):
            rest = ctypes.byref(self._messages, sent * ctypes.sizeof(_Mmsghdr))
            n = _LIBC.sendmmsg(to.fileno(), rest, len(datagrams) - sent, 0)
            if n <= 0:
                break
            sent += n
        return sent


class Garbage:
    """An endless supply of what means nothing to a node: octets behind each message type, and live datagrams cut, changed, and
    sent once more. One seed is one sequence but for the octets, which are the system's."""

    _TYPES = [bytes([kind, 0, 0, 0]) for kind in (1, 2, 3, 4, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x99)] + [b"\x10\1\1\1"]
    _INDEXED = [bytes([kind, 0, 0, 0]) + index for kind in (4, 0x14) for index in (bytes(4), b"\0\0\0\1", b"\0\0\1\0", b"\xff" * 4)]

    def __init__(self, live: list[bytes], seed: int = 1):
        self._live, self._random = live, random.Random(seed)
        self._heads = self._TYPES + self._INDEXED

    def batch(self, size: int = BATCH) -> list[bytes]:
        noise = os.urandom(1 << 16)
        return [self._one(noise) for _ in range(size)]

    def _one(self, noise: bytes) -> bytes:
        choice = self._random.random
        kind = choice()
        if kind < 0.5:
            at = int(choice() * (len(noise) - 1300))
            return self._heads[int(choice() * len(self._heads))] + noise[at : at + int(choice() * choice() * 1300)]
        live = self._live[int(choice() * len(self._live))]
        if kind < 0.7:
            return live
        place = int(choice() * len(live))
        if kind < 0.85:
            return live[:place]
        return live[:place] + bytes([live[place] ^ 1 << int(choice() * 8)]) + live[place + 1 :]


class Flood:
    """Sends garbage from a thread until it is told to stop."""

    def __init__(self, sender: socket.socket, garbage: Garbage):
        self.sent = 0
        self._sender, self._garbage, self._ends = sender, garbage, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        batch = Batch()
        while not self._ends:
            with contextlib.suppress(OSError):
                self.sent += batch.send(self._sender, self._garbage.batch())

    def stop(self) -> None:
        self._ends = True
        self._thread.join()
        self._sender.close()
