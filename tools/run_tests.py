#!/usr/bin/env python3
"""./run test: everything that CI runs, in two build configurations, and the house check.

The last line is "N passed, N failed, N skipped", over every test of every stage; skipped ones are listed by name with
what they miss. Zero tests in a stage is a failure.
"""

import argparse
import re
import sys
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field

import build
import run_check
import ui

# What ctest itself writes for a test that was skipped on purpose; every other test that did not run has failed.
SKIPPED_ON_PURPOSE = ("SKIP_RETURN_CODE", "SKIP_REGULAR_EXPRESSION")
CTEST_LINE = re.compile(r"^\s*(\d+)/(\d+) Test\s+#\d+: (\S+)")
SLOWEST = 5


@dataclass
class Tally:
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def line(self) -> str:
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"


def reason_of_skip(output: str) -> str:
    """What a skipped test says is missing: the text behind GoogleTest's "Skipped", else the script's last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for before, line in zip(lines, lines[1:]):
        if before.endswith(": Skipped"):
            return line
    return lines[-1] if lines else "says nothing"


def read_junit(path, stage: str) -> Tally:
    tally = Tally()
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f"{stage}: {case.get('name')}"
        output = case.findtext("system-out") or ""
        skip = case.find("skipped")
        if case.get("status") == "run":
            tally.passed += 1
        elif case.get("status") == "disabled":
            tally.skipped.append(f"{name}: disabled")
        elif (skip is not None and (skip.get("message") or "").startswith(SKIPPED_ON_PURPOSE)
              and "[  FAILED  ]" not in output):
            tally.skipped.append(f"{name}: {reason_of_skip(output)}")
        else:
            tally.failed.append(name)
    return tally


def slowest(path) -> str:
    times = sorted(((float(case.get("time") or 0), case.get("name"))
                    for case in xml.parse(path).getroot().iter("testcase")), reverse=True)
    return ", ".join(f"{name} {took:.0f} s" for took, name in times[:SLOWEST] if took >= 2)


def ctest(stage: str, build_dir, words, *, parallel: int, may_be_empty=False) -> Tally:
    junit = build_dir / f"junit-{re.sub('[^a-z]+', '-', stage)}.xml"
    junit.unlink(missing_ok=True)
    progress = ui.Progress(stage)
    output: list[str] = []

    def on_line(line: str) -> None:
        output.append(line)
        if match := CTEST_LINE.match(line):
            progress.update(f"{match[1]}/{match[2]}  {match[3]}")

    code = ui.follow(["ctest", "--output-on-failure", f"-j{parallel}", "--output-junit", junit,
                      "--timeout", "900", *words], on_line, cwd=build_dir,
                     env={"CTEST_OUTPUT_ON_FAILURE": "1", "UBSAN_OPTIONS": "print_stacktrace=1"},
                     log=ui.BUILD / "log" / f"{junit.stem}.log")
    tally = read_junit(junit, stage) if junit.exists() else Tally(failed=[f"{stage}: ctest wrote no results"])
    total = tally.passed + len(tally.failed) + len(tally.skipped)
    if total == 0 and not may_be_empty:
        tally.failed.append(f"{stage}: no test was run")
    if code != 0 and total > 0 and not tally.failed:
        tally.failed.append(f"{stage}: ctest ended with {code}")
    progress.done(tally.line())
    if junit.exists() and (slow := slowest(junit)):
        print(f"    slowest: {slow}")
    if tally.failed:
        print_failures(output)
    return tally


def print_failures(output) -> None:
    """Of ctest's output, only what belongs to tests that did not pass."""
    showing = False
    for line in output:
        if CTEST_LINE.match(line):
            showing = not re.search(r" Passed +[\d.]+ sec|\*\*\*Skipped|Not Run \(Disabled\)", line)
        elif re.match(r"^\s+Start +\d+: |^\d+% tests passed", line):
            showing = False
        if showing:
            print("    " + line)
    sys.stdout.flush()


class Stages:
    def __init__(self, options):
        self.options = options
        self.pick = ["-R", options.regex] if options.regex else []

    def compiled(self, name: str) -> Tally | None:
        return None if build.build(name) else Tally(failed=[f"{name}: does not build"])

    def release(self) -> Tally:
        if broken := self.compiled("test"):
            return broken
        tally = ctest("release", ui.BUILD / "test", ["-LE", "namespaces", *self.pick], parallel=ui.jobs(),
                      may_be_empty=bool(self.pick))
        tally.add(ctest("namespaces", ui.BUILD / "test", ["-L", "namespaces", *self.pick], parallel=1,
                        may_be_empty=bool(self.pick) or not any((ui.ROOT / "tests" / "namespaces").glob("*_test.*"))))
        return tally

    def asan(self) -> Tally:
        if broken := self.compiled("asan"):
            return broken
        return ctest("asan", ui.BUILD / "asan", ["-LE", "namespaces|script", *self.pick], parallel=ui.jobs(),
                     may_be_empty=bool(self.pick))

    def check(self) -> Tally:
        passed, failed = run_check.run([])
        return Tally(passed=len(passed), failed=[f"check: {name}" for name in failed])


def main(words) -> int:
    parser = argparse.ArgumentParser(prog="./run test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=["release", "asan", "check"],
                        help="run this stage alone; may be repeated")
    parser.add_argument("-R", dest="regex", metavar="REGEX", help="only tests whose name matches, as for ctest")
    options = parser.parse_args(words)
    stages = Stages(options)
    wanted = options.only or (["release", "asan"] if options.regex else ["release", "asan", "check"])
    started = time.monotonic()
    total = Tally()
    for name in wanted:
        total.add(getattr(stages, name)())
    if total.passed + len(total.failed) + len(total.skipped) == 0:
        total.failed.append("no test was run")
    for title, names in (("skipped", total.skipped), ("failed", total.failed)):
        if names:
            print(f"\n{title}:", *names, sep="\n  ")
    print(f"\nall stages: {time.monotonic() - started:.0f} s")
    print(total.line())
    return 1 if total.failed else 0


if __name__ == "__main__":
    ui.main(main)
