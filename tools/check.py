#!/usr/bin/env python3
"""check.py [--build DIR] [RULE…]: the house rules that a script can check, one function a rule.

Each finding says file:line, what is wrong and what to do. A rule reads the tree below --root; `purity` and `tidy` also
read what was built in --build (its static libraries and compile_commands.json). Exit code 1 if a rule failed.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import tidy_cache

PURE_ROOMS = ("wire", "crypto", "security", "layer", "dns")
ROLES = ("client", "node", "host", "controller", "gateway")
# Which rooms a room may include: base <- wire, crypto <- security <- layer <- service, admission <- roles <- cli. What the
# roles share, `config` and `runtime`, stands just below them; `io`, `http` and `store` are what they reach the world by.
ARROWS = {"base": set(), "io": {"base"}}
ARROWS["wire"] = ARROWS["crypto"] = ARROWS["dns"] = {"base"}
ARROWS["security"] = {"base", "wire", "crypto"}
ARROWS["layer"] = ARROWS["security"] | {"security"}
ARROWS["http"] = {"base", "crypto", "io"}
ARROWS["service"] = ARROWS["admission"] = ARROWS["layer"] | {"layer"}
ARROWS["store"] = ARROWS["service"] | {"service"}
ARROWS["config"] = ARROWS["service"] | {"service", "admission", "io", "dns"}
ARROWS["runtime"] = ARROWS["config"] | {"config", "services", "http", "store"}
for _role in ROLES:
    ARROWS[_role] = ARROWS["runtime"] | {"runtime"}
ARROWS["cli"] = ARROWS["node"] | set(ROLES)
ARROWS["services"] = set()

CXX = (".h", ".cc")
TEST_FILE = re.compile(r"(_test|_testing)\.(h|cc)$|(^|/)testing/|(^|/)test_\w+\.h$")
FILE_LINES, FILE_LINES_LIMIT, FUNCTION_LINES = 600, 660, 70


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    text: str
    warning: bool = False

    def __str__(self):
        return f"{self.path}:{self.line}: {'warning: ' if self.warning else ''}{self.text}"


class Tree:
    def __init__(self, root: Path, build: Path | None = None):
        self.root, self.build = root.resolve(), build
        self._text: dict[str, str] = {}

    @cached_property
    def files(self) -> list[str]:
        """All files that belong to the tree: git's list where there is one, else all but build/."""
        if (self.root / ".git").exists():
            out = subprocess.run(["git", "-c", f"safe.directory={self.root}", "ls-files", "-coz", "--exclude-standard"],
                                 cwd=self.root, capture_output=True, text=True, check=True).stdout
            names = [name for name in out.split("\0") if name]
        else:
            names = [str(path.relative_to(self.root)) for path in self.root.rglob("*")]
            names = [name for name in names if not name.startswith("build")]
        return sorted({name for name in names if (self.root / name).is_file() and "__pycache__" not in name})

    def cxx(self, *folders: str) -> list[str]:
        folders = folders or ("src", "sdk", "sim", "tests", "fuzz", "bench")
        return [name for name in self.files if name.endswith(CXX) and name.split("/")[0] in folders]

    def text(self, name: str) -> str:
        if name not in self._text:
            self._text[name] = (self.root / name).read_text(errors="replace")
        return self._text[name]

    def includes(self, name: str) -> Iterator[tuple[int, str, str]]:
        """(line, '"' or '<', what) of each include."""
        for number, line in enumerate(self.text(name).splitlines(), 1):
            if match := re.match(r'\s*#\s*include\s*([<"])([^">]+)[">]', line):
                yield number, match[1], match[2]


def room_of(name: str) -> str:
    return name.split("/")[1] if name.startswith("src/") and name.count("/") >= 2 else ""


def without_comments(text: str) -> str:
    """Comments and string contents blanked, line numbers kept."""
    def blank(match):
        found = match[0]
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + re.sub(r"[^\n]", " ", found[1:-1]) + found[-1]

    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''
    return re.sub(pattern, blank, text, flags=re.S)


def line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


# --- rules: each takes the tree and yields findings -------------------------------------------------------------------


def arrows(tree: Tree):
    """Includes follow the arrows between rooms and are rooted at src/ or sdk/include/."""
    for name in tree.cxx("src", "sdk"):
        room = room_of(name)
        if room and room not in ARROWS:
            yield Finding(name, 1, f"src/{room}/ is no room: name it in ARROWS of tools/check.py, with its arrows")
            continue
        for line, bracket, what in tree.includes(name):
            yield from arrow(tree, name, room, line, bracket, what)


def arrow(tree, name, room, line, bracket, what):
    if bracket == "<":
        return
    if what.startswith("."):
        yield Finding(name, line, f'"{what}" is relative: root it at src/')
        return
    to_sdk = what.startswith("entresol/")
    if not (tree.root / ("sdk/include" if to_sdk else "src") / what).is_file():
        yield Finding(name, line, f'"{what}" is not below src/ (or sdk/include/ for "entresol/…"): root the include there')
        return
    target = what.split("/")[0]
    if name.startswith("sdk/"):
        if not to_sdk:
            yield Finding(name, line, f'sdk/ includes "{what}": an author has sdk/ alone, so move what it needs there')
    elif to_sdk or TEST_FILE.search(name):
        return
    elif room == "services":
        if not what.startswith("/".join(name.split("/")[1:3]) + "/"):
            yield Finding(name, line, f'a service includes "{what}": services see only "entresol/…" headers of sdk/')
    elif target != room and target not in ARROWS[room]:
        allowed = ", ".join(sorted(ARROWS[room])) or "nothing"
        yield Finding(name, line, f'{room} includes "{what}": it may include {allowed}; '
                                  "declare what you need in the lower room and provide it from the upper")


def linking(tree: Tree):
    """What CMakeLists.txt links follows the same arrows."""
    for name in tree.files:
        room = room_of(name)
        if not name.endswith("CMakeLists.txt") or room not in ARROWS:
            continue
        text = re.sub(r"#.*", "", tree.text(name))
        for call in re.finditer(r"entresol_room\(([^)]*)\)", text):
            for dep in re.finditer(r"\bentresol_([a-z0-9]+)\w*", call[1].split("TEST_DEPS")[0]):
                if dep[1] in ARROWS and dep[1] != room and dep[1] not in ARROWS[room] and room != "services":
                    yield Finding(name, line_at(text, call.start(1) + dep.start()),
                                  f"{room} links {dep[0]}: the arrows do not allow it")


# What a pure room must not have: (pattern over the demangled symbol, what it is).
IMPURE = [(re.compile(pattern), what) for pattern, what in (
    (r"^(socket|socketpair|bind|connect|accept4?|listen|shutdown|(get|set)sockopt|getaddrinfo|if_nametoindex)$",
     "a socket"),
    (r"^(send|sendto|sendm?msg|recv|recvfrom|recvm?msg|p?(read|write)(v2?|64)?|ioctl|fcntl(64)?|syscall)$",
     "input or output"),
    (r"^(open(at)?(64)?|creat|close|f(open|dopen|read|write|close|puts|gets|seek|printf)(64)?|__v?fprintf_chk|__f?read_chk)$",
     "a file"),
    (r"^(unlink|rename|mkdir|rmdir|l?stat(64)?|fstat(64)?|opendir|readdir|access|tmpfile|mkstemp|mmap(64)?|shm_open)$",
     "a file"),
    (r"^((__)?v?printf(_chk)?|puts|putchar|perror|syslog)$", "output"),
    (r"^(poll|ppoll|p?select|epoll_\w+|timerfd_\w+|eventfd|signalfd|pipe2?|sigaction|signal|kill)$", "an event source"),
    (r"^(fork|vfork|exec\w+|system|popen|posix_spawnp?|dlopen|dlsym)$", "a process"),
    (r"^(clock_gettime|clock|gettimeofday|time|times|ftime|localtime(_r)?|nanosleep|clock_nanosleep|u?sleep|alarm)$",
     "a clock"),
    (r"^std::chrono::.*::now\(\)", "a clock"),
    (r"^(getrandom|getentropy|s?rand(om)?|rand_r|[dlm]rand48|arc4random\w*|randombytes\w*|RAND_\w+)$", "randomness"),
    (r"^crypto_\w*(?<!seed)_keypair$|^crypto_\w+_keygen$|^EVP_PKEY_(Q_)?keygen$|^std::random_device", "randomness"),
    (r"^(pthread_\w+|thrd_\w+|mtx_\w+|sem_\w+|sched_yield|futex)$", "a thread or a lock"),
    (r"^std::(thread|mutex|timed_mutex|shared_mutex|condition_variable|this_thread|call_once|__atomic_futex)", "a thread or a lock"),
    (r"^std::(cout|cerr|clog|cin|wcout)\b|^std::ios_base::Init", "a standard stream"),
    (r"^std::(__cxx11::)?(basic_[io]?fstream|basic_filebuf|filesystem)", "a file"),
    (r"^(secure_)?getenv$|^[su]n?setenv$|^environ$", "the environment"),
    (r"^spdlog::", "a log"),
)]
# Exceptions, each with its reason: room -> symbol -> why it is harmless.
PURITY_ALLOWED = {
    "crypto": {
        "pthread_once": "picks the implementation for this CPU once; its outcome depends on nothing else",
    },
}


def purity(tree: Tree):
    """The static libraries of the pure rooms and of services call no socket, clock, randomness, thread or file."""
    for room in (*PURE_ROOMS, "services"):
        if not any(name.startswith(f"src/{room}/") and name.endswith(".cc") for name in tree.files):
            continue
        libraries = sorted((tree.build / "src" / room).rglob("libentresol_*.a")) if tree.build else []
        if not libraries:
            yield Finding(f"src/{room}/CMakeLists.txt", 1, f"no static library of {room} in {tree.build}: build it first")
        for library in libraries:
            yield from impure_symbols(tree, room, library)


def impure_symbols(tree: Tree, room: str, library: Path):
    out = subprocess.run(["nm", "-uC", library], capture_output=True, text=True, check=True).stdout
    source, seen = library.name, set()
    for line in out.splitlines():
        if line.endswith(".o:"):
            source = line[:-3]
        match = re.match(r"\s+[Uw] (.+)$", line)
        if not match or (source, match[1]) in seen or match[1] in PURITY_ALLOWED.get(room, {}):
            continue
        seen.add((source, match[1]))
        for pattern, what in IMPURE:
            if pattern.search(match[1]):
                path = next((name for name in tree.files if re.match(rf"src/{room}/(.*/)?{re.escape(source)}$", name)),
                            f"src/{room}")
                yield Finding(path, 1, f"uses {what}: {match[1]}; a pure room takes bytes, events, `now` and "
                                       "base::RandomSource&, and hands results back")
                break


IMPURE_HEADERS = {"iostream", "fstream", "filesystem", "thread", "mutex", "shared_mutex", "condition_variable", "random",
                  "future", "cstdio", "ctime", "unistd.h", "fcntl.h", "time.h", "pthread.h", "netdb.h", "stdio.h"}


def headers(tree: Tree):
    """Pure rooms and services include no header of input, output, clocks or threads; every header has #pragma once."""
    for name in tree.cxx("src", "sdk"):
        if name.endswith(".h") and "#pragma once" not in tree.text(name):
            yield Finding(name, 1, "no #pragma once: put it below the comment that says what the header is for")
        if room_of(name) not in (*PURE_ROOMS, "services") or TEST_FILE.search(name):
            continue
        for line, bracket, what in tree.includes(name):
            if bracket == "<" and (what in IMPURE_HEADERS or what.startswith(("sys/", "net/", "netinet/", "arpa/",
                                                                               "linux/", "spdlog/"))):
                yield Finding(name, line, f"<{what}> in a pure room: leave input, output, clocks and threads to src/io/ and the roles")


def pragmatic_format(tree: Tree, names):
    command = ["clang-format-19", "--dry-run", "-Werror", "--ferror-limit=1", *names]
    return subprocess.Popen(command, cwd=tree.root, stderr=subprocess.PIPE, text=True)


def style(tree: Tree):
    """clang-format has nothing to change."""
    names = tree.cxx()
    runs = [pragmatic_format(tree, names[i::4]) for i in range(4) if names[i::4]]
    for run in runs:
        for match in re.finditer(r"^([^\s:]+):(\d+):\d+: error", run.communicate()[1], re.M):
            yield Finding(match[1], int(match[2]), f"not formatted: clang-format-19 -i {match[1]}")
        if run.returncode not in (0, 1):
            yield Finding(".clang-format", 1, f"clang-format-19 ended with {run.returncode}")


def tidy(tree: Tree):
    """clang-tidy, with the checks in .clang-tidy, over all sources of src/, sdk/ and sim/ but tests."""
    names = [name for name in tree.cxx("src", "sdk", "sim") if name.endswith(".cc") and not TEST_FILE.search(name)]
    for path, line, text in tidy_cache.run(tree.root, tree.build, names):
        yield Finding(path, line, text)


PARSER = re.compile(
    r"^[ \t]*(?:\[\[nodiscard\]\]\s*)?(?:(?:static|inline|constexpr|friend|virtual|extern|const)\s+)*"
    r"(?!return\b|co_return\b|else\b|using\b|new\b|throw\b)[A-Za-z_][\w:]*(?:<[^;{}()]*>)?[\s&*]+((?:parse|decode)\w*)\s*\(",
    re.M)


def fuzzed(tree: Tree):
    """Every header that declares parse… or decode… is named by a fuzz target that includes it and is built."""
    lists = "\n".join(tree.text(name) for name in tree.files if re.match(r"fuzz/.*(\.cmake|CMakeLists\.txt)$", name))
    covered: dict[str, str] = {}
    for name in tree.files:
        if not (name.startswith("fuzz/") and name.endswith(".cc")):
            continue
        included = {what for _, _, what in tree.includes(name)}
        for match in re.finditer(r"//\s*fuzzes:\s*(\S+)", tree.text(name)):
            line = line_at(tree.text(name), match.start())
            if match[1] not in included:
                yield Finding(name, line, f"says that it fuzzes {match[1]} and does not include it")
            elif not (tree.root / "src" / match[1]).is_file():
                yield Finding(name, line, f"src/{match[1]} does not exist")
            else:
                covered[match[1]] = name
        if "LLVMFuzzerTestOneInput" in tree.text(name) and name != "fuzz/replay_main.cc" and (
                not re.search(rf"\b{re.escape(name.removeprefix('fuzz/'))}\b", lists)):
            yield Finding(name, 1, "no entresol_fuzzer(… SOURCE this file …) in fuzz/*.cmake: it is never built")
    for name in tree.cxx("src"):
        header = name.removeprefix("src/")
        if not name.endswith(".h") or TEST_FILE.search(name) or header in covered:
            continue
        text = without_comments(tree.text(name))
        if match := PARSER.search(text):
            yield Finding(name, line_at(text, match.start(1)),
                          f"{match[1]} has no fuzz target: write one in fuzz/ that includes it and says // fuzzes: {header}")


def sizes(tree: Tree):
    """Files up to about 600 lines; functions up to about 70 (a warning: the count is a guess from the braces)."""
    for name in tree.files:
        if not name.endswith((*CXX, ".py", ".sh", ".c", ".js")):
            continue
        count = len(tree.text(name).splitlines())
        if count > FILE_LINES:
            yield Finding(name, FILE_LINES, f"{count} lines: split it where one concept ends ({FILE_LINES} is the aim)",
                          warning=count <= FILE_LINES_LIMIT)
        if name.endswith(CXX):
            for line, length in long_functions(tree.text(name)):
                yield Finding(name, line, f"function of {length} lines: name its parts ({FUNCTION_LINES} is the aim)",
                              warning=True)


def long_functions(text: str) -> Iterator[tuple[int, int]]:
    """(line, length) of function bodies that are too long. Works on formatted code, where they end in a lone brace."""
    opened: list[tuple[int, int]] = []
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        if re.search(r"\)[^;=]*\{\s*$", line) and not re.match(r"\s*(if|for|while|switch|else|do|namespace|\})", line):
            opened.append((indent, number))
        elif opened and re.match(r"\s*\}\s*$", line) and indent <= opened[-1][0]:
            while len(opened) > 1 and opened[-1][0] > indent:
                opened.pop()
            start = opened.pop()[1]
            if number - start + 1 > FUNCTION_LINES and not any(first <= start for _, first in opened):
                yield start, number - start + 1


# Written so that this file does not contain what it looks for.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")
ABSOLUTE = re.compile(r"(?<![\w./~-])/(" + "|".join(("wo" + "rk", "ro" + "ot", "Us" + "ers")) + r")/[\w.]")


def words(tree: Tree):
    """Nothing unfinished and no path of somebody's machine in any text file."""
    for name in tree.files:
        if name.startswith("fuzz/corpus/") or name == "LICENSE" or b"\0" in (tree.root / name).read_bytes()[:4096]:
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            if match := UNFINISHED.search(line):
                yield Finding(name, number, f"{match[1]}: finish it, or leave it out and say so in the documents")
            if ABSOLUTE.search(line):
                yield Finding(name, number, "path of one machine: make it relative to the tree, or an option")


def patience(tree: Tree):
    """No test sleeps: tests wait for events, and time is an argument."""
    for name in tree.cxx():
        if not TEST_FILE.search(name):
            continue
        text = without_comments(tree.text(name))
        for match in re.finditer(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(", text):
            yield Finding(name, line_at(text, match.start()), f"{match[1]} in a test: wait for the event, or move virtual time")


def scripts(tree: Tree):
    """Shell scripts fail at the first error, and parse."""
    for name in tree.files:
        text = tree.text(name) if name.endswith(".sh") or "." not in Path(name).name else ""
        first = text.split("\n", 1)[0]
        if not (name.endswith(".sh") or re.match(r"#!.*\b(ba)?sh\b", first)):
            continue
        if first.startswith("#!") and not re.search(r"^set -euo pipefail$", text, re.M):
            yield Finding(name, 1, "no `set -euo pipefail` line: a failing command would go unnoticed")
        run = subprocess.run(["bash", "-n", name], cwd=tree.root, capture_output=True, text=True)
        if run.returncode != 0:
            line = re.search(r"line (\d+)", run.stderr)
            yield Finding(name, int(line[1]) if line else 1, f"bash cannot parse it: {run.stderr.strip()}")


def mutants(tree: Tree):
    """Every checked-in mutant still matches its file exactly once."""
    import mutants as runner
    for path, line, text in runner.problems(tree.root):
        yield Finding(path, line, text)


RULES = {rule.__name__: rule for rule in (arrows, linking, headers, fuzzed, sizes, words, patience, scripts, mutants, style,
                                          purity, tidy)}


def run_rule(name: str, tree: Tree) -> list[Finding]:
    try:
        return list(RULES[name](tree))
    except FileNotFoundError as error:
        return [Finding("tools/check.py", 1, f"{name} needs {error.filename}: ./run check installs it")]


def run(tree: Tree, names, out=sys.stdout) -> tuple[list[str], list[str]]:
    """Runs the rules; prints a line for each and its findings; returns the names that passed and that failed."""
    passed, failed = [], []
    for name in names:
        start = time.monotonic()
        findings = run_rule(name, tree)
        errors = [finding for finding in findings if not finding.warning]
        (failed if errors else passed).append(name)
        state = f"{len(errors)} findings" if errors else "holds"
        print(f"  {name:<10} {time.monotonic() - start:6.1f} s  {state:<12} {RULES[name].__doc__}", file=out)
        for finding in sorted(findings, key=lambda finding: (finding.path, finding.line)):
            print(f"    {finding}", file=out)
        out.flush()
    return passed, failed


def main(arguments) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--build", type=Path)
    parser.add_argument("rules", nargs="*", metavar="RULE", help=f"of: {', '.join(RULES)} (all)")
    options = parser.parse_args(arguments)
    if unknown := set(options.rules) - set(RULES):
        parser.error(f"no rule {', '.join(sorted(unknown))}; there are {', '.join(RULES)}")
    names = options.rules or list(RULES)
    passed, failed = run(Tree(options.root, options.build), names)
    print(f"{len(passed)} rules hold, {len(failed)} do not")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
