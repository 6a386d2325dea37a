"""Each checked-in fault is found by the test that it names, and there are enough of them."""

import mutants
from accept_context import Outcome

SUMMARY = "planted one-line faults are found"
AT_LEAST = 30


def run(context):
    count = 0
    for mutant, held, seen in mutants.run():
        count += 1
        yield Outcome(f"mutants.{mutant.id}", f"./run mutants {mutant.id}", f"{mutant.fields['why']}: {seen.splitlines()[0]}", held)
    yield Outcome("mutants.enough", "./run mutants", f"{count} faults, at least {AT_LEAST} wanted", count >= AT_LEAST)
