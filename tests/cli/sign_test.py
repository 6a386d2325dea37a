#!/usr/bin/env python3
"""`entresol sign` writes nothing that nobody would believe: what a root or an operator signs is checked against the root
before it is written."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ENTRESOL = os.environ.get("ENTRESOL", "")
ERROR, USAGE = 1, 2
WIREGUARD_KEY = "A" * 43 + "="


class Sign(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="entresol-sign-")
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        for kind, name in (("root", "root"), ("root", "other"), ("operator", "op"), ("operator", "op2"), ("identity", "alice")):
            self.ok("keygen", kind, name)
        for name in ("op", "op2"):
            self.ok("sign", "delegation", "--with", "root.key", "--operator", f"{name}.pub", "--label", name, "--out", f"{name}.delegation")

    def run_it(self, *words) -> subprocess.CompletedProcess:
        return subprocess.run([ENTRESOL, "-o", "json", *words], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)

    def ok(self, *words):
        ran = self.run_it(*words)
        self.assertEqual(ran.returncode, 0, f"{words}: {ran.stdout}{ran.stderr}")
        return json.loads(ran.stdout)

    def refused(self, code: str, exit_code: int, says: str, *words):
        ran = self.run_it(*words)
        self.assertEqual(ran.returncode, exit_code, f"{words}: {ran.stdout}{ran.stderr}")
        error = json.loads(ran.stdout)["error"]
        self.assertEqual(error["code"], code, error)
        self.assertIn(says, error["message"])
        self.assertFalse((self.folder / "out").exists(), "and yet the file is written")

    def certificate(self, *more):
        return ("sign", "certificate", "--root", "root.pub", "--identity", "alice.pub", "--label", "alice", "--out", "out", *more)

    def grant(self, *more):
        return ("sign", "grant", "--root", "root.pub", "--wireguard-key", WIREGUARD_KEY, "--label", "phone", "--out", "out", *more)

    def test_what_holds_is_written(self):
        for words in (self.certificate, self.grant):
            for more in (("--with", "root.key"), ("--with", "op.key", "--delegation", "op.delegation")):
                self.ok(*words(*more))
                (self.folder / "out").unlink()

    def test_an_operator_without_its_delegation(self):
        for words in (self.certificate, self.grant):
            self.refused("E0502", USAGE, "--delegation", *words("--with", "op.key"))
            self.refused("E0502", USAGE, "--delegation", *words("--with", "other.key"))

    def test_a_delegation_that_does_not_fit(self):
        for words in (self.certificate, self.grant):
            self.refused("E0203", ERROR, "is not signed by", *words("--with", "op.key", "--delegation", "op2.delegation"))
            self.refused("E0203", ERROR, "is not signed by", *words("--with", "root.key", "--delegation", "op.delegation"))
        self.ok("sign", "delegation", "--with", "other.key", "--operator", "op.pub", "--label", "op", "--out", "foreign.delegation")
        self.refused("E0206", ERROR, "another layer", *self.certificate("--with", "op.key", "--delegation", "foreign.delegation"))

    def test_an_operator_cannot_delegate(self):
        self.refused("E0502", USAGE, "root", "sign", "delegation", "--with", "op.key", "--operator", "op2.pub", "--label", "x", "--out", "out")

    def test_a_node_says_where_it_is_dialled(self):
        for role in ("host", "node"):
            words = [*self.certificate("--with", "root.key", "--role", role)]
            words[words.index("out")] = f"{role}.cert"
            self.ok(*words)
        registration = ("sign", "registration", "--with", "alice.key", "--root", "root.pub", "--out", "out", "--certificate")
        self.refused("E0502", USAGE, "is a host", *registration, "host.cert", "--endpoint", "192.0.2.1:4850")
        self.refused("E0502", USAGE, "nowhere", *registration, "node.cert", "--endpoint", "192.0.2.1:0")
        self.ok(*registration, "node.cert", "--endpoint", "192.0.2.1:4850", "--endpoint", "[2001:db8::1]:4850")

    def test_texts(self):
        for label in ("", "l" * 64, b"\xff\xfe"):
            words = ["--label" if word == "--label" else word for word in self.certificate("--with", "root.key")]
            words[words.index("alice")] = label
            self.refused("E0502", USAGE, "--label", *words)
        for tag in ("", "t" * 64, b"\xc3"):
            self.refused("E0502", USAGE, "--tag", *self.certificate("--with", "root.key", "--tag", tag))


if __name__ == "__main__":
    if not os.access(ENTRESOL, os.X_OK):
        print("set ENTRESOL to the command")
        sys.exit(77)
    unittest.main()
