"""The demo can fail: breaking a step makes exactly that step, and those that need it, fail, with exit code 1.

Reads `entresol demo --list -o json`: an array of {"id", "needs": [ids]}, and `entresol demo [--break ID] -o json`: an array of
{"id", "holds"}; either may also be an object that has the array as "steps", or one object a line. A step that was not run
counts as not holding.
"""

import json
import os

from accept_context import Outcome

SUMMARY = "every step of the demo can be broken, and is seen to be"
SECONDS = 300


def steps_of(text: str) -> list[dict]:
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError:
        parsed = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    if isinstance(parsed, dict):
        parsed = parsed.get("steps", [parsed])
    return [step for step in parsed if isinstance(step, dict) and "id" in step]


def needing(steps: list[dict], broken: str) -> set[str]:
    """The step and all that need it, directly or through others."""
    found = {broken}
    while True:
        more = {step["id"] for step in steps if step["id"] not in found and found & set(step.get("needs", []))}
        if not more:
            return found
        found |= more


def judge(steps: list[dict], broken: str | None, code: int, output: str) -> tuple[bool, str]:
    expected = needing(steps, broken) if broken else set()
    held = {step["id"] for step in steps_of(output) if step.get("holds") is True}
    failed = {step["id"] for step in steps} - held
    seen = f"exit code {code}; fails: {', '.join(sorted(failed)) or 'nothing'}"
    if failed != expected:
        seen += f"; expected: {', '.join(sorted(expected)) or 'nothing'}"
    return code == (1 if broken else 0) and failed == expected, seen


def run(context):
    entresol = context.need_entresol()
    if os.geteuid() != 0:
        yield Outcome("demo-breaks.list", "./run accept demo-breaks", "needs root for namespaces", False)
        return
    listed = context.run([entresol, "demo", "--list", "-o", "json"], timeout=30, name="list")
    steps = steps_of(listed.stdout) if listed.code == 0 else []
    yield Outcome("demo-breaks.list", "entresol demo --list -o json", f"{len(steps)} steps, exit code {listed.code}", bool(steps))
    if not steps:
        return
    whole = context.run([entresol, "demo", "-o", "json"], timeout=SECONDS, name="whole")
    holds, seen = judge(steps, None, whole.code, whole.stdout)
    yield Outcome("demo-breaks.none", "entresol demo -o json", f"{seen}; {whole.seconds:.0f} s", holds)
    for step in steps:
        ran = context.run([entresol, "demo", "--break", step["id"], "-o", "json"], timeout=SECONDS, name=f"break-{step['id']}")
        holds, seen = judge(steps, step["id"], ran.code, ran.stdout)
        yield Outcome(f"demo-breaks.{step['id']}", f"entresol demo --break {step['id']} -o json", f"{seen}; {ran.seconds:.0f} s",
                      holds)
