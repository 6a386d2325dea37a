#!/usr/bin/env python3
"""The scripts behind ./run cannot pass silently: what failed, was skipped or did not run is seen as that."""

import importlib.util
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import accept_context
import mutants
import run_tests
import ui


def suite(name: str):
    path = ui.ROOT / "tests" / "accept" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"suite_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Junit(unittest.TestCase):
    def read(self, *cases: str) -> run_tests.Tally:
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(f'<testsuite>{"".join(cases)}</testsuite>')
            file.flush()
            return run_tests.read_junit(file.name, "release")

    def test_each_outcome(self):
        tally = self.read('<testcase name="a" status="run"/>', '<testcase name="b" status="fail"><failure/></testcase>',
                          '<testcase name="c" status="disabled"/>',
                          '<testcase name="d" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
                          "<system-out>a\nneeds root\n</system-out></testcase>",
                          '<testcase name="e" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
                          "<system-out>e.cc:2: Skipped\nno TUN\n[  SKIPPED ] e (0 ms)\n</system-out></testcase>")
        self.assertEqual(tally.line(), "1 passed, 1 failed, 3 skipped")
        self.assertEqual(tally.failed, ["release: b"])
        self.assertEqual(tally.skipped, ["release: c: disabled", "release: d: needs root", "release: e: no TUN"])

    def test_a_test_that_could_not_run_has_failed(self):
        tally = self.read('<testcase name="a" status="notrun"><skipped message="Unable to find executable: a"/></testcase>')
        self.assertEqual(tally.failed, ["release: a"])

    def test_a_failure_behind_a_skip_has_failed(self):
        tally = self.read('<testcase name="a" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
                          "<system-out>[  FAILED  ] a\n[  SKIPPED ] a</system-out></testcase>")
        self.assertEqual(tally.failed, ["release: a"])


class Packages(unittest.TestCase):
    def shell(self, script: str, text: str = "") -> str:
        return subprocess.run(["bash", "-c", f"set -euo pipefail; source tools/packages.sh; {script}"], cwd=ui.ROOT, input=text,
                              capture_output=True, text=True, check=True).stdout

    def test_sections(self):
        small, large = self.shell("packages_of build demo"), self.shell("packages_of build demo test bench accept")
        self.assertIn("cmake 3.25\n", small)
        self.assertIn("iproute2 -\n", small)
        self.assertNotIn("clang-19", small)
        self.assertIn("clang-19 -\n", large)
        self.assertEqual(len(large.split("\n")), len(set(large.split("\n"))))

    def test_every_package_says_why(self):
        for line in (ui.ROOT / "packaging" / "debian-12.packages").read_text().splitlines():
            if line and line[0] not in "#[":
                self.assertRegex(line, r"^[a-z0-9+.-]+( >= \S+)?( \[(\w+|or:\w+)\])?\s+# \w+", line)

    def test_missing_and_too_old(self):
        self.assertEqual(self.shell("packages_missing", "bash -\nno-such-package -\nbash 999:1\n"),
                         "no-such-package -\nbash 999:1\n")

    def test_a_command_serves_instead(self):
        self.assertIn("cargo-web 1.95 cargo\n", self.shell("packages_of build"))
        self.assertEqual(self.shell("packages_missing", "no-such-package 3.0 bash\nno-such-package 999 bash\n"
                                    "no-such-package 1 no-such-command\n"),
                         "no-such-package 999\nno-such-package 1\n")


class Wasmtime(unittest.TestCase):
    """With a compiler of three lines, which counts how often it was called."""

    CARGO = """#!/bin/sh
[ "$1" = --version ] && exit
echo run >>"$ENTRESOL_CACHE/runs"
%s
echo '{"reason":"build-script-executed","package_id":"x#wasmtime-c-api-impl@1","out_dir":"'$ENTRESOL_CACHE/out'"}'
echo '{"reason":"compiler-artifact","package_id":"y","target":{"name":"entresol_wasmtime"},"filenames":["'$ENTRESOL_CACHE/out/a.a'"]}'
"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "out/include").mkdir(parents=True)
        (self.folder / "out/include/wasmtime.h").touch()
        subprocess.run(["ar", "qc", self.folder / "out/a.a"], check=True)
        self.tool("rustc", "#!/bin/sh\necho rustc 1.95.0\necho host: here\n")
        self.tool("cargo", self.CARGO % "")

    def tool(self, name: str, script: str) -> None:
        (self.folder / name).write_text(script)
        (self.folder / name).chmod(0o755)

    def start(self, *words: str):
        environment = {"ENTRESOL_CACHE": str(self.folder), "BUILD_DIR": str(self.folder / "build"),
                       "PATH": f"{self.folder}:/usr/bin:/bin"}
        return subprocess.Popen([sys.executable, "-B", ui.ROOT / "tools/wasmtime.py", *words], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def made(self) -> list[Path]:
        return [path for path in self.folder.glob("wasmtime-*") if path.is_dir()]

    def test_two_at_once_build_once(self):
        running = [self.start(), self.start()]
        said = [process.communicate()[0].splitlines()[-1] for process in running]
        self.assertEqual((self.folder / "runs").read_text(), "run\n")
        self.assertEqual(said, [str(self.made()[0])] * 2)
        self.assertTrue((self.made()[0] / "lib/libentresol_wasmtime.a").is_file())
        self.tool("rustc", "#!/bin/sh\necho rustc 1.63.0\necho host: here\n")
        self.assertEqual(self.start("--where").communicate()[0], f"{self.made()[0]}\n", "the compiler is too old to build another")

    def test_what_failed_is_not_there(self):
        self.tool("cargo", self.CARGO % "echo 'error: could not resolve host'; exit 101")
        process = self.start()
        said = process.communicate()[0]
        self.assertEqual((process.returncode, self.made()), (1, []))
        self.assertIn("Do this once with a network", said)
        self.assertIn("not built here", self.start("--where").communicate()[0])

    def test_no_compiler(self):
        (self.folder / "cargo").unlink()
        (self.folder / "rustc").write_text("#!/bin/sh\necho rustc 1.94.9\necho host: here\n")
        process = self.start()
        self.assertIn("apt-get install cargo-web", process.communicate()[0])
        self.assertEqual(process.returncode, 1)


class Suites(unittest.TestCase):
    STEPS = '[{"id": "join", "needs": []}, {"id": "ping", "needs": ["join"]}, {"id": "dns", "needs": []}]'

    def test_readme(self):
        text = "```sh\nmake\n```\ntext\n```sh\n$ git clone X e && cd e   # seconds\n# says\n./run demo  # minutes\n```\n"
        self.assertEqual(suite("fresh").readme_commands(text), ["git clone X e && cd e", "./run demo"])
        self.assertEqual(suite("fresh").readme_commands("# A\n\n    ./run demo    # builds\n    ./run test\n\ntext\n" + text),
                         ["./run demo", "./run test"])
        self.assertEqual(suite("fresh").readme_commands("```sh\nmake\n```\n"), [])

    def test_archive(self):
        archive_of = suite("fresh").archive_of
        self.assertEqual(archive_of("Types: deb\nURIs: http://mirror.example/debian\n"), "http://mirror.example/debian")
        self.assertEqual(archive_of("deb [arch=amd64] http://a.example/debian bookworm main\n"), "http://a.example/debian")
        self.assertEqual(archive_of("deb https://a.example/apt stable main\n"), "")

    def test_broken_demo(self):
        demo = suite("demo_breaks")
        steps = demo.steps_of(self.STEPS)
        join_and_ping = '{"id": "join", "holds": false}\n{"id": "dns", "holds": true}\n'
        self.assertTrue(demo.judge(steps, "join", 1, join_and_ping)[0])
        self.assertFalse(demo.judge(steps, "join", 0, join_and_ping)[0])
        self.assertFalse(demo.judge(steps, "ping", 1, join_and_ping)[0])
        self.assertFalse(demo.judge(steps, "dns", 1, join_and_ping)[0])
        self.assertFalse(demo.judge(steps, "join", 1, "")[0], "dns does not need join")
        whole = '{"steps": [{"id": "join", "holds": true}, {"id": "ping", "holds": true}, {"id": "dns", "holds": true}]}'
        self.assertTrue(demo.judge(steps, None, 0, whole)[0])
        self.assertFalse(demo.judge(steps, None, 0, join_and_ping)[0])

    def test_a_command_that_hangs_is_ended(self):
        with tempfile.TemporaryDirectory() as folder:
            context = accept_context.Context.__new__(accept_context.Context)
            context.scratch, context.root = Path(folder), Path(folder)
            context.progress = SimpleNamespace(update=lambda text: None)
            ran = context.run(["sh", "-c", "echo first; sleep 60 & wait"], timeout=1, name="hangs")
        self.assertEqual((ran.code, ran.stdout), (124, "first\n"))


class Mutants(unittest.TestCase):
    def runner(self, script: str) -> mutants.Runner:
        """A runner whose test program is a script."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        runner = mutants.Runner.__new__(mutants.Runner)
        runner.tree = runner.build_dir = Path(folder.name)
        program = Path(folder.name) / "base_test"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return runner

    def test_what_a_test_program_says(self):
        for script, outcome in (("echo 'Running 2 tests from 1 suite'", "passed"),
                                ("echo 'Running 2 tests from 1 suite'; exit 1", "failed"),
                                ("echo 'Running 0 tests from 0 suites'", "none"),
                                ("echo 'Running 1 test from 1 suite'; echo '[  SKIPPED ] A.B (0 ms)'", "none"),
                                ("echo 'Running 1 test from 1 suite'; kill -SEGV $$", "failed")):
            with self.subTest(script):
                self.assertEqual(self.runner(script).execute(("test", "base_test A.*"))[0], outcome)
        self.assertEqual(self.runner("").execute(("test", "other_test A.*"))[0], "none")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
