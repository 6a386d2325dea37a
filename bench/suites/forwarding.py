"""forwarding: the node's path in process beside the two AES-256-GCM operations alone, nanoseconds per packet."""

import json
import subprocess

from harness import places, product
from harness.rows import Comparison, Missing, Series

PEER = "AEAD loop"
WITHOUT = "neither"
FLOOR = 3.5  # times OpenSSL's EVP, at 64 bytes


def _loop(size, links, threads, seconds, library="ipsec-mb"):
    done = subprocess.run([places.reference("aead_loop"), "--library", library, "--size", str(size), "--links",
                           str(links), "--threads", str(threads), "--seconds", str(seconds)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"aead_loop: {done.stderr.strip()}")
    figures = json.loads(done.stdout)
    return {"value": figures["ns_per_packet"], "plaintext": figures["plaintext"]}


def _fault(report, seconds):
    fast = min(_loop(64, 1, 1, seconds)["value"] for _ in range(3))
    slow = min(_loop(64, 1, 1, seconds, "openssl")["value"] for _ in range(3))
    report.note(f"floor: AEAD loop is {slow / fast:.1f} times OpenSSL's EVP at 64 bytes (needs {FLOOR})")
    return None if slow >= FLOOR * fast else f"AEAD loop is below its floor ({slow / fast:.1f} < {FLOOR})"


def run(report, options):
    seconds = 0.2 if options.quick else 0.5
    comparison = Comparison(report, "forwarding", options.pairs)
    fault = _fault(report, seconds)
    for links, threads in ((1, 1), (1, 2), (1000, 1), (10000, 1)):
        for size in (64, 512, 1400):
            name = f"{links} link{'s' if links > 1 else ''}, {threads} thread{'s' if threads > 1 else ''}, {size} B"
            comparison.run(
                name, "ns",
                Series("entresol", lambda: product.forwarding(size, links, threads, seconds)),
                {PEER: Series(PEER, lambda: _loop(size, links, threads, seconds), fault=fault)})
    # A cached decision costs the same, whatever it rests on; the peer is the same node without.
    for links in (1, 1000):
        comparison.run(
            f"{links} link{'s' if links > 1 else ''}, 1,000 rules, 10,000 registrations, 64 B", "ns",
            Series("entresol", lambda: product.forwarding(64, links, 1, seconds, registrations=10000, rules=1000)),
            {WITHOUT: Series(WITHOUT, lambda: product.forwarding(64, links, 1, seconds))})
