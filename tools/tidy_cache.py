"""clang-tidy over many files, in parallel; what was clean stays clean until the file, a header that it includes, its compile
command, .clang-tidy or clang-tidy itself changes. Results lie in BUILD/tidy/, one file a key."""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
from functools import lru_cache
from pathlib import Path

TOOL = "clang-tidy-19"
DIAGNOSTIC = re.compile(r"^(\S+?):(\d+):\d+: (?:error|warning): (.*)$", re.M)


class Includes:
    """The project's headers behind a file, transitively."""

    def __init__(self, root: Path):
        self.root = root
        self.places = [root / "src", root / "sdk" / "include", root]
        self.direct = lru_cache(maxsize=None)(self._direct)

    def _direct(self, path: Path) -> tuple[Path, ...]:
        found = re.findall(r'^\s*#\s*include\s*[<"]([^">]+)[">]', path.read_text(errors="replace"), re.M)
        candidates = ((place / what for place in (*self.places, path.parent)) for what in found)
        return tuple(hit for each in candidates if (hit := next((c for c in each if c.is_file()), None)))

    def closure(self, path: Path) -> list[Path]:
        seen, waiting = {path}, [path]
        while waiting:
            for header in self.direct(waiting.pop()):
                if header not in seen:
                    seen.add(header)
                    waiting.append(header)
        return sorted(seen)


def commands(build: Path) -> dict[str, tuple[str, str]]:
    """Source file -> (directory, command) from the build's compile_commands.json."""
    path = build / "compile_commands.json"
    entries = json.loads(path.read_text()) if path.exists() else []
    return {os.path.realpath(entry["file"]): (entry["directory"], entry.get("command") or shlex.join(entry["arguments"]))
            for entry in entries}


def key_of(source: Path, includes: Includes, command: str, fixed: bytes) -> str:
    digest = hashlib.sha256(fixed + command.encode())
    for path in includes.closure(source):
        digest.update(str(path.relative_to(includes.root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def tidy_one(root: Path, build: Path, source: Path):
    """(path, line, text) of each diagnostic; None if clang-tidy itself failed without saying where."""
    run = subprocess.run([TOOL, "-p", build, "--quiet", f"--config-file={root / '.clang-tidy'}",
                          "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-everything", source],
                         cwd=root, capture_output=True, text=True)
    found = []
    for path, line, text in DIAGNOSTIC.findall(run.stdout + run.stderr):
        full = Path(os.path.realpath(root / path))
        if full.is_relative_to(root):
            found.append((str(full.relative_to(root)), int(line), text))
    if run.returncode != 0 and not found:
        found.append((str(source.relative_to(root)), 1, f"{TOOL} failed: {(run.stderr or run.stdout).strip()[-400:]}"))
    return found


def run(root: Path, build: Path | None, names):
    """Findings (path, line, text) over the files named; a header's finding is given once."""
    known = commands(build) if build else {}
    fixed = (root / ".clang-tidy").read_bytes() + subprocess.run([TOOL, "--version"], capture_output=True, check=True).stdout
    cache = build / "tidy" if build else None
    includes = Includes(root)
    findings, work = [], {}
    for name in names:
        source = root / name
        if str(source) not in known:
            findings.append((name, 1, f"not in {build}/compile_commands.json: add it to its room's CMakeLists.txt"))
            continue
        key = key_of(source, includes, known[str(source)][1], fixed)
        if not (cache / key).exists():
            work[source] = key
    workers = int(os.environ.get("ENTRESOL_JOBS") or len(os.sched_getaffinity(0)))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for source, found in zip(work, pool.map(lambda source: tidy_one(root, build, source), work)):
            findings += found
            if not found:
                cache.mkdir(parents=True, exist_ok=True)
                (cache / work[source]).touch()
    return sorted(set(findings))
