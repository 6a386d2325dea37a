#!/usr/bin/env python3
"""build.py CONFIGURATION [TARGET…]: configures build/CONFIGURATION if needed and builds the targets (all, if none)."""

import os
import shutil
import sys

import ui
import wasmtime

OFF = {"ENTRESOL_TESTS": "OFF", "ENTRESOL_FUZZERS": "OFF", "ENTRESOL_BENCH": "OFF", "ENTRESOL_SANITIZE": ""}
CLANG = {"CMAKE_C_COMPILER": "clang-19", "CMAKE_CXX_COMPILER": "clang++-19"}
CONFIGURATIONS = {
    # what ships
    "release": OFF,
    "test": OFF | {"ENTRESOL_TESTS": "ON"},
    "asan": OFF | {"ENTRESOL_TESTS": "ON", "ENTRESOL_SANITIZE": "address,undefined",
                   "CMAKE_CXX_FLAGS_RELEASE": "-O1 -g1"},
    "fuzz": OFF | CLANG | {"ENTRESOL_FUZZERS": "ON", "CMAKE_CXX_FLAGS_RELEASE": "-O1 -g1",
                           "ENTRESOL_SANITIZE": "fuzzer-no-link,address,undefined"},
    "bench": OFF | {"ENTRESOL_BENCH": "ON"},
}


def configure(name: str, *, source=ui.ROOT, build_dir=None, extra=None, quiet=False):
    """Runs cmake if the wanted settings are not the ones that build_dir was last configured with."""
    build_dir = build_dir or ui.BUILD / name
    settings = {"CMAKE_BUILD_TYPE": "Release"} | CONFIGURATIONS[name] | (extra or {})
    try:
        settings["ENTRESOL_WASMTIME"] = str(wasmtime.ensure())
    except (wasmtime.Failed, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return None
    if shutil.which("ccache"):
        settings["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
        settings["CMAKE_C_COMPILER_LAUNCHER"] = "ccache"
    words = [f"-D{key}={value}" for key, value in sorted(settings.items())]
    stamp = build_dir / "configured-with"
    wanted = "\n".join([str(source), *words])
    if (build_dir / "build.ninja").exists() and stamp.exists() and stamp.read_text() == wanted:
        return build_dir  # ninja itself runs cmake again when a CMakeLists.txt has changed
    progress = ui.Progress(f"configure {name}")
    said: list[str] = []

    def on_line(line):
        said.append(line)
        progress.update(line)

    stamp.unlink(missing_ok=True)
    code = ui.follow(["cmake", "-S", source, "-B", build_dir, "-G", "Ninja", *words], on_line,
                     log=ui.BUILD / "log" / f"{name}-configure.log")
    if code != 0:
        progress.done("FAILED")
        print("\n".join(said[-60:]), file=sys.stderr)
        return None
    stamp.write_text(wanted)
    if quiet:
        progress.clear()
    else:
        progress.done()
    return build_dir


def build(name: str, targets=()) -> bool:
    # One object compiled for one configuration serves the others that use the same flags, wherever the tree lies.
    os.environ.setdefault("CCACHE_BASEDIR", str(ui.ROOT))
    build_dir = configure(name)
    return build_dir is not None and ui.ninja(f"build {name}", build_dir, targets)


def main(arguments) -> int:
    if not arguments or arguments[0] not in CONFIGURATIONS:
        print(f"usage: build.py {'|'.join(CONFIGURATIONS)} [TARGET…]", file=sys.stderr)
        return 2
    return 0 if build(arguments[0], arguments[1:]) else 1


if __name__ == "__main__":
    ui.main(main)
