#!/usr/bin/env python3
"""./run check [RULE…]: builds the pure rooms in build/test and checks the house rules (tools/check.py)."""

import argparse
import re
import subprocess
import time

import build
import check
import ui

NEED_BUILD = {"purity", "tidy"}


def pure_targets(build_dir) -> list[str]:
    """The static libraries of the pure rooms and services, as ninja knows them."""
    out = subprocess.run(["ninja", "-C", build_dir, "-t", "targets", "all"], capture_output=True, text=True).stdout
    rooms = "|".join((*check.PURE_ROOMS, "services"))
    return re.findall(rf"^(src/(?:{rooms})/(?:.*/)?libentresol_\w+\.a):", out, re.M)


def run(names) -> tuple[list[str], list[str]]:
    names = list(names) or list(check.RULES)
    build_dir = ui.BUILD / "test"
    failed = []
    if NEED_BUILD & set(names):
        if not build.configure("test") or ((targets := pure_targets(build_dir)) and
                                           not ui.ninja("build pure rooms", build_dir, targets)):
            failed = sorted(NEED_BUILD & set(names))
            names = [name for name in names if name not in NEED_BUILD]
            print(f"  not checked, as the tree does not build: {', '.join(failed)}")
    started = time.monotonic()
    passed, more = check.run(check.Tree(ui.ROOT, build_dir), names)
    print(f"{'check':<28} {time.monotonic() - started:6.1f} s  {len(passed)} rules hold, {len(failed) + len(more)} do not")
    return passed, failed + more


def main(words) -> int:
    parser = argparse.ArgumentParser(prog="./run check", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="let clang-format mend the format first")
    parser.add_argument("rules", nargs="*", metavar="RULE", help=f"of: {', '.join(check.RULES)} (all)")
    options = parser.parse_args(words)
    if unknown := set(options.rules) - set(check.RULES):
        parser.error(f"no rule {', '.join(sorted(unknown))}; there are {', '.join(check.RULES)}")
    if options.fix:
        subprocess.run(["clang-format-19", "-i", *check.Tree(ui.ROOT).cxx()], cwd=ui.ROOT, check=True)
    return 1 if run(options.rules)[1] else 0


if __name__ == "__main__":
    ui.main(main)
