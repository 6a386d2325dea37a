"""What the scripts behind ./run share: places, one progress line on a terminal, stage times, child processes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = (ROOT / os.environ.get("BUILD_DIR", "build")).resolve()


def jobs() -> int:
    return int(os.environ.get("ENTRESOL_JOBS") or len(os.sched_getaffinity(0)))


class Progress:
    """One line, rewritten in place on a terminal; elsewhere a plain line now and then."""

    PLAIN_EVERY = 20.0  # seconds between plain lines

    def __init__(self, title: str, stream=None):
        self.title = title
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.start = time.monotonic()
        self.shown = self.start

    def update(self, text: str) -> None:
        now = time.monotonic()
        if self.live and now - self.shown >= 0.1:
            width = os.get_terminal_size(self.stream.fileno()).columns or 80
            line = f"{self.title}  {now - self.start:.0f} s  {text}"
            self.stream.write("\r\033[K" + line[: max(20, width - 1)])
        elif not self.live and now - self.shown >= self.PLAIN_EVERY:
            self.stream.write(f"{self.title}  {now - self.start:.0f} s  {text}\n")
        else:
            return
        self.stream.flush()
        self.shown = now

    def clear(self) -> None:
        if self.live:
            self.stream.write("\r\033[K")

    def done(self, note: str = "") -> float:
        took = time.monotonic() - self.start
        self.clear()
        self.stream.write(f"{self.title:<28} {took:6.1f} s  {note}".rstrip() + "\n")
        self.stream.flush()
        return took


RUNNING: set[subprocess.Popen] = set()


def stop(child: subprocess.Popen, patience: float = 10.0) -> None:
    """Ends a child that was started with start_new_session, and what it started."""
    for signal_number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, signal_number)
        except ProcessLookupError:
            pass
        try:
            child.wait(wait)
            if signal_number == signal.SIGTERM:
                continue  # the leader is gone; SIGKILL reaches what it left behind
            return
        except subprocess.TimeoutExpired:
            pass


def follow(command, on_line, *, cwd=ROOT, env=None, log: Path | None = None) -> int:
    """Runs a command, hands each line of its output to on_line, and returns its exit code."""
    full_env = {**os.environ, **(env or {})}
    child = subprocess.Popen([str(word) for word in command], cwd=cwd, env=full_env, text=True,
                             errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    RUNNING.add(child)
    sink = None
    try:
        if log:
            log.parent.mkdir(parents=True, exist_ok=True)
            sink = log.open("w")
        for line in child.stdout:
            if sink:
                sink.write(line)
            on_line(line.rstrip("\n"))
        return child.wait()
    except BaseException:
        stop(child)
        raise
    finally:
        RUNNING.discard(child)
        child.stdout.close()
        if sink:
            sink.close()


NINJA_STATUS = re.compile(r"^\[(\d+)/(\d+)\] (.*)$")


def ninja(title: str, build_dir: Path, targets=(), *, quiet=False, keep_going=False) -> bool:
    """Builds; its status is one line, and what the compiler says is shown only if something fails."""
    progress = Progress(title)
    said: list[str] = []

    def on_line(line: str) -> None:
        match = NINJA_STATUS.match(line)
        if match:
            short = re.sub(r".*/CMakeFiles/[^/]+\.dir/", "", match[3])
            progress.update(f"{match[1]}/{match[2]}  {short}")
        elif not line.startswith("ninja: "):
            said.append(line)

    command = ["ninja", "-C", build_dir, f"-j{jobs()}"] + (["-k0"] if keep_going else []) + list(targets)
    code = follow(command, on_line, env={"NINJA_STATUS": "[%f/%t] "},
                  log=BUILD / "log" / f"{build_dir.name}.log")
    if code != 0 or not quiet:
        progress.done("" if code == 0 else "FAILED")
    else:
        progress.clear()
    if code != 0:
        print("\n".join(said[-200:]), file=sys.stderr)
    return code == 0


def main(function) -> None:
    """Runs function(sys.argv[1:]); Ctrl-C and SIGTERM end it with the code that shells expect, children included."""
    def terminate(_number, _frame):
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, terminate)
    try:
        code = function(sys.argv[1:])
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        code = 130
    finally:
        for child in list(RUNNING):  # those that other threads follow
            stop(child)
    sys.stdout.flush()
    raise SystemExit(code)
