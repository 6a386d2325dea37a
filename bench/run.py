#!/usr/bin/env python3
"""./run bench [SUITE…] [--strict] [--json FILE] [--quick]: figures of the product beside peers and limits.

Goals are in bench/goals.yaml. Exit code 1 with --strict where a goal falls short, 2 where nothing could be measured."""

import argparse
import fcntl
import importlib
import os
import signal
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import places  # noqa: E402
from harness.rows import Missing, Report, load_goals  # noqa: E402
from harness.testbed import SetupError  # noqa: E402

SUITES = ("forwarding", "join", "sandbox", "sockets", "tenants", "tunnel")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all by default")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a goal falls short")
    parser.add_argument("--json", metavar="FILE", help="one JSON object a row")
    parser.add_argument("--quick", action="store_true", help="short runs and three pairs: to see that all works")
    options = parser.parse_args()
    unknown = set(options.suites) - set(SUITES)
    if unknown:
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    options.pairs = 3 if options.quick else 5
    return options


def main():
    options = parse_arguments()
    if os.geteuid() != 0:
        print("bench: needs root, for network namespaces and TUN", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lock = open(os.path.join(tempfile.gettempdir(), "entresol-bench.lock"), "w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("bench: another run is under way", file=sys.stderr)
        return 2
    report = Report(load_goals(os.path.join(places.BENCH, "goals.yaml")), options.json)
    status = 0
    try:
        places.build_programs()
        for suite in options.suites or SUITES:
            try:
                importlib.import_module(f"suites.{suite}").run(report, options)
            except (Missing, SetupError) as error:
                print(f"bench: {suite}: {error}", file=sys.stderr)
                status = 2
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        status = 130
    finally:
        report.close()
    short = report.fell_short()
    if report.rows:
        print(f"{sum(1 for row in report.rows if row['holds'])} goals hold, {len(short)} fall short")
    return status or (1 if options.strict and short else 0)


if __name__ == "__main__":
    sys.exit(main())
