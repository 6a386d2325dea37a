"""Whole layers in the simulator: hundreds of seeds of small ones, some of full size, and virtual weeks. What a run found to
be wrong is in the log with the command that shows it again."""

import re

import build
import ui
from accept_context import Outcome

SUMMARY = "whole layers in the simulator: hundreds of seeds, full size, virtual weeks"
SMALL, MIDDLE, FULL, WEEKS = 300, 30, 4, 2
PATIENCE = 3600.0
COUNTS = {
    "lost": r"([\d]+) lost,", "repeated": r"(\d+) repeated", "overtaken": r"(\d+) overtaken", "partitions": r"(\d+) partitions",
    "restarts": r"(\d+) restarts", "joins": r"(\d+) joins", "policies": r"(\d+) policies", "revocations": r"(\d+) revocations",
    "registrations lost": r"(\d+) registrations lost", "packets delivered": r"; (\d+) of \d+ packets",
}


def figures(output: str) -> tuple[int, str]:
    """How many runs there were, and what happened in all of them together."""
    lines = [line for line in output.splitlines() if line.startswith("seed ")]
    sums = {what: sum(int(found[1]) for line in lines if (found := re.search(pattern, line))) for what, pattern in COUNTS.items()}
    slowest = max((float(found[1]) for line in lines if (found := re.search(r"recovered after (\d+) s", line))), default=0)
    again = max((float(found[1]) for line in lines if (found := re.search(r"registered again after (\d+) s", line))), default=0)
    return len(lines), (", ".join(f"{count} {what}" for what, count in sums.items()) +
                        f"; all flows again after {slowest:.0f} s at most, all registrations after {again:.0f} s")


def look(context, program, name: str, seeds: int, options: list[str]):
    words = ["--layer", "--seed", "1", "--seeds", str(seeds), *options]
    ran = context.run([program, *words], timeout=PATIENCE, name=name)
    runs, seen = figures(ran.output)
    wrong = ran.output.count("violated at")
    return Outcome(f"layer.{name}", "build/test/sim/entresol_sim " + " ".join(words),
                   f"{runs} runs in {ran.seconds:.0f} s, {wrong} violations: {seen}",
                   ran.code == 0 and runs == seeds and wrong == 0)


def same_trace(context, program):
    words = ["--layer", "--seed", "7"]
    traces = [re.findall(r"trace (\w+)", context.run([program, *words], timeout=PATIENCE, name="trace").output) for _ in range(2)]
    return Outcome("layer.trace", "build/test/sim/entresol_sim " + " ".join(words), f"twice: trace {', '.join(map(str, traces))}",
                   bool(traces[0]) and traces[0] == traces[1])


def run(context):
    if not build.build("test", ["entresol_sim"]):
        raise RuntimeError("the simulator does not build")
    program = ui.BUILD / "test" / "sim" / "entresol_sim"
    yield same_trace(context, program)
    yield look(context, program, "small", SMALL, [])
    yield look(context, program, "middle", MIDDLE, ["--nodes", "6", "--hosts", "60", "--trouble", "180"])
    yield look(context, program, "full", FULL, ["--nodes", "20", "--hosts", "1000", "--trouble", "120"])
    yield look(context, program, "weeks", 1, ["--nodes", "3", "--hosts", "100", "--hours", str(WEEKS * 7 * 24), "--lifetime", "86400"])
