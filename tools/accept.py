#!/usr/bin/env python3
"""./run accept [SUITE…] [--json FILE]: the slow proofs, from the outside, on the shipped binary. One line an outcome.

A suite is a module in tests/accept/ with

    SUMMARY = "one line"
    def run(context) -> Iterator[Outcome]

`context` gives the tree, the built command and a way to run commands with their output logged. A suite yields an Outcome
for each thing it looked at; one that cannot look (a missing peer, no root) yields holds=False and says why. --json writes
one object a line: suite, id, command, seen, holds, seconds. The exit code is 1 if anything does not hold.
"""

import argparse
import importlib.util
import json
import time
import traceback
from dataclasses import asdict

import ui
from accept_context import Context, Outcome

SUITES = ui.ROOT / "tests" / "accept"


def suites() -> list[str]:
    return sorted(path.stem.replace("_", "-") for path in SUITES.glob("*.py") if not path.stem.startswith("_"))


def load(suite: str):
    path = SUITES / f"{suite.replace('-', '_')}.py"
    spec = importlib.util.spec_from_file_location(f"suite_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_suite(suite: str, report) -> int:
    """Reports each outcome; returns how many do not hold. A suite that breaks or says nothing does not hold."""
    progress = ui.Progress(suite)
    failures = count = 0
    last = time.monotonic()

    def tell(outcome: Outcome) -> None:
        nonlocal failures, count, last
        now = time.monotonic()
        progress.clear()
        report(suite, outcome, now - last)
        last = now
        count += 1
        failures += not outcome.holds

    try:
        for outcome in load(suite).run(Context(suite, progress)):
            tell(outcome)
    except Exception as error:  # one broken suite must not hide the others
        traceback.print_exc()
        tell(Outcome(f"{suite}.ran", f"./run accept {suite}", f"the suite itself failed: {error}", False))
    if count == 0:
        tell(Outcome(f"{suite}.ran", f"./run accept {suite}", "no outcome", False))
    progress.done(f"{count - failures} hold, {failures} do not")
    return failures


def main(words) -> int:
    parser = argparse.ArgumentParser(prog="./run accept", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of: {', '.join(suites())} (all)")
    parser.add_argument("--json", metavar="FILE", help="write one object a line to FILE")
    options = parser.parse_args(words)
    if unknown := set(options.suites) - set(suites()):
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(suites())}")
    sink = open(options.json, "w") if options.json else None

    def report(suite: str, outcome: Outcome, seconds: float) -> None:
        print(f"{'holds' if outcome.holds else 'FAILS'}  {outcome.id}  [{outcome.command}]  {outcome.seen}", flush=True)
        if sink:
            sink.write(json.dumps({"suite": suite, **asdict(outcome), "seconds": round(seconds, 1)}) + "\n")
            sink.flush()

    started = time.monotonic()
    failures = sum(run_suite(suite, report) for suite in options.suites or suites())
    print(f"{failures} outcomes do not hold, {time.monotonic() - started:.0f} s" if failures
          else f"all outcomes hold, {time.monotonic() - started:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    ui.main(main)
