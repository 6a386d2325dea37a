"""tunnel: host – node – host in three namespaces on this machine's cores, as users see it: TCP (cubic, iperf3), UDP offered
at twice what arrives, idle round trip, peak memory of the largest process."""

import contextlib
import json
import statistics
import time

from harness import places
from harness.rows import Comparison, Missing, Series, single_row
from harness.testbed import SetupError

from . import tunnel_systems

UDP_SIZES = (1300, 64)
FLOORS = {"tailscale/wireguard-go": 0.05, "bare tunnel": 0.15}  # of plain kernel forwarding, for TCP
FLOOR_RUNS = 5


class Measurements:
    def __init__(self, seconds):
        self.seconds = seconds
        self._offered = {}  # (system, family, size): datagrams a second

    def tcp(self, system, family):
        """Gb/s that arrive."""
        client = system.testbed.start("a", "iperf3", "-c", system.far(family), "-C", "cubic", "-t", self.seconds,
                                      "-O", 1, "-J")
        out = client.output(self.seconds + 30)
        system.testbed.stop(client)
        result = json.loads(out)
        if "error" in result:
            raise SetupError(f"{system.name}: iperf3: {result['error']}")
        sent = result["end"]["sum_sent"]
        return {"value": result["end"]["sum_received"]["bits_per_second"] / 1e9, "note": system.note,
                "retransmits": sent.get("retransmits", 0)}

    def _udp_once(self, system, family, size, rate):
        traffic = places.reference("traffic")
        far, near = system.far(family), system.near(family)
        quoted = (lambda text: f"[{text}]") if family == 6 else (lambda text: text)
        sink = system.testbed.start("b", traffic, "sink", "--listen", f"{quoted(far)}:20000", "--seconds", self.seconds)
        time.sleep(0.1)
        source = system.testbed.start("a", traffic, "source", "--from", f"{quoted(near)}:10000", "--to",
                                      f"{quoted(far)}:20000", "--size", size, "--gso", 0, "--train", 1, "--rate",
                                      f"{rate:.0f}", "--seconds", self.seconds + 0.5)
        try:
            arrived, offered = sink.finish(), source.finish()
        finally:
            system.testbed.stop(source)
            system.testbed.stop(sink)
        return arrived["mpps"], offered["mpps"]

    def udp(self, system, family, size):
        """Million datagrams a second that arrive when twice as many are offered."""
        key = (system.name, family, size)
        if key not in self._offered:
            rate = 0.2e6
            for _ in range(3):
                arrived, _ = self._udp_once(system, family, size, rate)
                rate = max(2e6 * arrived, 2e4)
            self._offered[key] = rate
        arrived, offered = self._udp_once(system, family, size, self._offered[key])
        return {"value": arrived, "offered": offered, "lost": max(0.0, 1 - arrived / offered) if offered else None,
                "note": system.note}

    def round_trip(self, system, family):
        """Milliseconds, median of ICMP echoes a millisecond apart."""
        far = f"[{system.far6}]" if family == 6 else system.far4
        ping = system.testbed.start("a", places.reference("traffic"), "ping", "--to", f"{far}:0", "--count",
                                    int(300 * self.seconds))
        figures = ping.finish()
        return {"value": figures["p50_us"] / 1000, "p99": figures["p99_us"] / 1000, "lost": figures["lost"]}


class Suite:
    def __init__(self, report, options, stack):
        self.report = report
        self.measurements = Measurements(1 if options.quick else 2)
        self.comparison = Comparison(report, "tunnel", options.pairs)
        self.systems = {}
        self.missing = {}
        for make in (tunnel_systems.KernelForwarding, tunnel_systems.BareTunnel, tunnel_systems.tailscale_hub,
                     tunnel_systems.upstream_hub, tunnel_systems.Entresol, tunnel_systems.EntresolGuests,
                     tunnel_systems.BareTunnelOfTwo, tunnel_systems.EntresolOfTwo):
            system = make()
            try:
                self.systems[system.name] = stack.enter_context(system)
            except (Missing, SetupError) as error:
                self.missing[system.name] = str(error)
                report.note(f"{system.name}: {error}")

    def series(self, name, measure, fault=None):
        system = self.systems.get(name)
        if system is None:
            return Series(name, missing=self.missing[name])
        return Series(name, lambda: measure(system), fault=fault)

    def faults(self):
        """References below their floor of what plain kernel forwarding carries: the median of paired runs that alternate,
        as for every ratio. (What the kernel reaches in its best moment is half as much again as what it keeps up.)"""
        if "kernel forwarding" not in self.systems:
            return {name: "no kernel forwarding to judge the reference by" for name in FLOORS}
        judged = [name for name in self.systems if name in FLOORS or name == "kernel forwarding"]
        runs = [{name: self.measurements.tcp(self.systems[name], 4)["value"] for name in judged}
                for _ in range(FLOOR_RUNS)]
        found = {}
        for name, share in FLOORS.items():
            if name not in judged:
                continue
            reached = statistics.median(run[name] / run["kernel forwarding"] for run in runs)
            value, limit = (statistics.median(run[each] for run in runs) for each in (name, "kernel forwarding"))
            self.report.note(f"floor: {name}: TCP {value:.2f} of {limit:.1f} Gb/s, {reached:.1%} (needs {share:.0%})")
            if reached < share:
                found[name] = f"{name} is below its floor ({reached:.1%} < {share:.0%})"
        return found

    def compare(self, name, unit, measure, own, peers, faults):
        self.comparison.run(name, unit, self.series(own, measure),
                            {peer: self.series(peer, measure, faults.get(peer)) for peer in peers})

    def memory(self):
        def peak(name):
            try:
                return self.systems[name].peak_memory() / 1e6 if name in self.systems else None
            except (Missing, SetupError, OSError):
                return None
        own = peak("entresol")
        for peer in ("bare tunnel", "tailscale/wireguard-go", "upstream wireguard-go"):
            note = "" if own is not None else f"product missing: {self.missing.get('entresol', 'it has ended')}"
            single_row(self.report, "tunnel", "peak memory of a process", "MB", own, peer, peak(peer), note=note)


def run(report, options):
    places.fetch_peers()
    with contextlib.ExitStack() as stack:
        suite = Suite(report, options, stack)
        faults = suite.faults()
        measurements = suite.measurements
        peers = ("bare tunnel", "tailscale/wireguard-go", "upstream wireguard-go")
        for family in (6, 4):
            suite.compare(f"TCP over IPv{family}", "Gb/s", lambda system: measurements.tcp(system, family), "entresol",
                          peers + ("kernel forwarding",), faults)
            for size in UDP_SIZES:
                suite.compare(f"UDP {size} B over IPv{family}", "Mpps",
                              lambda system: measurements.udp(system, family, size), "entresol", peers, faults)
            suite.compare(f"idle round trip over IPv{family}", "ms",
                          lambda system: measurements.round_trip(system, family), "entresol",
                          peers + ("kernel forwarding",), faults)
        suite.compare("TCP of WireGuard hosts over IPv4", "Gb/s", lambda system: measurements.tcp(system, 4),
                      "wireguard-go through entresol", ("tailscale/wireguard-go",), faults)
        for family in (6, 4):
            suite.compare(f"TCP through two nodes, IPv{family}", "Gb/s", lambda system: measurements.tcp(system, family),
                          "entresol, two nodes", ("bare tunnel, two nodes",), faults)
        suite.memory()
