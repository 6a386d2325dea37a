"""sockets: the node with its sockets beside a bare relay, million packets a second of UDP payload size.

One core relays; the other one generates, receives and counts. A record that carries a UDP payload of P bytes is P + 8 + 82
bytes of plaintext and 28 of header and tag, so both sides move records of P + 118 bytes.

Packets that do not coalesce are sent as trains too (a core cannot send single packets as fast as another relays them), and
arrive one by one because the receiving socket has UDP_GRO off: the kernel splits them before the socket, on the sender's
core. So the node runs with GRO forced off there."""

from harness import places, product
from harness.rows import Comparison, Series
from harness.testbed import Testbed

RECORD = 118
FLOORS = {("gro", 64): 20, ("gro", 1400): 4.5, ("mmsg", 64): 3, ("mmsg", 1400): 1.9}


class Bench:
    def __init__(self, testbed, seconds):
        self.testbed = testbed
        self.seconds = seconds
        testbed.link("source", "node", "10.66.1")
        testbed.link("sink", "node", "10.66.2")

    def relay(self, kind, aead, size, links=1, train=64):
        """Million packets a second that arrive through a bare relay."""
        traffic = places.reference("traffic")
        relay = self.testbed.start("node", places.reference("relay"), "--kind", kind, "--aead", aead, "--links", links,
                                   "--listen", "10.66.1.2:5000", "--out", "10.66.2.1:20000", "--cpu", 0)
        sink = self.testbed.start("sink", traffic, "sink", "--links", links, "--listen", "10.66.2.1:20000",
                                  "--seconds", self.seconds, "--cpu", 1)
        source = self.testbed.start("source", traffic, "source", "--links", links, "--from", "10.66.1.1:10000",
                                    "--to", "10.66.1.2:5000", "--size", size, "--aead", aead, "--train", train,
                                    "--seconds", self.seconds + 1, "--cpu", 1)
        try:
            arrived = sink.finish()
            self.testbed.stop(source)
            return {"value": arrived["mpps"], "gbps": arrived["gbps"]}
        finally:
            for process in (source, sink, relay):
                self.testbed.stop(process)


def _faults(report, bench):
    """Why a kind of relay does not count, by kind; measured as best of three, without AEAD."""
    faults = {}
    for size in (64, 1400):
        best = {kind: max(bench.relay(kind, 0, size)["value"] for _ in range(3)) for kind in ("one", "gro", "mmsg")}
        for kind in ("gro", "mmsg"):
            times = best[kind] / best["one"] if best["one"] else 0
            report.note(f"floor: {kind} relay at {size} B: {best[kind]:.3f} Mpps, {times:.1f} times one by one "
                        f"(needs {FLOORS[kind, size]})")
            if times < FLOORS[kind, size]:
                faults[kind] = f"{kind} relay is below its floor at {size} B ({times:.1f} < {FLOORS[kind, size]})"
    return faults


def _product(testbed, links, payload, coalesce, workers, seconds):
    node = product.RelayRun(testbed, links, payload, coalesce, workers)
    try:
        return node.measure(seconds)
    finally:
        node.stop()


def run(report, options):
    seconds = 0.5 if options.quick else 1.0
    comparison = Comparison(report, "sockets", options.pairs)
    with Testbed("sockets", ("source", "node", "sink")) as testbed:
        bench = Bench(testbed, seconds)
        faults = _faults(report, bench)
        for coalesce in (True, False):
            kind, train = ("gro", 64) if coalesce else ("mmsg", 16)
            peer = "bare GRO/GSO relay" if coalesce else "bare recvmmsg/GSO relay"
            for links in (1, 100):
                for payload in (64, 1300):
                    packets = "trains" if coalesce else "single"
                    name = f"{packets}, {links} link{'s' if links > 1 else ''}, {payload} B"
                    comparison.run(
                        name, "Mpps",
                        Series("entresol", lambda: _product(testbed, links, payload, coalesce, 1, seconds)),
                        {peer: Series(peer, lambda: bench.relay(kind, 1, payload + RECORD, links, train),
                                      fault=faults.get(kind))})
