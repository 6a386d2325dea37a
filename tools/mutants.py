#!/usr/bin/env python3
"""./run mutants [ID…]: plants each fault of tests/mutants/*.mutant in a copy of the tree and requires that its test fails.

A file holds any number of mutants, in blocks like

    mutant base64-second-encoding
    file src/base/bytes.cc
    test base_test Base64.RefusesWhatHasASecondEncoding
    why a second spelling of a signed object would pass as another one
    before
        if (spare_bits != 0) return false;
    after
        if (false) return false;
    end

`before` must be found exactly once in the file, line for line; `after` may be empty. `test` is a GoogleTest program (the
CMake target) and its filter; `ctest REGEX` instead names tests of any kind, for which everything is built. The test must
pass without the fault, and fail with it. Exit code 1 if a mutant survives, does not build or no longer applies.
"""

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ui

KEYS = ("file", "test", "ctest", "why")
TEST_SECONDS = 300


class Malformed(Exception):
    def __init__(self, path: str, line: int, text: str):
        super().__init__(f"{path}:{line}: {text}")
        self.where = (path, line, text)


@dataclass
class Mutant:
    id: str
    source: str
    line: int
    fields: dict = field(default_factory=dict)
    before: str = ""
    after: str = ""

    @property
    def test(self) -> tuple[str, str]:
        return ("test", self.fields["test"]) if "test" in self.fields else ("ctest", self.fields["ctest"])


def parse(text: str, source: str) -> list[Mutant]:
    found: list[Mutant] = []
    mutant, part = None, None
    for number, line in enumerate(text.splitlines(), 1):
        word, _, rest = line.strip().partition(" ")
        if part and line.strip() not in ("after", "end"):
            setattr(mutant, part, getattr(mutant, part) + line + "\n")
        elif mutant is None:
            if word == "mutant" and rest:
                mutant = Mutant(rest.strip(), source, number)
            elif word and not word.startswith("#"):
                raise Malformed(source, number, f'"{word}" outside a block: each begins with "mutant ID"')
        elif line.strip() == "before" or (part == "before" and line.strip() == "after"):
            part = line.strip()
        elif part == "after" and line.strip() == "end":
            found.append(complete(mutant))
            mutant = part = None
        elif word in KEYS and rest and part is None:
            mutant.fields[word] = rest.strip()
        elif word:
            raise Malformed(source, number, f'"{line.strip()}" is not expected here: before … after … end, or one of {KEYS}')
    if mutant:
        raise Malformed(source, mutant.line, f'{mutant.id} has no "end"')
    return found


def complete(mutant: Mutant) -> Mutant:
    missing = [key for key in ("file", "why") if key not in mutant.fields]
    if ("test" in mutant.fields) == ("ctest" in mutant.fields):
        missing.append("one of test and ctest")
    if "test" in mutant.fields and len(mutant.fields["test"].split()) != 2:
        missing.append("test TARGET FILTER")
    if not mutant.before.strip() or mutant.before == mutant.after:
        missing.append("lines that change")
    if missing:
        raise Malformed(mutant.source, mutant.line, f"{mutant.id} lacks {', '.join(missing)}")
    return mutant


def read_all(root: Path) -> list[Mutant]:
    found: list[Mutant] = []
    for path in sorted((root / "tests" / "mutants").glob("*.mutant")):
        found += parse(path.read_text(), str(path.relative_to(root)))
    seen = {}
    for mutant in found:
        if mutant.id in seen:
            raise Malformed(mutant.source, mutant.line, f"{mutant.id} is also in {seen[mutant.id]}")
        seen[mutant.id] = mutant.source
    return found


def apply(mutant: Mutant, text: str) -> str:
    """The text with the fault. `before` is matched from the start of a line to the end of one."""
    places = [match.end() for match in re.finditer(f"^(?={re.escape(mutant.before)})", text, re.M)]
    count = len(places)
    if count != 1:
        raise Malformed(mutant.source, mutant.line,
                        f"{mutant.id}: its lines are found {count} times in {mutant.fields['file']}, not once")
    return text[: places[0]] + mutant.after + text[places[0] + len(mutant.before):]


def problems(root: Path):
    """(path, line, text) of mutants that are malformed or no longer apply; for the house check."""
    try:
        found = read_all(root)
    except Malformed as error:
        yield error.where
        return
    for mutant in found:
        path = root / mutant.fields["file"]
        try:
            if not path.is_file():
                raise Malformed(mutant.source, mutant.line, f"{mutant.id}: {mutant.fields['file']} does not exist")
            apply(mutant, path.read_text())
        except Malformed as error:
            yield error.where


def copy_tree(root: Path, tree: Path) -> None:
    """Makes tree a copy of the tree's files; what is the same already keeps its time, so that ninja need not rebuild it."""
    import check
    wanted = set(check.Tree(root).files)
    for name in wanted:
        source, target = root / name, tree / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
    for path in [path for path in tree.rglob("*") if path.is_file()]:
        if str(path.relative_to(tree)) not in wanted:
            path.unlink()


class Runner:
    def __init__(self, root: Path = ui.ROOT):
        self.tree = ui.BUILD / "mutants" / "tree"
        self.build_dir = ui.BUILD / "mutants" / "build"
        self.root = root
        self.healthy: dict[tuple[str, str], str | None] = {}

    def prepare(self) -> bool:
        import build
        copy_tree(self.root, self.tree)
        os.environ.setdefault("CCACHE_BASEDIR", str(self.tree))
        # -O1 builds faster; -w because a fault may leave a variable unused, and is to be found by a test.
        flags = {"CMAKE_CXX_FLAGS_RELEASE": "-O1", "CMAKE_CXX_FLAGS": "-w"}
        return build.configure("test", source=self.tree, build_dir=self.build_dir, extra=flags) is not None

    def compile(self, test) -> str | None:
        """None, or the compiler's last words."""
        kind, words = test
        said: list[str] = []
        targets = [words.split()[0]] if kind == "test" else []
        command = ["ninja", "-C", self.build_dir, f"-j{ui.jobs()}", *targets]
        code = ui.follow(command, said.append, env={"NINJA_STATUS": "[%f/%t] "})
        return None if code == 0 else "\n".join(said[-15:])

    def execute(self, test) -> tuple[str, str]:
        """("passed" | "failed" | "none" (no test ran) | "timeout", the test's last words)."""
        kind, words = test
        said: list[str] = []
        if kind == "test":
            target, pattern = words.split()
            program = next((path for path in self.build_dir.rglob(target) if os.access(path, os.X_OK) and path.is_file()), None)
            if not program:
                return "none", f"{target} is no program of the build"
            command = [program, f"--gtest_filter={pattern}", "--gtest_brief=0"]
        else:
            command = ["ctest", "--test-dir", self.build_dir, "--no-tests=error", "--output-on-failure", "-R", words]
        code = ui.follow(["timeout", "--kill-after=10", str(TEST_SECONDS), *command], said.append, cwd=self.tree)
        text = "\n".join(said)
        if code in (124, 137):
            return "timeout", text[-500:]
        if kind == "test":
            ran = re.search(r"Running ([1-9]\d*) tests?", text)
            skipped = len(set(re.findall(r"^\[  SKIPPED \] (\S+?)(?: \(| *$)", text, re.M)))
            if not ran or skipped >= int(ran[1]):
                return "none", text[-500:]
        elif "No tests were found" in text or re.search(r"\*\*\*Skipped", text) and code == 0:
            return "none", text[-500:]
        return ("passed" if code == 0 else "failed"), text[-500:]

    def sound(self, test) -> str | None:
        """None if the test passes without any fault, else what is wrong with it."""
        if test not in self.healthy:
            broken = self.compile(test)
            outcome = ("does not build", broken) if broken else self.execute(test)
            self.healthy[test] = None if outcome[0] == "passed" else f"without the fault, {' '.join(test)}: {outcome[0]}"
        return self.healthy[test]

    def try_one(self, mutant: Mutant) -> tuple[bool, str]:
        """(found by its test, what was seen)."""
        path = self.tree / mutant.fields["file"]
        if not path.is_file():
            return False, f"{mutant.fields['file']} does not exist"
        if unsound := self.sound(mutant.test):
            return False, unsound
        original = path.read_text()
        try:
            path.write_text(apply(mutant, original))
        except Malformed as error:
            return False, str(error)
        try:
            if broken := self.compile(mutant.test):
                return False, f"does not build with the fault:\n{broken}"
            outcome, _ = self.execute(mutant.test)
        finally:
            path.write_text(original)
        return outcome in ("failed", "timeout"), f"{' '.join(mutant.test)}: {outcome}"


def run(ids=()) -> Iterator[tuple[Mutant, bool, str]]:
    """Tries all mutants (or those named): for each, whether its test found it, and what was seen."""
    chosen = [mutant for mutant in read_all(ui.ROOT) if not ids or mutant.id in ids]
    runner = Runner()
    if not runner.prepare():
        raise SystemExit("mutants: the tree does not configure")
    progress = ui.Progress("mutants")
    for number, mutant in enumerate(chosen):
        progress.update(f"{number}/{len(chosen)}  {mutant.id}")
        held, seen = runner.try_one(mutant)
        progress.clear()
        yield mutant, held, seen


def main(words) -> int:
    parser = argparse.ArgumentParser(prog="./run mutants", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID")
    options = parser.parse_args(words)
    started = time.monotonic()
    try:
        known = {mutant.id for mutant in read_all(ui.ROOT)}
        if unknown := set(options.ids) - known:
            print(f"no mutant {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}", file=sys.stderr)
            return 2
        results = []
        for mutant, held, seen in run(options.ids):
            results.append((mutant.id, held))
            print(f"{'found   ' if held else 'SURVIVES'}  {mutant.id:<36} {seen}", flush=True)
    except Malformed as error:
        print(error, file=sys.stderr)
        return 1
    survived = [name for name, held in results if not held]
    print(f"{len(results)} mutants, {len(results) - len(survived)} found, {len(survived)} not, "
          f"{time.monotonic() - started:.0f} s")
    return 1 if survived or not results else 0


if __name__ == "__main__":
    ui.main(main)
