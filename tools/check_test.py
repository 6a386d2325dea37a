#!/usr/bin/env python3
"""Every house rule fails on a planted violation, names its place, and is quiet about what is right."""

import io
import json
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import check

GOOD_HEADER = "// A wire header.\n#pragma once\n"


class Rule(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name).resolve() / "tree"
        self.build = Path(self.folder.name).resolve() / "out"
        self.put("src/base/bytes.h", GOOD_HEADER)

    def put(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def findings(self, rule: str) -> list[check.Finding]:
        return check.run_rule(rule, check.Tree(self.root, self.build))

    def assert_holds(self, rule: str) -> None:
        self.assertEqual([str(finding) for finding in self.findings(rule) if not finding.warning], [])

    def assert_finds(self, rule: str, path: str, line: int, text: str) -> None:
        found = self.findings(rule)
        self.assertTrue(any(finding.path == path and finding.line == line and text in finding.text and not finding.warning
                            for finding in found), f"{path}:{line} … {text} not in {[str(f) for f in found]}")


class Arrows(Rule):
    def test_the_way_that_arrows_point(self):
        self.put("src/wire/header.h", GOOD_HEADER + '#include "base/bytes.h"\n')
        self.put("src/wire/header_test.cc", '#include "layer/policy.h"\n')
        self.put("src/layer/policy.h", GOOD_HEADER + '#include "wire/header.h"\n')
        self.put("src/node/node.h", GOOD_HEADER + '#include "layer/policy.h"\n#include "io/udp.h"\n')
        self.put("src/io/udp.h", GOOD_HEADER)
        self.put("src/cli/main.cc", '#include "node/node.h"\n')
        self.assert_holds("arrows")

    def test_against_the_arrow(self):
        self.put("src/layer/policy.h", GOOD_HEADER)
        self.put("src/wire/header.h", GOOD_HEADER + '#include "layer/policy.h"\n')
        self.assert_finds("arrows", "src/wire/header.h", 3, "wire includes")

    def test_siblings(self):
        self.put("src/crypto/hash.h", GOOD_HEADER)
        self.put("src/wire/header.h", GOOD_HEADER + '#include "crypto/hash.h"\n')
        self.assert_finds("arrows", "src/wire/header.h", 3, "crypto/hash.h")

    def test_io_from_a_pure_room(self):
        self.put("src/io/udp.h", GOOD_HEADER)
        self.put("src/layer/policy.cc", '#include "io/udp.h"\n')
        self.assert_finds("arrows", "src/layer/policy.cc", 1, "io/udp.h")

    def test_a_role_from_a_role(self):
        self.put("src/host/host.h", GOOD_HEADER)
        self.put("src/node/node.cc", '#include "host/host.h"\n')
        self.assert_finds("arrows", "src/node/node.cc", 1, "host/host.h")

    def test_a_service_sees_only_sdk(self):
        self.put("sdk/include/entresol/service.h", GOOD_HEADER)
        self.put("src/services/cache/store.h", GOOD_HEADER)
        self.put("src/services/cache/cache.cc", '#include "entresol/service.h"\n#include "services/cache/store.h"\n')
        self.assert_holds("arrows")
        self.put("src/services/cache/cache.cc", '#include "base/bytes.h"\n')
        self.assert_finds("arrows", "src/services/cache/cache.cc", 1, "sdk")

    def test_sdk_sees_only_itself(self):
        self.put("sdk/include/entresol/service.h", GOOD_HEADER + '#include "base/bytes.h"\n')
        self.assert_finds("arrows", "sdk/include/entresol/service.h", 3, "sdk/ includes")

    def test_roots(self):
        self.put("src/wire/a.cc", '#include "../base/bytes.h"\n#include "bytes.h"\n')
        self.assert_finds("arrows", "src/wire/a.cc", 1, "relative")
        self.assert_finds("arrows", "src/wire/a.cc", 2, "not below src/")

    def test_unknown_room(self):
        self.put("src/misc/a.cc", "int a;\n")
        self.assert_finds("arrows", "src/misc/a.cc", 1, "no room")

    def test_linking(self):
        self.put("src/wire/CMakeLists.txt", "entresol_room(wire SOURCES a.cc\n  TESTS a_test.cc\n  DEPS entresol_base\n"
                                            "  TEST_DEPS entresol_layer)\n")
        self.assert_holds("linking")
        self.put("src/wire/CMakeLists.txt", "entresol_room(wire SOURCES a.cc\n  DEPS entresol_base entresol_io)\n")
        self.assert_finds("linking", "src/wire/CMakeLists.txt", 2, "entresol_io")


class Purity(Rule):
    def library(self, room: str, source: str) -> None:
        self.put(f"src/{room}/a.cc", source)
        folder = self.build / "src" / room
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["g++", "-std=c++20", "-O1", "-c", self.root / f"src/{room}/a.cc", "-o", folder / "a.cc.o"], check=True)
        (folder / f"libentresol_{room}.a").unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", folder / f"libentresol_{room}.a", folder / "a.cc.o"], check=True)

    def test_pure(self):
        self.library("wire", "#include <string>\nstd::string f(int n) { return std::to_string(n); }\n")
        self.assert_holds("purity")

    def test_not_built(self):
        self.put("src/wire/a.cc", "int a;\n")
        self.assert_finds("purity", "src/wire/CMakeLists.txt", 1, "build it first")

    def test_impure(self):
        planted = {
            "a socket": "#include <sys/socket.h>\nint f() { return socket(1, 2, 0); }\n",
            "input or output": "#include <unistd.h>\nlong f(void* p) { return read(0, p, 1); }\n",
            "a file": "#include <fstream>\nbool f() { return std::ifstream(\"a\").good(); }\n",
            "a clock": "#include <chrono>\nlong f() { return std::chrono::steady_clock::now().time_since_epoch().count(); }\n",
            "randomness": "#include <sys/random.h>\nlong f(void* p) { return getrandom(p, 8, 0); }\n",
            "a thread or a lock": "#include <mutex>\nstd::mutex m;\nvoid f() { std::lock_guard lock(m); }\n",
            "a standard stream": "#include <iostream>\nvoid f() { std::cout << 1; }\n",
            "the environment": "#include <cstdlib>\nchar* f() { return getenv(\"HOME\"); }\n",
        }
        for what, source in planted.items():
            with self.subTest(what):
                self.library("security", source)
                self.assert_finds("purity", "src/security/a.cc", 1, f"uses {what}")

    def test_random_keys_but_not_derived_ones(self):
        self.library("crypto", 'extern "C" int crypto_sign_seed_keypair(void*);\nint f(void* p) { return '
                               "crypto_sign_seed_keypair(p); }\n")
        self.assert_holds("purity")
        self.library("crypto", 'extern "C" int crypto_sign_keypair(void*);\nint f(void* p) { return crypto_sign_keypair(p); }\n')
        self.assert_finds("purity", "src/crypto/a.cc", 1, "crypto_sign_keypair")

    def test_allowed_in_one_room_only(self):
        source = "#include <pthread.h>\nint f(pthread_once_t* o, void (*g)()) { return pthread_once(o, g); }\n"
        self.library("crypto", source)
        self.assert_holds("purity")
        self.library("wire", source)
        self.assert_finds("purity", "src/wire/a.cc", 1, "pthread_once")

    def test_headers(self):
        self.put("src/wire/a.h", "#include <sys/socket.h>\n")
        self.assert_finds("headers", "src/wire/a.h", 1, "sys/socket.h")
        self.assert_finds("headers", "src/wire/a.h", 1, "#pragma once")
        self.put("src/layer/a.cc", "#include <vector>\n#include <iostream>\n")
        self.assert_finds("headers", "src/layer/a.cc", 2, "iostream")


class Fuzzed(Rule):
    TARGET = '// fuzzes: wire/header.h\n#include "wire/header.h"\nint LLVMFuzzerTestOneInput(const char*, long) { return 0; }\n'

    def setUp(self):
        super().setUp()
        self.put("src/wire/header.h", GOOD_HEADER + "// parse(x) is named in a comment\nstruct View {\n"
                                      "  static base::Result<View> parse(ByteView bytes);\n};\n")

    def test_a_parser_without_target(self):
        self.assert_finds("fuzzed", "src/wire/header.h", 5, "parse has no fuzz target")

    def test_a_parser_with_target(self):
        self.put("fuzz/header_fuzz.cc", self.TARGET)
        self.put("fuzz/wire.cmake", "entresol_fuzzer(header SOURCE header_fuzz.cc DEPS entresol_wire)\n")
        self.assert_holds("fuzzed")

    def test_a_target_that_is_never_built(self):
        self.put("fuzz/header_fuzz.cc", self.TARGET)
        self.assert_finds("fuzzed", "fuzz/header_fuzz.cc", 1, "never built")

    def test_a_target_that_only_says_so(self):
        self.put("fuzz/header_fuzz.cc", self.TARGET.replace('#include "wire/header.h"', ""))
        self.assert_finds("fuzzed", "fuzz/header_fuzz.cc", 1, "does not include it")
        self.assert_finds("fuzzed", "src/wire/header.h", 5, "no fuzz target")

    def test_what_declares_a_parser(self):
        for text in ("std::optional<Header> parse_header(ByteView);", "[[nodiscard]] DropReason decode(Header& out);",
                     "inline constexpr bool parse(int x) { return x; }", "const std::map<int, int>& parse_all();"):
            with self.subTest(text):
                self.put("src/wire/header.h", GOOD_HEADER + text + "\n")
                self.assert_finds("fuzzed", "src/wire/header.h", 3, "no fuzz target")
        for text in ("inline int f() { return parse(3); }", "// bool parse(int);", "int parser_count();", 'auto s = "int parse(";'):
            with self.subTest(text):
                self.put("src/wire/header.h", GOOD_HEADER + text.replace("int parser_count", "int a_parser_count") + "\n")
                self.assert_holds("fuzzed")


class Text(Rule):
    def test_long_file(self):
        self.put("src/base/a.cc", "int a;\n" * 661)
        self.assert_finds("sizes", "src/base/a.cc", 600, "661 lines")
        self.put("src/base/a.cc", "int a;\n" * 640)
        self.assert_holds("sizes")
        self.assertTrue(any(finding.warning for finding in self.findings("sizes")))

    def test_long_function(self):
        body = "int f(int n) {\n" + "  if (n) {\n    n += 1;\n  }\n" * 23 + "  return n;\n}\n"
        self.put("src/base/a.cc", body + body)
        self.assertEqual([(finding.line, finding.warning) for finding in self.findings("sizes")], [(1, True), (73, True)])
        self.put("src/base/a.cc", "int g() {\n  return 1;\n}\n")
        self.assertEqual(self.findings("sizes"), [])

    def test_words(self):
        self.put("docs/a.md", "fine\n" + "TO" + "DO: more\n")
        self.assert_finds("words", "docs/a.md", 2, "finish it")
        self.put("docs/a.md", "see /wo" + "rk/main/a\n")
        self.assert_finds("words", "docs/a.md", 1, "path of one machine")
        self.put("docs/a.md", "src/network/work/a and TODOS and mktemp /tmp/a.XXXXXX\n")
        self.assert_holds("words")

    def test_sleeping_test(self):
        self.put("src/io/a_test.cc", "// sleep(1)\nvoid f() { std::this_thread::sleep_for(1s); }\n")
        self.assert_finds("patience", "src/io/a_test.cc", 2, "sleep_for")

    def test_scripts(self):
        self.put("tests/a.sh", "#!/bin/bash\necho\n")
        self.assert_finds("scripts", "tests/a.sh", 1, "pipefail")
        self.put("tests/a.sh", "#!/bin/bash\nset -euo pipefail\nif\n")
        self.assert_finds("scripts", "tests/a.sh", 4, "parse")


class Mutants(Rule):
    BLOCK = "mutant {id}\nfile src/base/bytes.h\ntest base_test Bytes.*\nwhy because\nbefore\n{before}\nafter\nend\n"

    def test_applies(self):
        self.put("tests/mutants/a.mutant", "# what these are\n" + self.BLOCK.format(id="a", before="#pragma once"))
        self.assert_holds("mutants")

    def test_no_longer_applies(self):
        self.put("tests/mutants/a.mutant", self.BLOCK.format(id="a", before="pragma once"))
        self.assert_finds("mutants", "tests/mutants/a.mutant", 1, "found 0 times")
        self.put("src/base/bytes.h", "int a;\nint a;\n")
        self.put("tests/mutants/a.mutant", self.BLOCK.format(id="a", before="int a;"))
        self.assert_finds("mutants", "tests/mutants/a.mutant", 1, "found 2 times")

    def test_malformed(self):
        good = self.BLOCK.format(id="a", before="#pragma once")
        for text, words in ((good.replace("why because\n", ""), "lacks why"), (good.replace("end\n", ""), 'no "end"'),
                            (good + good, "is also in"), (good.replace("test base_test Bytes.*", "test base_test"), "FILTER"),
                            ("nonsense\n", "outside a block")):
            with self.subTest(words):
                self.put("tests/mutants/a.mutant", text)
                self.assertTrue(any(words in finding.text for finding in self.findings("mutants")))


class Tools(Rule):
    def tool(self, name: str) -> None:
        if not shutil.which(name):
            self.fail(f"{name} is missing: ./run test installs it")

    def test_style(self):
        self.tool("clang-format-19")
        shutil.copy(Path(check.__file__).parent.parent / ".clang-format", self.root)
        self.assert_holds("style")
        self.put("src/base/a.cc", "int  a;\n")
        self.assert_finds("style", "src/base/a.cc", 1, "clang-format-19 -i src/base/a.cc")

    def test_tidy(self):
        self.tool("clang-tidy-19")
        shutil.copy(Path(check.__file__).parent.parent / ".clang-tidy", self.root)
        self.build.mkdir()
        source = self.root / "src/base/a.cc"
        commands = [{"directory": str(self.build), "file": str(source),
                     "command": f"g++ -std=c++20 -I{self.root}/src -o a.o -c {source}"}]
        (self.build / "compile_commands.json").write_text(json.dumps(commands))
        self.put("src/base/a.cc", '#include "base/bytes.h"\nint spare_bits(int n) { return n; }\n')
        self.assert_holds("tidy")
        self.assertEqual(len(list((self.build / "tidy").iterdir())), 1)
        self.put("src/base/bytes.h", GOOD_HEADER + "inline int BadName() { return 1; }\n")
        self.assert_finds("tidy", "src/base/bytes.h", 3, "BadName")  # a header's change undoes what was remembered
        self.put("src/base/b.cc", "int b;\n")
        self.assert_finds("tidy", "src/base/b.cc", 1, "not in")

    def test_missing_tool_is_a_finding(self):
        def absent(_tree):
            raise FileNotFoundError(2, "No such file", "clang-format-19")

        rules = dict(check.RULES)
        self.addCleanup(lambda: check.RULES.update(rules))
        check.RULES["style"] = absent
        self.assert_finds("style", "tools/check.py", 1, "needs clang-format-19")

    def test_report(self):
        self.put("src/misc/a.cc", "int a;\n")
        out = io.StringIO()
        self.assertEqual(check.run(check.Tree(self.root), ["arrows", "words"], out), (["words"], ["arrows"]))
        self.assertIn("src/misc/a.cc:1: src/misc/ is no room", out.getvalue())


if __name__ == "__main__":
    unittest.main()
