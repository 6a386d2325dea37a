"""Where programs lie, and how the references and peers come to be there."""

import json
import os
import subprocess
import sys

from .rows import Missing

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCH)
BUILD = os.environ.get("ENTRESOL_BENCH_BUILD", os.path.join(ROOT, "build", "bench"))
PEERS = os.path.join(ROOT, "build", "peers")


def build_programs():
    """Configures and builds references and the product's programs; ninja finds nothing to do the second time."""
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                        "-DENTRESOL_BENCH=ON", "-DENTRESOL_TESTS=OFF"],
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", BUILD, "bench_references", "bench_product"], check=True, stdout=subprocess.DEVNULL)


def reference(name):
    path = os.path.join(BUILD, "bench", f"bench_{name}")
    if not os.path.exists(path):
        raise Missing(f"{name} has not been built")
    return path


def reference_figures(name, *arguments):
    """What a program of bench/reference prints: one JSON object."""
    done = subprocess.run([reference(name), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"{name}: {done.stderr.strip()[-200:]}")
    return json.loads(done.stdout)


def entresol():
    """The binary that ships: `./run bench` builds it just before."""
    named = os.environ.get("ENTRESOL_BENCH_PRODUCT")
    for path in [named] if named else [os.path.join(ROOT, "build", "release", "src", "cli", "entresol"),
                                       os.path.join(BUILD, "src", "cli", "entresol")]:
        if os.path.exists(path):
            return path
    raise Missing("entresol has not been built")


def product_program(name):
    path = os.path.join(BUILD, "bench", f"bench_{name}")
    if not os.path.exists(path):
        raise Missing(f"bench_{name} has not been built")
    return path


def fetch_peers():
    """Quick where they are there; a peer that cannot be had is missing in its rows."""
    subprocess.run([os.path.join(BENCH, "peers.sh"), PEERS], stdout=sys.stderr, check=False)


def peer(name):
    path = os.path.join(PEERS, "bin", name)
    if not os.path.exists(path):
        raise Missing(f"{name} is not there (bench/peers.sh builds it)")
    return path
