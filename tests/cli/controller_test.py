#!/usr/bin/env python3
"""A controller from the outside: its page for Prometheus, and a flood of joins with tokens that it does not know. Loopback
addresses stand for the sources; nobody needs rights."""

import base64
import concurrent.futures
import http.client
import json
import os
import re
import ssl
import sys
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import layer_test  # noqa: E402
from layer_test import OK, WithController, free_port  # noqa: E402

CONFIG = "layer/controller/controller.yaml"
FLOODER, OTHER = "127.0.0.2", "127.0.0.3"
FAILURES = 60  # of one source at once
BAD = {"token": "A" * 22, "identity": base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="), "label": "mallory", "role": "host"}


class Watched(WithController):
    """With a page for Prometheus."""

    def setUp(self):
        super().setUp()
        self.ok("down", "-c", CONFIG)
        self.page = f"127.0.0.1:{free_port()}"
        with open(self.folder / CONFIG, "a", encoding="utf-8") as config:
            config.write(f'metrics: "{self.page}"\n')
        self.ok("up", "--role", "controller", "-c", CONFIG)

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://{self.page}/metrics", timeout=layer_test.PATIENCE) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, value in re.findall(r"^(entresol_controller\S+(?:\{.*\})?) (\S+)$", text, re.M)}

    def connection(self, source: str) -> http.client.HTTPSConnection:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, source_address=(source, 0),
                                           timeout=layer_test.PATIENCE)

    def joins(self, source: str, count: int, body=None) -> list[str]:
        """The codes of as many joins over one connection; empty for what went well."""
        connection, codes = self.connection(source), []
        for _ in range(count):
            connection.request("POST", "/v1/join", json.dumps(body or BAD))
            codes.append(json.loads(connection.getresponse().read()).get("error", {}).get("code", ""))
        connection.close()
        return codes


class Page(Watched):
    def test_it_says_what_has_happened(self):
        before = self.metrics()
        self.join(self.token(), "--label", "alice")
        after = self.metrics()
        self.assertEqual(after['entresol_controller_members{kind="host"}'], 1)
        self.assertEqual(after['entresol_controller_tokens{state="used"}'], 1)
        self.assertEqual(after['entresol_controller_requests_total{method="POST",path="/v1/join",code="ok"}'], 1)
        self.assertGreaterEqual(after["entresol_controller_commits_total"], before["entresol_controller_commits_total"] + 2)
        self.assertGreater(after["entresol_controller_last_commit_timestamp_seconds"], 1_600_000_000)
        self.assertEqual(after["entresol_controller_commit_failures_total"], 0)
        store = self.folder / "layer/controller"
        self.assertEqual(after["entresol_controller_store_bytes"],
                         sum((store / name).stat().st_size for name in ("store.sqlite", "store.sqlite-wal") if (store / name).exists()))

    def test_the_control_socket_says_the_same(self):
        ran = self.run_it("status", "-c", CONFIG, "--prometheus", json_output=False)
        self.assertEqual(ran.returncode, OK, ran.stderr)
        self.assertIn('entresol_controller_members{kind="node"} 0\n', ran.stdout)

    def test_without_the_key_there_is_none(self):
        self.ok("down", "-c", CONFIG)
        config = self.folder / CONFIG
        config.write_text(re.sub("metrics: .*\n", "", config.read_text()))
        self.ok("up", "--role", "controller", "-c", CONFIG)
        with self.assertRaises(OSError):
            self.metrics()


class Flood(Watched):
    def memory(self) -> int:
        """Octets of the controller that are its own."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                if b"controller" in words and Path(os.readlink(process / "cwd"), os.fsdecode(words[words.index(b"-c") + 1])).resolve() == \
                        (self.folder / CONFIG).resolve():
                    return int(re.search(r"RssAnon:\s+(\d+)", (process / "status").read_text())[1]) * 1024
            except (OSError, ValueError):
                continue
        return self.fail("the controller is not to be found")

    def flood(self, rounds: int) -> list[str]:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return [code for codes in pool.map(lambda _: self.joins(FLOODER, 100), range(rounds)) for code in codes]

    def test_bad_tokens_are_held_up_and_others_are_not(self):
        codes = self.flood(16)
        self.assertGreaterEqual(codes.count("E0511"), FAILURES)
        self.assertGreater(codes.count("E0609"), len(codes) // 2)
        self.assertEqual(set(codes), {"E0511", "E0609"})
        self.assertEqual(self.joins(OTHER, 1), ["E0511"], "another source is looked at")
        before = self.memory()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            flood = pool.submit(self.flood, 48)
            for number in range(4):
                self.join(self.token(), "--label", f"host{number}", where=f"h{number}")
            codes = flood.result()
        self.assertGreater(codes.count("E0609"), len(codes) * 9 // 10)
        self.assertLess(self.memory() - before, 4 << 20)
        self.assertEqual(self.metrics()['entresol_controller_members{kind="host"}'], 4)
        held_up = self.metrics()['entresol_controller_requests_total{method="",path="other",code="E0609"}']
        self.assertGreaterEqual(held_up, codes.count("E0609"))


if __name__ == "__main__":
    unittest.main()
