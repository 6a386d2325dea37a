"""Ten thousand seeded modules of wasm-smith as services, each beside a good one: none ends anything but itself."""

import re
import subprocess

import build
import smith
import ui
from accept_context import Context, Outcome

MODULES, PART = 10_000, 1_000


def run(context: Context):
    command = "./run accept hostile"
    if not build.build("test", ["smith_run"]):
        yield Outcome("hostile.modules", command, "the runner does not build", False)
        return
    generator, runner = smith.ensure(), ui.BUILD / "test" / "tests" / "smith" / "smith_run"
    seen, wrong = 0, []
    for first in range(1, MODULES + 1, PART):
        part = context.scratch / "modules"
        with part.open("wb") as out:
            subprocess.run([generator, str(first), str(PART)], stdout=out, check=True)
        ran = context.run([runner, part], timeout=900, name=f"from-{first}")
        part.unlink()
        if found := re.search(r"^(\d+) modules, (\d+) failed", ran.stdout, re.M):
            seen += int(found[1])
        if ran.code != 0:
            wrong.append(f"seeds from {first}: exit code {ran.code}: {' | '.join(ran.output.strip().splitlines()[:5])}")
    yield Outcome("hostile.modules", command, "; ".join(wrong) or f"{seen} modules, none harmed the one beside it",
                  not wrong and seen == MODULES)
