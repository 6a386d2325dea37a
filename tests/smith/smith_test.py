#!/usr/bin/env python3
"""Some hundred seeded modules of wasm-smith, which call every import with random arguments: none ends anything but itself.

Ten thousand: ./run accept hostile. Skipped where there is no cargo that could build the generator, or no crates.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(os.environ["ENTRESOL_ROOT"])
sys.path.insert(0, str(ROOT / "tools"))
import smith  # noqa: E402

SEEDS = (1, 300)


def main() -> int:
    try:
        generator = smith.ensure()
    except smith.Failed as error:
        print(error)
        return 77
    modules = subprocess.run([generator, *map(str, SEEDS)], capture_output=True, check=True).stdout
    ran = subprocess.run([Path(os.environ["ENTRESOL_BUILD"]) / "tests" / "smith" / "smith_run"], input=modules, check=False)
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
