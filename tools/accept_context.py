"""What a suite of ./run accept is given, and what it gives back."""

import os
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import build
import ui


@dataclass
class Outcome:
    id: str
    command: str  # what a reader can type to see the same
    seen: str
    holds: bool


@dataclass
class Ran:
    code: int
    output: str  # stdout and stderr together
    stdout: str
    seconds: float
    log: Path


class Context:
    def __init__(self, suite: str, progress: ui.Progress):
        self.root = ui.ROOT
        self.entresol = ui.BUILD / "release" / "src" / "cli" / "entresol"
        self.scratch = ui.BUILD / "accept" / suite
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.progress = progress
        self._built = False

    def need_entresol(self) -> Path:
        """The shipped binary, built if it is not; raises if it does not build."""
        if not self._built and not build.build("release", ["entresol"]):
            raise RuntimeError("the release does not build")
        self._built = True
        return self.entresol

    def run(self, command, *, timeout: float, name: str, cwd=None, env=None) -> Ran:
        """Runs a command to its end, or for `timeout` seconds (code 124, with all that it started ended)."""
        log = self.scratch / f"{name}.log"
        self.progress.update(shlex.join(map(str, command))[:100])
        start = time.monotonic()
        errors = self.scratch / f"{name}.stderr"
        with log.open("wb") as out, errors.open("wb") as err:
            child = subprocess.Popen([str(word) for word in command], cwd=cwd or self.root, env={**os.environ, **(env or {})},
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
            ui.RUNNING.add(child)
            try:
                code = self._wait(child, start + timeout, log)
            finally:
                ui.RUNNING.discard(child)
        stdout, stderr = (path.read_text(errors="replace") for path in (log, errors))
        return Ran(code, stdout + stderr, stdout, time.monotonic() - start, log)

    def _wait(self, child, deadline: float, log: Path) -> int:
        while time.monotonic() < deadline:
            try:
                return child.wait(0.5)
            except subprocess.TimeoutExpired:
                self.progress.update(last_line(log))
            except BaseException:
                ui.stop(child)
                raise
        ui.stop(child)
        return 124


def last_line(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 400))
        lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
