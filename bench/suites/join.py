"""join: from nothing to a ping between two hosts with four commands; what a join costs the controller, and a thousand hosts
that join at once. The limits are the goals themselves; beside the cost of a join stands what two bare TLS 1.3 handshakes
cost openssl's server (a host that joins makes two: to join, to register)."""

import contextlib
import json
import os
import re
import statistics
import subprocess
import time

from harness import places
from harness.rows import Missing, single_row
from harness import testbed as stage
from harness.testbed import SetupError, Testbed, wait_until

HUB = "10.67.1.2"
HOSTS = 1000
TICKS = os.sysconf("SC_CLK_TCK")


class Layer:
    """`init --up` in the namespace `hub`, with the binary that ships."""

    def __init__(self, testbed, *words):
        self.testbed = testbed
        self.folder = testbed.folder()
        self.made = self.cli("hub", "init", "edge", "--dir", os.path.join(self.folder, "hub"), "--up", "--advertise",
                             f"{HUB}:4851", *words)

    def cli(self, machine, *words, text_input=None):
        return json.loads(stage.run("ip", "netns", "exec", self.testbed.namespace(machine), places.entresol(), "-o", "json",
                              *words, text_input=text_input))

    def join(self, machine):
        return self.cli(machine, "join", "--dir", os.path.join(self.folder, machine), "--label", machine,
                        text_input=self.made["tokens"].pop(0) + "\n")


@contextlib.contextmanager
def machines(prefix, *hosts):
    with Testbed(prefix, ["hub", *hosts]) as testbed:
        for number, host in enumerate(hosts, start=1):
            testbed.link(host, "hub", f"10.67.{number}")
            if number > 1:
                testbed.ip(host, "route", "add", HUB, "via", f"10.67.{number}.2")
        if not hosts:
            testbed.ip("hub", "addr", "add", f"{HUB}/32", "dev", "lo")
        yield testbed


def four_commands():
    with machines("join", "alice", "bob") as testbed:
        start = time.monotonic()
        layer = Layer(testbed)
        layer.join("alice")
        layer.join("bob")
        layer.cli("alice", "ping", "bob", "-n", "1", "-c", os.path.join(layer.folder, "alice", "host.yaml"))
        return time.monotonic() - start


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def thousand():
    with machines("joins") as testbed:
        layer = Layer(testbed)
        pid = layer.made["controller"]["pid"]
        tokens = cpu_seconds(pid)
        words = ("ip", "netns", "exec", testbed.namespace("hub"), places.product_program("joins"), "--admin", layer.made["admin"],
                 "--hosts", HOSTS)
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        if done.returncode != 0:
            raise Missing(f"bench_joins: {done.stderr.strip()[-200:]}")
        # The tokens were made by as many requests, each on a connection of its own, before.
        spent = cpu_seconds(pid) - tokens
        return json.loads(done.stdout)["seconds"], spent / HOSTS * 1000


def bare_handshakes():
    """Milliseconds of CPU of two TLS 1.3 handshakes at openssl's server, P-256 as the controller's."""
    with Testbed("tls", ["hub"]) as testbed:
        folder = testbed.folder()
        key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
        stage.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
            "-keyout", key, "-out", certificate)
        server = testbed.start("hub", "openssl", "s_server", "-accept", "9443", "-key", key, "-cert", certificate, "-tls1_3",
                               "-quiet", "-www", "-num_tickets", "0")
        # `ip netns exec` becomes the program itself.
        wait_until(lambda: "9443" in testbed.inside("hub", "ss", "-Hltn", "sport = :9443"), 10, "openssl listens")
        before = cpu_seconds(server.pid)
        said = testbed.inside("hub", "openssl", "s_time", "-connect", "127.0.0.1:9443", "-new", "-time", "3", "-tls1_3")
        made = int(re.search(r"(\d+) connections in \d+ real", said)[1])
        return 2 * (cpu_seconds(server.pid) - before) / made * 1000


def run(report, options):
    rounds = 3 if options.quick else 5
    try:
        single_row(report, "join", "from nothing to a ping", "s", statistics.median(four_commands() for _ in range(rounds)),
                   "limit: 5 s", 5.0)
        seconds, cost = zip(*(thousand() for _ in range(1 if options.quick else 3)))
        single_row(report, "join", f"{HOSTS} hosts at once", "s", statistics.median(seconds), "limit: 10 s", 10.0)
        single_row(report, "join", "CPU of a join, with its token", "ms", statistics.median(cost), "limit: 2 ms", 2.0)
        single_row(report, "join", "CPU of a join, with its token", "ms", statistics.median(cost), "openssl: two handshakes",
                   bare_handshakes())
    except (SetupError, Missing, OSError) as error:
        report.note(f"join: {error}")
        for name, unit, limit in (("from nothing to a ping", "s", "limit: 5 s"), (f"{HOSTS} hosts at once", "s", "limit: 10 s"),
                                  ("CPU of a join, with its token", "ms", "limit: 2 ms")):
            single_row(report, "join", name, unit, None, limit, None, note=str(error))
