#!/usr/bin/env python3
"""The author's kit as somebody has it who has only installed it: an empty home, a prefix of `cmake --install`, and no tree.
From nothing to a tested, measured, signed service in both languages, and what the kit says of mistakes."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

BUILD = os.environ.get("ENTRESOL_BUILD", "")
OK, ERROR, USAGE = range(3)
PATIENCE = 120  # s
SOURCE = {"c": "hello.c", "c++": "hello.cc"}


class Kit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="entresol-kit-")
        cls.addClassCleanup(folder.cleanup)
        cls.prefix = Path(folder.name) / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, capture_output=True)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="entresol-home-")
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)

    def run_it(self, *words, path="/usr/bin:/bin", json_output=False) -> subprocess.CompletedProcess:
        words = (self.prefix / "bin/entresol", *(("-o", "json") if json_output else ()), *words)
        return subprocess.run(words, cwd=self.home, env={"HOME": str(self.home), "PATH": path}, capture_output=True,
                              text=True, timeout=PATIENCE, check=False)

    def ok(self, *words) -> dict:
        ran = self.run_it(*words, json_output=True)
        self.assertEqual(ran.returncode, OK, f"{words}: {ran.stdout}{ran.stderr}")
        return json.loads(ran.stdout)

    def refused(self, error: str, code: int, says: str, *words, **how) -> subprocess.CompletedProcess:
        ran = self.run_it(*words, **how)
        self.assertEqual(ran.returncode, code, f"{words}: {ran.stdout}{ran.stderr}")
        self.assertIn(error, ran.stderr)
        self.assertIn(says, ran.stderr)
        return ran

    def hello(self, language="c++") -> Path:
        self.ok("service", "new", "hello", "--lang", language)
        return self.home / "hello"

    def edit(self, file: Path, before: str, after: str) -> int:
        """The line at which it is."""
        text = file.read_text()
        self.assertEqual(text.count(before), 1, before)
        file.write_text(text.replace(before, after))
        return text[:text.index(before)].count("\n") + 1

    def loop(self, language: str) -> int:
        """Makes the service of this language loop for port 9; the line at which it does."""
        file = self.home / "hello" / SOURCE[language]
        test = "packet->port == 9" if language == "c" else "packet.port == 9"
        where = "    const entresol_packet* packet = &batch->packets[i];\n" if language == "c" else \
            "    for (const auto [packet, verdict] : batch) {\n"
        include = re.search(r'#include "entresol/service.h\w*"\n', file.read_text())[0]
        self.edit(file, include, include + "static volatile int forever = 1;\n")
        line = self.edit(file, where, f"{where}if ({test})\nwhile (forever) forever = 2;\n")
        return line + 2

    def test_from_nothing_to_a_signed_service(self):
        for language in ("c", "c++"):
            with self.subTest(language):
                said = self.run_it("service", "new", "hello", "--lang", language)
                self.assertEqual(said.returncode, OK, said.stderr)
                self.assertIn("next: cd hello && entresol service build", said.stdout)
                built = self.ok("service", "build", "hello")
                self.assertLess(built["octets"], 16384)
                self.assertEqual(built["calls"], ["config", "log", "metric"])
                tested = self.ok("service", "test", "hello")
                self.assertEqual((tested["passed"], tested["failed"]), (1, 0), tested)
                self.assertEqual(tested["scripts"][0]["expectations"], 8)
                measured = self.ok("service", "bench", "hello")
                self.assertGreater(measured["ns_a_packet"], 0)
                self.assertGreater(measured["start_us"], 0)
                self.ok("keygen", "identity", "publisher")
                packed = self.ok("service", "pack", "hello", "--key", "publisher.key")
                again = self.ok("service", "pack", "hello", "--key", "publisher.key", "--out", "again.esvc")
                self.assertEqual(packed["sha256"], again["sha256"])
                shown = self.ok("service", "inspect", packed["file"])
                self.assertEqual([part["file"] for part in shown["sources"]], [SOURCE[language]])
                self.assertGreaterEqual(shown["id"], 1 << 31)
                self.assertEqual(shown["sees"], ["destination", "port"])
                octets = bytearray((self.home / packed["file"]).read_bytes())
                octets[200] ^= 1
                (self.home / "changed.esvc").write_bytes(octets)
                self.refused("E0726", ERROR, "changed.esvc: it was changed after", "service", "inspect", "changed.esvc")
                shutil.rmtree(self.home / "hello")
                for file in self.home.iterdir():
                    file.unlink()

    def test_mistakes_of_the_first_minute(self):
        self.refused("E0502", USAGE, "'Hello' is no name", "service", "new", "Hello")
        self.refused("E0502", USAGE, "is no name", "service", "new", "a b")
        self.hello()
        self.refused("E0725", ERROR, "hello: is there already", "service", "new", "hello")
        self.refused("E0105", ERROR, "service.yaml: is not there", "service", "build")
        self.refused("E0720", ERROR, "clang++-19 (package clang-19), wasm-ld-19 (package lld-19)", "service", "build",
                     "hello", path="/nowhere")
        self.refused("E0105", ERROR, "key", "service", "pack", "hello", "--key", "nowhere.key")

    def test_the_compiler_speaks_for_itself(self):
        for language in ("c", "c++"):
            folder = self.hello(language)
            source = SOURCE[language]
            before = "verdict->keep = 1;" if language == "c" else "host.metric(kRefused);"
            line = self.edit(folder / source, before, "nobody;")
            ran = self.refused("E0721", ERROR, f"hello/{source}:{line}:", "service", "build", "hello")
            self.assertIn("nobody", ran.stderr)
            self.assertFalse((folder / "hello.wasm").exists())
            shutil.rmtree(folder)

    def test_a_script_that_fails_says_what_came(self):
        folder = self.hello()
        line = self.edit(folder / "tests/hello.script", "expect refuse reason=7 keep\n", "expect refuse reason=8\n")
        (folder / "tests/more.script").write_text("packet port=80\nexpect deliver\n")
        ran = self.run_it("service", "test", "hello")
        self.assertEqual(ran.returncode, ERROR, ran.stderr)
        self.assertIn(f"failed  hello/tests/hello.script:{line}: expect refuse reason=8\n        came: refuse reason=7 keep",
                      ran.stdout)
        self.assertIn("passed  hello/tests/more.script  1 expectation\n", ran.stdout)
        self.assertIn("1 passed, 1 failed", ran.stdout)
        (folder / "tests/more.script").write_text("packet port=80\nexpect delivery\n")
        self.refused("E0723", ERROR, "hello/tests/more.script:2:8: 'delivery' is nothing to expect", "service", "test",
                     "hello")
        (folder / "tests/more.script").write_text("packet flow=80\n")
        self.refused("E0723", ERROR, "does not see 'flow'", "service", "test", "hello")

    def test_a_fault_points_at_the_authors_line(self):
        for language in ("c", "c++"):
            folder = self.hello(language)
            line = self.loop(language)
            (folder / "tests/hello.script").write_text("packet port=9\nexpect deliver\n")
            ran = self.run_it("service", "test", "hello")
            self.assertEqual(ran.returncode, ERROR, ran.stderr)
            self.assertIn("over its budget: one call took longer than 1000 us", ran.stdout)
            self.assertIn(f"({SOURCE[language]}:{line})", ran.stdout)
            self.assertNotIn(str(self.home), ran.stdout)
            (folder / "tests/hello.script").write_text(f'packet port=9\nexpect fault "{SOURCE[language]}:{line}"\n'
                                                       "expect fallback\nexpect resting\nadvance 100ms\nexpect running\n")
            self.assertEqual(self.ok("service", "test", "hello")["passed"], 1)
            shutil.rmtree(folder)

    def test_a_module_that_does_not_keep_its_manifests_word(self):
        folder = self.hello("c")
        self.edit(folder / "service.yaml", "fallback: drop", "payload: true\nfallback: drop")
        self.refused("E0722", ERROR, "ENTRESOL_PAYLOAD_ROOM", "service", "build", "hello")
        self.edit(folder / "hello.c", '#include "entresol/service.h"', '#define ENTRESOL_PAYLOAD_ROOM 4096\n#include "entresol/service.h"')
        self.ok("service", "build", "hello")
        script = folder / "tests/hello.script"
        script.write_text(f"packet payload={'00' * 64} times=64\nexpect deliver\n")
        self.assertEqual(self.ok("service", "test", "hello")["passed"], 1)
        script.write_text(f"packet payload={'00' * 65} times=64\nexpect deliver\n")
        self.refused("E0723", ERROR, "hello.script:1:1: 4160 octets of payload in one batch", "service", "test", "hello")
        self.edit(folder / "hello.c", '#include "entresol/service.h"', '#include <stdio.h>\n#include "entresol/service.h"')
        self.edit(folder / "hello.c", "verdict->keep = 1;", 'puts("no");')
        self.refused("E0703", ERROR, "wasi_snapshot_preview1.fd_write", "service", "build", "hello")


if __name__ == "__main__":
    if not BUILD or not shutil.which("clang-19") or not shutil.which("wasm-ld-19"):
        print("needs clang-19 and lld-19, and ENTRESOL_BUILD")
        raise SystemExit(77)
    unittest.main()
