#!/usr/bin/env python3
"""wasmtime.py [--where]: builds Wasmtime's C API as packaging/wasmtime/ pins it, once, and prints the folder that holds it.

The folder, with lib/libentresol_wasmtime.a and include/, lies outside build/, in ${ENTRESOL_CACHE:-~/.cache/entresol}. Its
name is a hash of what the library is made from: the pins, the target, the compiler. Where there is no Rust compiler, a
library that was made from the same pins for this machine serves. --where builds nothing: exit code 1 if there is none.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ui

PINS = ui.ROOT / "packaging" / "wasmtime"
FILES = ("Cargo.toml", "Cargo.lock", "lib.rs")
RECIPE = b"2"  # raised when this script makes something else of the same pins
RUST = (1, 95)
# What a person's surroundings could change about the library, and so about what is tested.
IGNORED = ("CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER")
NO_NETWORK = re.compile(r"could not resolve host|failed to download|failed to get `|download of .* failed|"
                        r"network failure|failed to query replaced source|couldn't connect|timed? ?out", re.I)


class Failed(Exception):
    """With what to do about it."""


def cache() -> Path:
    if place := os.environ.get("ENTRESOL_CACHE"):
        return Path(place).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "entresol"


def compiler() -> tuple[str, str] | None:
    """The Rust compiler's full version and target; None if there is none, or one that is too old."""
    try:
        said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
        subprocess.run(["cargo", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    version = re.search(r"^rustc ((\d+)\.(\d+)\..*)$", said, re.M)
    host = re.search(r"^host: (\S+)$", said, re.M)
    if not version or not host or (int(version[2]), int(version[3])) < RUST:
        return None
    return version[1], host[1]


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()[:16]


def whole(folder: Path) -> bool:
    return (folder / "lib" / "libentresol_wasmtime.a").is_file() and (folder / "include" / "wasmtime.h").is_file()


def place(found: tuple[str, str] | None) -> Path | None:
    """Where the library is, or will be: wasmtime-PINS-COMPILER. Without a compiler, the newest of these pins."""
    pins = digest(RECIPE, platform.machine().encode(), *((PINS / name).read_bytes() for name in FILES))
    if found:
        return cache() / f"wasmtime-{pins}-{digest(*(word.encode() for word in found))}"
    there = [path for path in cache().glob(f"wasmtime-{pins}-{'?' * 16}") if whole(path)]
    return max(there, key=lambda path: path.stat().st_mtime, default=None)


@contextlib.contextmanager
def alone(path: Path, progress: ui.Progress):
    """Holds a lock file; two trees that want one library build it once."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.update("waits for another build of it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_into(target: Path, progress: ui.Progress) -> tuple[Path, Path]:
    """Runs cargo; returns the archive and the folder of headers that it made."""
    crates = len(re.findall(r"^\[\[package\]\]", (PINS / "Cargo.lock").read_text(), re.M))
    said: list[str] = []
    made: dict[str, Path] = {}
    done: set[str] = set()

    def on_line(line: str) -> None:
        if not line.startswith("{"):
            said.append(line)
            progress.update(f"{len(done)}/{crates}  {line.strip()}")
            return
        message = json.loads(line)
        if message["reason"] == "compiler-artifact":
            done.add(message["package_id"])
            if message["target"]["name"] == "entresol_wasmtime":
                made["archive"] = Path(next(name for name in message["filenames"] if name.endswith(".a")))
        elif message["reason"] == "build-script-executed" and "wasmtime-c-api-impl" in message["package_id"]:
            made["headers"] = Path(message["out_dir"]) / "include"

    environment = [word for name in IGNORED for word in ("-u", name)]
    code = ui.follow(["env", *environment, "cargo", "build", "--release", "--locked", f"-j{ui.jobs()}", "--target-dir", target,
                      "--manifest-path", PINS / "Cargo.toml", "--message-format", "json-render-diagnostics"],
                     on_line, log=ui.BUILD / "log" / "wasmtime.log")
    if code == 0 and len(made) == 2:
        return made["archive"], made["headers"]
    tail = "\n".join(said[-30:])
    if NO_NETWORK.search(tail):
        raise Failed(f"{tail}\nWasmtime's crates come from cargo's registry, which was not reached. Do this once with a network (behind a "
                     f"proxy, set HTTPS_PROXY),\nor bring {target.with_suffix('')} from a machine where it was built.")
    raise Failed(f"{tail}\nWasmtime was not built; the whole output is in {ui.BUILD / 'log' / 'wasmtime.log'}")


def make(folder: Path, progress: ui.Progress) -> None:
    """Builds beside the folder and renames: it is there whole or not at all. What was compiled stays if this is ended."""
    target, fresh = folder.with_name(folder.name + ".target"), folder.with_name(folder.name + ".new")
    archive, headers = compile_into(target, progress)
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "lib").mkdir(parents=True)
    shutil.copytree(headers, fresh / "include")
    shutil.copy(archive, fresh / "lib" / "libentresol_wasmtime.a")
    # .llvm_addrsig names symbols by numbers, which strip changes: a linker that folds functions would crash, or fold wrongly.
    subprocess.run(["strip", "--strip-debug", "--remove-section=.llvm_addrsig", fresh / "lib" / "libentresol_wasmtime.a"],
                   check=True)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    shutil.rmtree(target, ignore_errors=True)


def ensure() -> Path:
    """The folder with the library, built if need be. Raises Failed."""
    found = compiler()
    folder = place(found)
    if folder is None:
        raise Failed(f"Wasmtime is built with cargo and rustc {RUST[0]}.{RUST[1]} or newer, which are not on PATH: ./run installs "
                     "Debian's (apt-get install cargo-web)")
    if whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    progress = ui.Progress("build Wasmtime, once")
    try:
        with alone(folder.with_name(folder.name + ".lock"), progress):
            if not whole(folder):
                make(folder, progress)
    except (Failed, OSError):
        progress.done("FAILED")
        raise
    progress.done()
    return folder


def main(words) -> int:
    parser = argparse.ArgumentParser(prog="wasmtime.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--where", action="store_true", help="print the folder of a library that is there; build nothing")
    options = parser.parse_args(words)
    if options.where:
        folder = place(compiler())
        if folder is None or not whole(folder):
            print("Wasmtime is not built here yet: python3 tools/wasmtime.py", file=sys.stderr)
            return 1
        print(folder)
        return 0
    try:
        print(ensure())
    except (Failed, OSError) as error:
        print(f"wasmtime.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    ui.main(main)
