#!/usr/bin/env python3
"""smith.py: builds tests/smith's generator of modules, once, and prints where it is.

As with Wasmtime (tools/wasmtime.py), it lies outside build/, named by a hash of what it is made from.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import ui
import wasmtime

SOURCE = ui.ROOT / "tests" / "smith"
FILES = ("Cargo.toml", "Cargo.lock", "src/main.rs")


class Failed(Exception):
    """Why there is none."""


def ensure() -> Path:
    """The program, built if need be. Raises Failed."""
    compiler = wasmtime.compiler()
    if compiler is None:
        raise Failed(f"no cargo and rustc of {wasmtime.RUST[0]}.{wasmtime.RUST[1]} or newer")
    name = wasmtime.digest(*((SOURCE / file).read_bytes() for file in FILES), *(word.encode() for word in compiler))
    program = wasmtime.cache() / f"smith-{name}"
    if program.is_file():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    with wasmtime.alone(program.with_name(program.name + ".lock"), ui.Progress("build the generator of modules, once")):
        if not program.is_file():
            make(program)
    return program


def make(program: Path) -> None:
    target = program.with_name(program.name + ".target")
    environment = {key: value for key, value in os.environ.items() if key not in wasmtime.IGNORED}
    ran = subprocess.run(["cargo", "build", "--release", "--locked", f"-j{ui.jobs()}", "--target-dir", target,
                          "--manifest-path", SOURCE / "Cargo.toml"], capture_output=True, text=True, env=environment, check=False)
    if ran.returncode != 0:
        tail = "\n".join(ran.stderr.splitlines()[-30:])
        if wasmtime.NO_NETWORK.search(tail):
            raise Failed("wasm-smith's crates come from cargo's registry, which was not reached")
        raise RuntimeError(f"{tail}\nthe generator of modules was not built")
    fresh = program.with_name(program.name + ".new")
    shutil.copy(target / "release" / "entresol_smith", fresh)
    fresh.rename(program)
    shutil.rmtree(target, ignore_errors=True)


def main(words) -> int:
    if words:
        print(__doc__)
        return 2
    try:
        print(ensure())
    except (Failed, RuntimeError) as error:
        print(f"smith.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    ui.main(main)
