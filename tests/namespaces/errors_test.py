#!/usr/bin/env python3
"""What a person is told: each error names its place and its way out, `explain` knows every code, JSON parses, exit codes are
those of docs/operations.md."""

import json
import os
import re
import shutil
import socket

import lab
from lab import ENTRESOL, PORT, ROOT, Lab, Ran, Star, check, need, run, until

OK, ERROR, USAGE, DEGRADED, DENIED, UNREACHABLE = range(6)


def refused(ran: Ran, code: str, *words: str, exit_code: int = ERROR) -> None:
    """The command ended with that error: the same code for people and in the exit code, and all words in its text."""
    check(ran.code == exit_code, f"exit code {ran.code}, not {exit_code}: {ran.text}")
    check(f"entresol: {code}: " in ran.err and not ran.out.strip(), f"no {code}: {ran.text}")
    check(f"explain {code}" in ran.err, f"does not say where more is said: {ran.err}")
    for word in words:
        check(word in ran.err, f"does not say '{word}': {ran.err}")


def run_role(bench: Lab, role: str, who: str, space: str | None = None, *prefix) -> Ran:
    return bench.within(space or who, *prefix, ENTRESOL, "run", role, "-c", bench.file(f"{who}.yaml"), limit=20)


def test_configuration(bench: Lab) -> None:
    star = Star(bench)
    good = f"""listen: :{PORT}
control: node.sock
layers:
  - label: edge
    root: {star.layer.root}.pub
    identity: {star.node.path('key')}
    certificate: {star.node.path('cert')}
"""
    path = bench.file("node.yaml")

    def with_text(text: str) -> Ran:
        path.write_text(text)
        return run_role(bench, "node", "node")

    at = f"{path}:"
    refused(with_text(good.replace("listen:", "lisen:")), "E0102", f"{at}1:1", "lisen", "'listen'")
    refused(with_text(good + "    gests: []\n"), "E0102", f"{at}8:5", "gests", "'guests'")
    refused(with_text(good + "udp:\n  grow: true\n"), "E0102", f"{at}9:3", "grow", "'gro'")
    refused(with_text(good.replace(f":{PORT}", "somewhere")), "E0103", f"{at}1:", "somewhere")
    refused(with_text(good + "underlay_mtu: many\n"), "E0103", f"{at}8:")
    refused(with_text(good + "log: {level: loud}\n"), "E0103", f"{at}8:", "loud")
    refused(with_text(re.sub(r"    identity:.*\n", "", good)), "E0104", "identity")
    refused(with_text(good + "  - [\n"), "E0101", at)
    refused(with_text("\tlisten: 1\n"), "E0101", f"{at}1:")
    refused(with_text(""), "E0101", f"{at}1:1")
    refused(with_text(good.replace("    identity:", "    identiy:")), "E0102", f"{at}6:5", "identiy", "'identity'")
    refused(with_text(good.replace(".pub", ".nowhere")), "E0105", f"{star.layer.root}.nowhere")
    refused(with_text(good.replace(star.node.path("key"), star.node.path("pub"))), "E0201", star.node.path("pub"))
    refused(with_text(good.replace(star.node.path("key"), star.alice.path("key"))), "E0203")
    certificate = open(star.node.path("cert")).read()
    body = certificate.splitlines()
    cut = bench.write("cut.cert", "\n".join([body[0], body[1][:40], body[-1]]) + "\n")
    ran = with_text(good.replace(star.node.path("cert"), str(cut)))
    check(ran.code == ERROR and ("E0201" in ran.err or "E0202" in ran.err), f"a certificate that was cut: {ran.text}")
    refused(run(ENTRESOL, "run", "node", "-c", bench.file("nowhere.yaml")), "E0105", "nowhere.yaml")
    refused(run(ENTRESOL, "status", "-c", bench.file("nowhere.yaml")), "E0105", "nowhere.yaml")
    path.write_text(good)
    bench.start_role("node", "node")


def test_machine(bench: Lab) -> None:
    star = Star(bench)
    taken = bench.socket("node", socket.AF_INET6, socket.SOCK_DGRAM)
    taken.bind(("::", PORT))
    refused(run_role(bench, "node", "node"), "E0303", str(PORT))
    taken.close()
    star.start_node()

    need("ip", "-n", bench.space("alice"), "route", "add", "100.64.128.0/20", "via", "10.83.1.1")
    refused(run_role(bench, "host", "alice"), "E0304", "100.64.0.0/16", "100.64.128.0/20", "ipv4_pool")
    need("ip", "-n", bench.space("alice"), "route", "del", "100.64.128.0/20")
    need("ip", "-n", bench.space("alice"), "route", "add", star.layer.names.replace("/32", "/48"), "via", "fd83:1::1")
    refused(run_role(bench, "host", "alice"), "E0304", star.layer.names)
    need("ip", "-n", bench.space("alice"), "route", "del", star.layer.names.replace("/32", "/48"))

    star.configure_host("bob", ["alice"], top={"underlay_mtu": 1400})
    refused(run_role(bench, "host", "bob"), "E0305", "1400", "1280", "1420")
    star.configure_host("bob", ["alice"], f"[fd83:2::1]:{PORT}", top={"underlay_mtu": 1420})
    refused(run_role(bench, "host", "bob"), "E0305", "1440")
    star.configure_host("bob", ["alice"], top={"underlay_mtu": 1420})
    bench.start_host("bob")
    refused(bench.within("bob", ENTRESOL, "up", "-c", bench.file("bob.yaml")), "E0306", "bob.sock")
    refused(run_role(bench, "node", "node", "bob"), "E0306", "node.sock")

    refused(run(ENTRESOL, "keygen", "identity", star.alice.base), "E0207", star.alice.path("key"))
    refused(run(ENTRESOL, "keygen", "root", bench.file("no") / "such" / "folder"), "E0106")
    before = need("ip", "-n", bench.space("alice"), "-j", "addr").out
    refused(run_role(bench, "host", "alice", None, "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"), "E0302")
    check(need("ip", "-n", bench.space("alice"), "-j", "addr").out == before, "a host that could not start left something")


def test_as_nobody(bench: Lab) -> None:
    """A node needs no rights; a host is told which it needs."""
    star = Star(bench)
    command = bench.file("entresol")
    shutil.copy(ENTRESOL, command)
    for entry in [bench.folder, *bench.folder.iterdir()]:
        shutil.chown(entry, "nobody")
    nobody = ("setpriv", "--reuid=nobody", "--clear-groups", command, "run")
    node = bench.start("node", *nobody, "node", "-c", bench.file("node.yaml"))
    until("the node answers", lambda: bench.status("node") or not node.alive())
    check(node.alive(), f"a node as nobody: {node.text()}")
    alice = bench.within("alice", *nobody, "host", "-c", bench.file("alice.yaml"), limit=20)
    refused(alice, "E0302", "CAP_NET_ADMIN")
    # As on machines where the device itself is root's alone: here by a mount of this process's.
    closed = bench.write("closed-tun", "")
    closed.chmod(0o600)
    hidden = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /dev/net/tun && exec "$@"', closed)
    alice = bench.within("alice", *hidden, *nobody, "host", "-c", bench.file("alice.yaml"), limit=20)
    refused(alice, "E0302", "CAP_NET_ADMIN")
    bench.start_host("bob")
    demo = run("setpriv", "--reuid=nobody", "--clear-groups", command, "demo")
    refused(demo, "E0302", "root")


def test_explain(bench: Lab) -> None:
    listed = {each["code"] for each in run(ENTRESOL, "-o", "json", "explain").json()}
    sources = set(re.findall(r'"(E\d{4})"', (ROOT / "src/base/error_codes.h").read_text()))
    document = set(re.findall(r"^\| (E\d{4}) \|", (ROOT / "docs/operations.md").read_text(), re.M))
    check(listed == sources == document and listed, f"codes differ: {listed ^ sources}, {listed ^ document}")
    for code in sorted(listed):
        told = run(ENTRESOL, "explain", code.lower())
        check(told.code == OK and told.out.startswith(code) and len(told.out) > 60, f"explain {code}: {told.text}")
        answer = run(ENTRESOL, "explain", code, "-o", "json").json()
        check(answer["code"] == code and answer["title"] and answer["text"], f"explain {code} as JSON: {answer}")
    refused(run(ENTRESOL, "explain", "E9999"), "E0502", "E9999", exit_code=USAGE)


def test_usage(bench: Lab) -> None:
    for words in ((), ("no-such-command",), ("run",), ("run", "gateway", "-c", "x"), ("keygen", "sword", "x"), ("--no-such-option",),
                  ("ping",), ("-o", "xml", "explain"), ("sign", "certificate"), ("ping", "x", "-n", "0"), ("status", "--days", "1")):
        ran = run(ENTRESOL, *words)
        check(ran.code == USAGE and ran.text.strip(), f"{words}: exit code {ran.code}: {ran.text}")
    for words in (("--help",), ("--version",), ("sign", "--help"), ("sign", "grant", "--help"), ("demo", "--list")):
        ran = run(ENTRESOL, *words)
        check(ran.code == OK and ran.out.strip(), f"{words}: exit code {ran.code}")
    refused(run(ENTRESOL, "status"), "E0502", "-c FILE", exit_code=USAGE)
    refused(run(ENTRESOL, "demo", "--break", "nothing"), "E0502", "nothing", exit_code=USAGE)


def json_of(bench: Lab, words, exit_code: int = OK):
    ran = run(ENTRESOL, "-o", "json", *words, cwd=bench.folder)
    check(ran.code == exit_code, f"{words}: exit code {ran.code}, not {exit_code}: {ran.text}")
    try:
        return json.loads(ran.out)
    except json.JSONDecodeError:
        raise lab.Failed(f"{words}: not JSON: {ran.text}") from None


def error_of(bench: Lab, words, code: str, exit_code: int = ERROR) -> None:
    answer = json_of(bench, words, exit_code)
    check(answer["error"]["code"] == code and answer["error"]["message"], f"{words}: {answer}")


def test_json(bench: Lab) -> None:
    """-o json with every command, and with its errors; before or behind the verb."""
    star = Star(bench)
    json_of(bench, ("keygen", "operator", "op"))
    json_of(bench, ("sign", "delegation", "--with", f"{star.layer.root}.key", "--operator", "op.pub", "--label", "op", "--out", "op.delegation"))
    json_of(bench, ("sign", "certificate", "--with", "op.key", "--delegation", "op.delegation", "--root", f"{star.layer.root}.pub", "--identity",
                    star.alice.path("pub"), "--label", "alice", "--ipv4", star.alice.ipv4, "--out", star.alice.path("cert")))
    star.layer.register(star.alice, ["node"])
    error_of(bench, ("keygen", "operator", "op"), "E0207")
    error_of(bench, ("run", "node", "-c", "nowhere.yaml"), "E0105")
    error_of(bench, ("status", "-c", "node.yaml"), "E0501", UNREACHABLE)
    for verb in ("ping bob", "protocols", "rekey", "down"):
        error_of(bench, (*verb.split(), "-c", "node.yaml"), "E0501", UNREACHABLE)
    star.start_node()
    up = bench.need_within("alice", ENTRESOL, "up", "-c", bench.file("alice.yaml"), "-o", "json").json()
    check(up["up"] is True and up["pid"] > 0, f"up: {up}")
    bench.start_host("bob")
    bench.until_reaches("alice", star.bob.address)
    check({each["id"] for each in json_of(bench, ("demo", "--list"))} >= {"ping", "guest"}, "demo --list")
    for who in ("node", "alice"):
        status = json_of(bench, ("status", "-c", f"{who}.yaml"))
        check(status["version"] == 1 and status["role"] == ("node" if who == "node" else "host"), f"status: {status}")
        check(json_of(bench, ("protocols", "-c", f"{who}.yaml"))["links"], "protocols")
        check(json_of(bench, ("rekey", "--control", f"{who}.sock")), "rekey")
    check(json_of(bench, ("ping", "bob", "-c", "alice.yaml"))["received"] == 3, "ping")
    text = run(ENTRESOL, "status", "-c", bench.file("node.yaml"), "--prometheus").out
    reasons = set(re.findall(r'entresol_drops_total\{reason="(\w+)"\}', text))
    document = set(re.findall(r"^\| `(\w+)` \| [^|]* \| [^|]* \|$", (ROOT / "docs/operations.md").read_text(), re.M))
    check(reasons and reasons <= document, f"reasons that the document does not know: {reasons - document}")
    check(json_of(bench, ("down", "-c", "alice.yaml")), "down")


def test_exit_codes(bench: Lab) -> None:
    """ok, degraded and unreachable; denied comes with rules."""
    star = Star(bench)
    star.start()
    bench.until_reaches("alice", star.bob.address)

    def ping(name: str, count: int = 2) -> Ran:
        return bench.ask("alice", "ping", name, "-n", str(count))

    for name in ("bob", star.bob.address, star.bob.ipv4, "node"):
        ran = ping(name)
        check(ran.code == OK and ran.json()["received"] == 2, f"ping {name}: {ran.text}")
    check([hop["name"] for hop in ping("bob").json()["path"]] == ["alice", "node", "bob"], "the path to bob")
    unknown = ping("nobody")
    check(unknown.code == UNREACHABLE and unknown.json()["error"]["code"] == "E0401", f"ping nobody: {unknown.text}")
    star.hosts["bob"].kill()
    gone = ping("bob", 1)
    check(gone.code == UNREACHABLE and gone.json()["received"] == 0, f"ping of a host that is gone: {gone.text}")
    check(bench.ask("alice", "status").code == OK and bench.ask("node", "status").code == OK, "status while attached")
    star.hosts["alice"].kill()
    star.node_process.kill()
    check(bench.ask("node", "status").code == UNREACHABLE, "status of a node that was killed")
    up = bench.within("alice", ENTRESOL, "-o", "json", "up", "-c", bench.file("alice.yaml"))
    check(up.code == DEGRADED and up.json()["error"]["code"] == "E0401", f"up without a node: {up.text}")
    check(bench.ask("alice", "status").code == DEGRADED, "status without a node")
    star.start_node()
    until("alice is attached", lambda: bench.ask("alice", "status").code == OK)


if __name__ == "__main__":
    lab.main(test_configuration, test_machine, test_as_nobody, test_explain, test_usage, test_json, test_exit_codes,
             tools=("setpriv",))
