#!/usr/bin/env python3
"""A layer with a controller, as the command makes and uses it: init, join, tokens, members, guests, policy. The controller
runs on the loopback interface; nobody needs rights, since nothing but a node is started.

What is refused leaves nothing behind, and what was half done can be repeated."""

import contextlib
import http.client
import json
import os
import pty
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ENTRESOL = os.environ.get("ENTRESOL", "")
OK, ERROR, USAGE, DEGRADED, DENIED, UNREACHABLE = range(6)
PATIENCE = 120  # s


def free_port(kind=socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Scene(unittest.TestCase):
    """An empty folder, in which the command runs."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="entresol-layer-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_it(self, *words, token: str | None = None, json_output=True) -> subprocess.CompletedProcess:
        environment = os.environ | {"ENTRESOL_DIR": str(self.folder / "layer")}
        return subprocess.run([ENTRESOL, *(("-o", "json") if json_output else ()), *words], cwd=self.folder, env=environment,
                              input=token or "", capture_output=True, text=True, timeout=PATIENCE, check=False)

    def ok(self, *words, token=None, code=OK):
        ran = self.run_it(*words, token=token)
        self.assertEqual(ran.returncode, code, f"{words}: {ran.stdout}{ran.stderr}")
        return json.loads(ran.stdout)

    def refused(self, error: str, exit_code: int, says: str, *words, token=None):
        ran = self.run_it(*words, token=token)
        self.assertEqual(ran.returncode, exit_code, f"{words}: {ran.stdout}{ran.stderr}")
        found = json.loads(ran.stdout)["error"]
        self.assertEqual(found["code"], error, found)
        self.assertIn(says, found["message"])

    def files(self, where="") -> list[str]:
        top = self.folder / where
        return sorted(str(path.relative_to(top)) for path in top.rglob("*")) if top.exists() else []


class Words(Scene):
    """What is refused before anybody is asked."""

    TOKEN = "ent1.AQEEfwAAARLz864AI8bAScpE"

    def test_a_token_has_no_place_on_the_command_line(self):
        for words in (("join", self.TOKEN), ("join", "--token-file", self.TOKEN), ("join", f"--token-file={self.TOKEN}"),
                      ("token", "revoke", self.TOKEN)):
            ran = self.run_it(*words, json_output=False)
            self.assertEqual(ran.returncode, USAGE, ran.stderr)
            self.assertIn("every user of this machine", ran.stderr)
            self.assertNotIn(self.TOKEN, ran.stdout + ran.stderr)
        self.assertEqual(self.files(), [])

    def test_join_says_what_is_wrong_with_its_options(self):
        for says, *words in (("--endpoint", "--endpoint", "node.example:4850"), ("--endpoint", "--endpoint", ":4850"),
                             ("--label", "--label", "Alice"), ("--tun", "--tun", "a/b"), ("--tun", "--tun", "x" * 16),
                             ("--listen", "--listen", "4850")):
            self.refused("E0502", USAGE, says, "join", *words, token=self.TOKEN)
        self.assertEqual(self.files(), [])

    def test_join_knows_a_token_when_it_sees_one(self):
        for token in ("", "hello", "ent1.", "ent2.AAAA", self.TOKEN, "e" * 5000):
            self.refused("E0510", ERROR, "not a join token", "join", token=token)
        self.refused("E0105", ERROR, "nowhere", "join", "--token-file", "nowhere")
        self.assertEqual(self.files(), [])

    def test_init_says_what_is_wrong_with_its_options(self):
        for says, *words in (("label", "Edge"), ("label", "a/b"), ("--listen", "edge", "--listen", "here"),
                             ("--listen", "edge", "--listen", ":0"), ("--advertise", "edge", "--advertise", "here"),
                             ("--advertise", "edge", *(f"--advertise=a:{port}" for port in range(1, 6))),
                             ("--ipv4-pool", "edge", "--ipv4-pool", "100.64.0.1/10"), ("--ipv4-pool", "edge", "--ipv4-pool", "fd00::/8"),
                             ("pool", "edge", "--ipv4-pool", "0.0.0.0/0"), ("domain", "edge", "--domain", "a..b"),
                             ("--certificate-lifetime", "edge", "--certificate-lifetime", "day"),
                             ("lifetime", "edge", "--certificate-lifetime", "1s")):
            self.refused("E0502", USAGE, says, "init", *words)
        self.assertEqual(self.files(), [])

    def test_people_need_an_admin_file(self):
        self.refused("E0105", ERROR, "--admin", "host", "list")
        (self.folder / "admin").write_text("{}")
        self.refused("E0103", ERROR, "version", "host", "list", "--admin", "admin")
        for addresses in ("[3]", "[]", '"a:1"'):
            (self.folder / "admin").write_text(f'{{"version": 1, "addresses": {addresses}, "key": [], "token": {{}}}}')
            self.refused("E0103", ERROR, "addresses", "token", "create", "--admin", "admin")

    def test_without_a_configuration_the_command_asks_for_one(self):
        for verb in (("status",), ("ping", "alice"), ("up",), ("down",)):
            self.refused("E0502", USAGE, "-c FILE", *verb)


class Founding(Scene):
    def test_what_init_makes(self):
        said = self.ok("init", "edge", "--advertise", "controller.example:4851", "--listen", "127.0.0.1:4999")
        self.assertEqual(self.files("layer"), sorted(
            ["admin.json", "controller", "root.key", "root.pub"] +
            [f"controller/{name}" for name in ("controller.yaml", "operator.delegation", "operator.key", "operator.pub",
                                               "store.sqlite", "tls.pem")]))
        for name in ("admin.json", "root.key", "controller/operator.key", "controller/tls.pem", "controller/store.sqlite"):
            self.assertEqual(stat.S_IMODE((self.folder / "layer" / name).stat().st_mode), 0o600, name)
        admin = json.loads((self.folder / "layer/admin.json").read_text())
        self.assertEqual(admin["addresses"], ["controller.example:4851", "127.0.0.1:4999"])
        self.assertEqual(admin["key"], said["key"])
        self.assertIn("members", said["policy"])

    def test_init_overwrites_nothing(self):
        self.ok("init", "edge")
        before = {name: (self.folder / "layer" / name).read_bytes() for name in self.files("layer")
                  if (self.folder / "layer" / name).is_file()}
        self.refused("E0207", ERROR, "root.key", "init", "edge")
        for name, octets in before.items():
            self.assertEqual((self.folder / "layer" / name).read_bytes(), octets, name)
        for name in ("root.pub", "admin.json", "controller"):
            other = self.folder / f"with-{name}"
            other.mkdir()
            (other / name).mkdir()
            self.refused("E0207", ERROR, name, "init", "edge", "--dir", str(other))
            self.assertEqual(self.files(other.name), [name])

    def test_up_that_fails_leaves_nothing(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            words = ("init", "edge", "--up", "--listen", address)
            self.refused("E0303", ERROR, "nothing of the new layer is kept", *words)
            self.assertEqual(self.files(), [])
            (self.folder / "there").mkdir()
            self.refused("E0303", ERROR, "nothing of the new layer is kept", *words, "--dir", "there")
            self.assertEqual(self.files(), ["there"])


class WithController(Scene):
    """A controller runs; what it advertises may be somewhere else."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.begin()

    def begin(self, *words):
        here = f"127.0.0.1:{self.port}"
        self.ok("init", "edge", "--listen", here, *(words or ("--advertise", here)))
        self.addCleanup(lambda: self.run_it("down", "-c", "layer/controller/controller.yaml"))
        self.ok("up", "--role", "controller", "-c", "layer/controller/controller.yaml")

    def token(self, *words) -> str:
        return self.ok("token", "create", *words)["token"]

    def join(self, token, *words, where="h"):
        return self.ok("join", "--no-up", "--dir", where, *words, token=token)

    def admin(self) -> dict:
        return json.loads((self.folder / "layer/admin.json").read_text())

    def write_admin(self, **changes):
        (self.folder / "changed.json").write_text(json.dumps(self.admin() | changes))
        return ("--admin", "changed.json")


class Layer(WithController):
    def test_a_host_joins_and_is_revoked(self):
        token = self.token("--tag", "web", "--tag", "eu")
        said = self.join(token, "--label", "alice")
        self.assertEqual((said["label"], said["role"], said["layer"], said["up"]), ("alice", "host", "edge", False))
        self.assertEqual(self.files("h"), sorted(
            ["edge", "edge.state", "edge.state/nodes", "edge/certificate", "edge/identity.key", "edge/root.pub", "host.yaml"]))
        self.assertEqual(stat.S_IMODE((self.folder / "h/edge/identity.key").stat().st_mode), 0o600)
        self.assertEqual((self.folder / "h/edge/root.pub").read_text(), (self.folder / "layer/root.pub").read_text())
        self.assertEqual(self.ok("host", "show", "alice")["tags"], ["web", "eu"])
        self.assertEqual([host["name"] for host in self.ok("host", "list")["members"]], [said["name"]])
        self.assertEqual(self.ok("token", "list")["tokens"][0]["used_by"], "alice")
        self.refused("E0518", ERROR, "is a host", "node", "revoke", "alice")
        self.assertGreater(self.ok("host", "revoke", "alice")["revoked_at"], 0)
        self.refused("E0518", ERROR, "alice", "host", "show", "alice")

    def test_a_token_admits_one_and_who_is_refused_has_no_files(self):
        token = self.token()
        self.join(token, "--label", "alice")
        self.refused("E0513", DENIED, "used", "join", "--label", "bob", "--dir", "other", token=token)
        self.assertFalse((self.folder / "other").exists())
        self.refused("E0207", ERROR, "--dir", "join", "--dir", "h", token=self.token())
        revoked = self.ok("token", "create")
        self.ok("token", "revoke", revoked["id"])
        self.refused("E0511", DENIED, "not known", "join", "--dir", "other", token=revoked["token"])
        self.refused("E0514", DENIED, "--endpoint", "join", "--dir", "other", token=self.token("--role", "node"))
        self.refused("E0516", ERROR, "alice", "join", "--dir", "other", "--label", "alice", token=self.token())
        (self.folder / "there").mkdir()
        self.refused("E0513", DENIED, "used", "join", "--dir", "there", token=token)
        self.assertEqual(self.files("there"), [])
        self.assertFalse((self.folder / "other").exists())

    def test_the_tokens_label_goes_before_the_machines_name(self):
        self.assertEqual(self.join(self.token("--label", "gate"))["label"], "gate")
        named = self.join(self.token(), where="h2")["label"]
        self.assertRegex(named, "^[a-z0-9-]+$")
        self.refused("E0514", DENIED, "label", "join", "--dir", "other", "--label", "b", token=self.token("--label", "a"))

    def test_a_token_file(self):
        (self.folder / "token").write_text(self.token() + "\n")
        self.assertEqual(self.ok("join", "--no-up", "--dir", "h", "--token-file", "token", "--label", "alice")["label"], "alice")

    def test_a_node_runs_and_hosts_and_guests_hear_of_it(self):
        self.refused("E0514", DENIED, "without --endpoint", "join", "--dir", "n", "--endpoint", "127.0.0.1:1", token=self.token())
        port = free_port(socket.SOCK_DGRAM)
        endpoint = f"127.0.0.1:{port}"
        self.addCleanup(lambda: self.run_it("down", "-c", "n/node.yaml"))
        said = self.ok("join", "--dir", "n", "--endpoint", endpoint, "--listen", f"127.0.0.1:{port}", "--label", "node1",
                       token=self.token("--role", "node"))
        self.assertTrue(said["up"])
        self.assertEqual(self.ok("status", "-c", "n/node.yaml")["role"], "node")
        self.refused("E0306", ERROR, "runs there already", "up", "--role", "node", "-c", "n/node.yaml")
        while not self.ok("node", "show", "node1")["registered"]:  # each question waits for an answer
            pass
        host = self.join(self.token(), "--label", "alice")
        self.assertEqual(host["nodes"], ["node1"])
        self.assertIn("REGISTRATION", (self.folder / "h/edge.state/nodes/node1.member").read_text())
        guest = self.ok("guest", "add", "phone", "--tag", "mobile", "--out", "phone.conf")
        text = (self.folder / "phone.conf").read_text()
        self.assertEqual(text, guest["config"])
        self.assertEqual(stat.S_IMODE((self.folder / "phone.conf").stat().st_mode), 0o600)
        for line in (f"Address = {guest['ipv4']}/32, {guest['name']}/128", "MTU = 1420", f"Endpoint = {endpoint}",
                     f"AllowedIPs = 100.64.0.0/10, {guest['name'][:9]}::/32"):
            self.assertIn(line, text)
        self.assertRegex(text, r"(?m)^PrivateKey = [A-Za-z0-9+/]{43}=$")
        self.assertRegex(text, r"(?m)^PublicKey = [A-Za-z0-9+/]{43}=$")

    def test_guests(self):
        key = "A" * 42 + "E="
        guest = self.ok("guest", "add", "phone", "--wireguard-key", key, code=DEGRADED)  # no node to name yet
        self.assertNotIn("\nPrivateKey", guest["config"])
        self.assertEqual([one["label"] for one in self.ok("guest", "list")["guests"]], ["phone"])
        self.assertEqual(self.ok("guest", "show", "phone")["ipv4"], guest["ipv4"])
        self.refused("E0201", ERROR, "--wireguard-key", "guest", "add", "b", "--wireguard-key", "AAAA")
        self.refused("E0516", ERROR, "phone", "guest", "add", "phone")
        self.refused("E0518", ERROR, "gate", "guest", "add", "b", "--node", "gate")
        self.assertGreater(self.ok("guest", "revoke", "phone")["revoked_at"], 0)

    @unittest.skipUnless(shutil.which("zbarimg"), "zbarimg reads the code")
    def test_a_terminal_gets_a_code_that_a_camera_reads(self):
        """A program that is not ours reads it back, octet by octet; a file gets none."""
        words = ("guest", "add", "phone", "--out", "phone.conf")
        shown = self.on_terminal(*words)
        rows = re.findall(r"\x1b\[30;47m([ \u2580\u2584\u2588]+)\x1b\[0m", shown)
        self.assertTrue(rows, shown)
        pixels = []
        for row in rows:
            for dark in ("\u2580\u2588", "\u2584\u2588"):
                line = "".join(("0 " if cell in dark else "255 ") * 4 for cell in row)
                pixels += [line] * 4
        picture = self.folder / "code.pgm"
        picture.write_text(f"P2 {4 * len(rows[0])} {len(pixels)} 255\n" + "\n".join(pixels) + "\n")
        read = subprocess.run(["zbarimg", "--quiet", "--raw", "--oneshot", picture], capture_output=True, text=True, timeout=PATIENCE, check=False)
        written = (self.folder / "phone.conf").read_text()
        self.assertIn("PrivateKey = ", written)
        self.assertEqual(read.stdout.rstrip("\n"), written.rstrip("\n"))
        self.assertNotIn("\x1b", self.run_it("guest", "add", "tablet", json_output=False).stdout)

    def on_terminal(self, *words) -> str:
        """What the command writes if its standard output is a terminal."""
        ours, its = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            with subprocess.Popen([ENTRESOL, *words], cwd=self.folder, env=os.environ | {"ENTRESOL_DIR": str(self.folder / "layer")},
                                  stdin=subprocess.DEVNULL, stdout=its, stderr=subprocess.DEVNULL) as running:
                os.close(its)
                out = b""
                with contextlib.suppress(OSError):  # the other end is closed
                    while part := terminal.read(65536):
                        out += part
                running.wait(PATIENCE)
        return out.decode()

    def test_names_are_hosts_nodes_and_guests(self):
        self.assertEqual(self.ok("name", "list"), {"domain": "edge.internal", "names": []})
        self.assertIn("token create", self.run_it("name", "list", json_output=False).stdout)
        alice = self.join(self.token(), "--label", "zoe")
        self.ok("guest", "add", "phone", code=DEGRADED)
        names = self.ok("name", "list")["names"]
        self.assertEqual([(one["dns"], one["kind"]) for one in names], [("phone.edge.internal", "guest"), ("zoe.edge.internal", "host")])
        for who in ("zoe", "zoe.edge.internal", alice["name"], alice["ipv4"]):
            self.assertEqual(self.ok("name", "show", who)["label"], "zoe", who)
        self.refused("E0518", ERROR, "name list", "name", "show", "nobody")
        self.ok("host", "revoke", "zoe")
        self.assertEqual(len(self.ok("name", "list")["names"]), 1)

    def test_a_name_that_members_share(self):
        for label, folder in (("bob", "h"), ("carol", "h2")):
            self.join(self.token(), "--label", label, where=folder)
        made = self.ok("name", "create", "web", "--tag", "front")
        self.assertEqual((made["kind"], made["key_here"], made["tags"], made["delegates"]), ("shared", True, ["front"], []))
        self.assertEqual(self.ok("name", "create", "web", "--tag", "front"), made, "a repeat")
        self.assertIn("name delegate web MEMBER", self.run_it("name", "show", "web", json_output=False).stdout)
        given = self.ok("name", "delegate", "web", "bob", "carol", "--weight", "3")
        self.assertEqual({one["label"]: one["weight"] for one in given["delegates"]}, {"bob": 3, "carol": 3})
        taken = self.ok("name", "withdraw", "web", "bob")
        self.assertEqual({one["label"]: one["weight"] for one in taken["delegates"]}, {"bob": 0, "carol": 3})
        shown = self.run_it("name", "list", json_output=False).stdout
        self.assertRegex(shown, r"web\.edge\.internal +shared +\S+ +fd35\S+ +carol")
        for who in ("web", "web.edge.internal", made["name"], made["ipv4"]):
            self.assertEqual(self.ok("name", "show", who)["kind"], "shared", who)
        self.ok("host", "revoke", "carol")
        self.assertIn("nobody may answer", self.run_it("name", "withdraw", "web", "bob", json_output=False).stdout)
        self.refused("E0516", ERROR, "web", "name", "create", "web")
        self.refused("E0516", ERROR, "bob", "name", "create", "bob")
        self.refused("E0518", ERROR, "nobody", "name", "delegate", "web", "bob", "nobody")
        self.refused("E0518", ERROR, "cache", "name", "delegate", "cache", "bob")
        self.assertEqual(self.run_it("name", "delegate", "web", "bob", "--weight", "0").returncode, USAGE)
        self.assertGreater(self.ok("name", "revoke", "web")["revoked_at"], 0)
        self.assertEqual([one["label"] for one in self.ok("name", "list")["names"]], ["bob"])

    def test_an_owner_keeps_the_key_of_its_name(self):
        self.join(self.token(), "--label", "bob")
        self.ok("keygen", "name", "web")
        self.ok("keygen", "name", "other")
        self.assertEqual(stat.S_IMODE((self.folder / "web.key").stat().st_mode), 0o600)
        self.refused("E0201", ERROR, "web.key", "name", "create", "web", "--key", "web.key")
        made = self.ok("name", "create", "web", "--service", "0x80000007", "--key", "web.pub")
        self.assertEqual((made["kind"], made["service"], made["key_here"]), ("service", 0x80000007, False))
        self.refused("E0205", ERROR, "web", "name", "create", "twice", "--key", "web.pub", "--service", "7")
        self.refused("E0103", ERROR, "service", "name", "create", "no", "--service", "1")
        self.refused("E0527", ERROR, "owner", "name", "delegate", "web", "bob")
        self.refused("E0203", ERROR, "other.key", "name", "delegate", "web", "bob", "--with", "other.key")
        self.refused("E0201", ERROR, "web.pub", "name", "delegate", "web", "bob", "--with", "web.pub")
        given = self.ok("name", "delegate", "web", "bob", "--with", "web.key", "--lifetime", "30d")["delegates"]
        self.assertEqual([(one["label"], one["weight"]) for one in given], [("bob", 1)])
        self.refused("E0518", ERROR, "nobody", "name", "delegate", "web", "nobody", "--with", "web.key")
        taken = self.ok("name", "withdraw", "web", "bob", "--with", "web.key")["delegates"]
        self.assertEqual([one["weight"] for one in taken], [0])
        self.assertEqual(taken[0]["not_after"], given[0]["not_after"], "remembered for as long as it would hold")
        self.assertEqual(self.ok("name", "withdraw", "web", "bob", "--with", "web.key")["delegates"], taken, "a repeat")

    def test_names_for_every_program_are_asked_for(self):
        """A machine's resolver settings do not change by themselves."""
        self.join(self.token(), "--label", "alice")
        self.assertNotIn("dns:", (self.folder / "h/host.yaml").read_text())
        self.join(self.token(), "--label", "bob", "--dns", where="h2")
        self.assertIn('dns: {domain: "edge.internal"}', (self.folder / "h2/host.yaml").read_text())

    def test_policy(self):
        self.assertIn("members", self.ok("policy", "show")["text"])
        text = "all: allow * *\n# \u00e9\n"
        (self.folder / "p.yaml").write_text(text)
        self.assertEqual(self.ok("policy", "set", "p.yaml")["revision"], 2)
        self.assertEqual(self.ok("policy", "show")["text"], text)
        self.assertEqual(self.run_it("policy", "show", json_output=False).stdout, text)
        self.assertEqual(self.ok("controller", "status")["policy_revision"], 2)

    def test_a_token_is_all_of_standard_output(self):
        ran = self.run_it("token", "create", json_output=False)
        self.assertRegex(ran.stdout, r"^ent1\.[A-Za-z0-9_-]+\n$")

    def test_what_an_api_token_may_not_is_denied(self):
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=PATIENCE)
        connection.request("POST", "/v1/api-tokens", json.dumps({"label": "reader", "scopes": ["read"]}),
                           {"Authorization": f"Bearer {self.admin()['token']}"})
        reader = self.write_admin(token=json.loads(connection.getresponse().read())["token"])
        connection.close()
        self.ok("host", "list", *reader)
        self.refused("E0526", DENIED, "reader", "token", "create", *reader)
        self.refused("E0525", DENIED, "not known", "host", "list", *self.write_admin(token="enta1.AAAA"))

    def test_another_key_or_nobody_there(self):
        self.refused("E0602", ERROR, "key", "host", "list", *self.write_admin(key="sha256:" + "0" * 64))
        token = self.token()
        self.ok("down", "-c", "layer/controller/controller.yaml")
        self.refused("E0601", UNREACHABLE, "127.0.0.1", "host", "list")
        self.refused("E0601", UNREACHABLE, "127.0.0.1", "join", "--dir", "other", token=token)
        self.assertFalse((self.folder / "other").exists())


class Cut:
    """A way to the controller that loses its answer to the first request of the first connections."""

    def __init__(self, to_port: int, losing: int):
        self.to_port, self.losing = to_port, losing
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.losing -= 1
                with near, socket.create_connection(("127.0.0.1", self.to_port)) as far:
                    self.pass_on(near, far, loses=self.losing >= 0)

    def pass_on(self, near, far, loses):
        """The request is the second record of application data that the client sends; the first ends the handshake."""
        back = threading.Event()

        def backwards():
            with contextlib.suppress(OSError):
                while octets := far.recv(65536):
                    if back.is_set():
                        break  # the answer, which is lost
                    near.sendall(octets)
            with contextlib.suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=backwards, daemon=True)
        thread.start()
        kept, sent = b"", 0
        with contextlib.suppress(OSError):
            while octets := near.recv(65536):
                kept += octets
                while len(kept) >= 5 and len(kept) >= (size := 5 + int.from_bytes(kept[3:5], "big")):
                    record, kept = kept[:size], kept[size:]
                    sent += record[0] == 23
                    if loses and sent == 2:
                        back.set()
                    far.sendall(record)
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_WR)
        thread.join()

    def close(self):
        self.listener.close()


class LostAnswers(WithController):
    def setUp(self):
        Scene.setUp(self)
        self.port = free_port()
        self.cut = Cut(self.port, losing=1)
        self.addCleanup(self.cut.close)
        self.begin("--advertise", f"127.0.0.1:{self.cut.port}")

    def admin_here(self):
        return self.write_admin(addresses=[f"127.0.0.1:{self.port}"])

    def test_the_same_token_brings_the_same_membership(self):
        here = self.admin_here()
        token = self.ok("token", "create", *here)["token"]
        ran = self.run_it("join", "--no-up", "--dir", "h", "--label", "alice", token=token)
        self.assertNotEqual(ran.returncode, OK, ran.stdout)
        self.assertIn("same token", json.loads(ran.stdout)["error"]["message"])
        admitted = self.ok("host", "show", "alice", *here)["name"]
        self.assertEqual(len(self.files("h")), 1, "the identity alone")
        said = self.join(token, "--label", "alice")
        self.assertEqual(said["name"], admitted)
        self.assertNotIn(".join", " ".join(self.files("h")))


if __name__ == "__main__":
    if not os.access(ENTRESOL, os.X_OK):
        print("set ENTRESOL to the command")
        sys.exit(77)
    unittest.main()
