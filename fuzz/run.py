#!/usr/bin/env python3
"""./run fuzz [SECONDS] [TARGET…]: all fuzz targets (or those named) with new inputs for SECONDS in all (60).

Each starts from its checked-in corpus in fuzz/corpus/NAME/; what it finds on top stays in build/fuzz/found/NAME/ for the
next time. With --keep, inputs found that reach new edges are merged into the checked-in corpus. A crashing input is kept
in build/fuzz/crashes/, and the exit code is 1.
"""

import argparse
import concurrent.futures
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
import build  # noqa: E402
import ui  # noqa: E402

ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:symbolize=1",
               "UBSAN_OPTIONS": "print_stacktrace=1", "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19"}
STATUS = re.compile(r"cov: (\d+) ft: (\d+)")
FINAL = re.compile(r"^stat::(number_of_executed_units|new_units_added):\s+(\d+)")
ARTIFACT = re.compile(r"Test unit written to (\S+)")


class Target:
    def __init__(self, name: str, build_dir: Path):
        self.name = name
        self.program = build_dir / "fuzz" / f"fuzz_{name}"
        self.corpus = ui.ROOT / "fuzz" / "corpus" / name
        self.found = build_dir / "found" / name
        self.crashes = build_dir / "crashes"
        self.executions = self.edges = self.features = self.added = 0
        self.artifact = None
        self.code = None
        self.log: list[str] = []

    def read(self, line: str) -> None:
        self.log.append(line)
        if match := STATUS.search(line):
            self.edges, self.features = int(match[1]), int(match[2])
        elif match := FINAL.match(line):
            if match[1] == "number_of_executed_units":
                self.executions = int(match[2])
            else:
                self.added = int(match[2])
        elif match := ARTIFACT.search(line):
            self.artifact = match[1]

    def run(self, seconds: float) -> None:
        self.found.mkdir(parents=True, exist_ok=True)
        self.crashes.mkdir(parents=True, exist_ok=True)
        command = [self.program, f"-max_total_time={max(1, round(seconds))}", "-timeout=10", "-rss_limit_mb=2048",
                   "-print_final_stats=1", f"-artifact_prefix={self.crashes}/{self.name}-",
                   self.found, self.corpus]
        self.code = ui.follow(command, self.read, env=ENVIRONMENT)

    def merge(self) -> int:
        before = len(list(self.corpus.iterdir()))
        ui.follow([self.program, "-merge=1", self.corpus, self.found], lambda _: None, env=ENVIRONMENT)
        return len(list(self.corpus.iterdir())) - before

    def report(self) -> str:
        state = "ok" if self.code == 0 else "CRASH"
        return (f"{self.name:<28} {self.executions:>12} executions {self.edges:>7} edges {self.features:>7} features "
                f"{self.added:>6} new inputs  {state}")


def arguments_of(words):
    parser = argparse.ArgumentParser(prog="./run fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--keep", action="store_true", help="merge inputs that reach new edges into fuzz/corpus/")
    return parser.parse_args(words)


def run_all(targets, per_target: float, workers: int) -> None:
    progress = ui.Progress("fuzz")
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    running = {pool.submit(target.run, per_target): target for target in targets}
    waiting = set(running)
    try:
        while waiting:
            done, waiting = concurrent.futures.wait(waiting, timeout=0.5)
            for future in done:
                future.result()
                progress.clear()
                print(running[future].report(), flush=True)
            progress.update(f"{len(targets) - len(waiting)}/{len(targets)} targets")
    except BaseException:
        for future in running:
            future.cancel()
        for child in list(ui.RUNNING):
            ui.stop(child)
        raise
    progress.done(f"{sum(target.executions for target in targets)} executions")


def main(words) -> int:
    options = arguments_of(words)
    if not build.build("fuzz"):
        return 1
    build_dir = ui.BUILD / "fuzz"
    names = (build_dir / "fuzz" / "targets.txt").read_text().split()
    unknown = set(options.targets) - set(names)
    if unknown or not names:
        print(f"no fuzz target {', '.join(sorted(unknown)) or 'at all'}; there are: {', '.join(names)}",
              file=sys.stderr)
        return 2
    targets = [Target(name, build_dir) for name in names if not options.targets or name in options.targets]
    workers = min(ui.jobs(), len(targets))
    started = time.monotonic()
    run_all(targets, options.seconds * workers / len(targets), workers)
    crashed = [target for target in targets if target.code != 0]
    for target in crashed:
        print(f"\n{target.name} crashed:", *target.log[-40:], sep="\n  ", file=sys.stderr)
        print(f"\nreplay: {target.program} {target.artifact or '(no input was written)'}\n"
              f"then keep it as a test: mv it to fuzz/corpus/{target.name}/ with a name that says what it is",
              file=sys.stderr)
    if options.keep:
        for target in targets:
            print(f"{target.name}: {target.merge()} inputs added to fuzz/corpus/{target.name}/")
    print(f"{len(targets)} targets, {len(crashed)} crashed, {time.monotonic() - started:.0f} s")
    return 1 if crashed else 0


if __name__ == "__main__":
    ui.main(main)
