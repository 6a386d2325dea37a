"""The product's side of every comparison; the only place that knows its programs and configuration files.

Each function raises Missing with the reason where the product does not offer it (yet)."""

import json
import os
import subprocess

from . import places
from .rows import Missing


def forwarding(size, links, threads, seconds):
    """Nanoseconds per packet of open + parse + decide + act + queue + seal in process, with cached decisions: a program
    `bench_forwarding` takes the options of `bench_aead_loop` and prints one JSON object with `ns_per_packet`,
    `symbol` (the function that was timed) and `allocations` (per million packets)."""
    program = os.path.join(places.BUILD, "bench", "bench_forwarding")
    if not os.path.exists(program):
        raise Missing("bench_forwarding has not been built")
    done = subprocess.run([program, "--size", str(size), "--family", "6", "--links", str(links), "--threads",
                           str(threads), "--seconds", str(seconds)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"bench_forwarding: exit {done.returncode}: {done.stderr.strip()[-200:]}")
    figures = json.loads(done.stdout.splitlines()[-1])
    return {"value": figures["ns_per_packet"], "symbol": figures.get("symbol", ""),
            "allocations": figures.get("allocations", 0)}


class RelayRun:
    """The node between a source and a sink in the namespaces source, node and sink of `testbed`: the underlay addresses
    are 10.66.1.1 – 10.66.1.2 node 10.66.2.2 – 10.66.2.1. `measure` returns million packets a second that arrived."""

    def __init__(self, testbed, links, payload, coalesce, workers):
        raise Missing("no generator of the product's records yet")

    def measure(self, seconds):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError


def start_tunnel(testbed, machines, log):
    """Starts controller, node and two hosts in the namespaces a, n, b of `testbed` (underlay 10.66.1.1 – 10.66.1.2,
    10.66.2.2 – 10.66.2.1), TUNs up. Returns (processes to watch, b's inner IPv4, b's inner IPv6, description)."""
    raise Missing("entresol's tunnel set-up is not wired yet")


def start_guest_node(testbed, guests, log):
    """Starts the node in namespace n for two WireGuard hosts. `guests` are two mappings with `public_key`, `address4`
    and `endpoint`. Returns (processes, the node's WireGuard public key, its endpoints as seen from a and b)."""
    raise Missing("entresol's WireGuard guests are not wired yet")
