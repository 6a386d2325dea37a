#!/usr/bin/env python3
"""`entresol demo`: every step holds, and nothing of it stays, neither after its end nor after SIGINT in its middle.

A machine has one demo at a time, with names that are always the same. This one is given a view of the machine of its own
(mounts, network, processes), so that it neither meets nor ends another that is running or was kept.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import lab
from lab import ENTRESOL, Lab, check, run, until

STEPS = {"keys", "attach", "ping", "curl", "iperf3", "errors", "sealed", "rotate", "guest", "kill"}


def traces() -> dict:
    """All that a demo may leave behind on this machine."""
    processes = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            spaces = os.readlink(entry / "ns/net")
        except OSError:
            continue
        line = b" ".join(words).decode(errors="replace")
        if "entresol-demo" in line or "wg-carol" in line:
            processes.append((entry.name, spaces, line.strip()))
    sockets = Path("/var/run/wireguard")
    return {
        "namespaces": sorted(line.split()[0] for line in run("ip", "netns", "list").out.splitlines() if line.startswith("entresol-demo")),
        "folder": sorted(map(str, Path("/tmp").glob("entresol-demo*"))),
        "processes": processes,
        "wireguard": sorted(str(path) for path in sockets.glob("wg-carol*")) if sockets.exists() else [],
        "addresses": run("ip", "-j", "addr").out,
        "routes": run("ip", "-j", "route", "show", "table", "all").out + run("ip", "-6", "-j", "route", "show", "table", "all").out,
        "rules": run("ip", "-j", "rule").out + run("ip", "-6", "-j", "rule").out,
        "resolv.conf": Path("/etc/resolv.conf").read_bytes() if Path("/etc/resolv.conf").exists() else b"",
    }


def nothing_more(before: dict) -> None:
    after = traces()
    for what, was in before.items():
        check(after[what] == was, f"{what}: {after[what]} is left, there was {was}")


def test_every_step_holds(bench: Lab) -> None:
    before = traces()
    ran = run(ENTRESOL, "demo", "-o", "json", limit=240, cwd=bench.folder)
    nothing_more(before)
    result = json.loads(ran.out)
    failed = [f"{step['id']}: {step['seen']}" for step in result["steps"] if not step["holds"]]
    check(not failed, f"steps fail: {failed}")
    check({step["id"] for step in result["steps"]} >= STEPS, "a step is missing")
    check(ran.code == 0 and result["held"] == result["of"] == len(result["steps"]), f"exit code {ran.code}, {result['held']} of {result['of']}")


def test_a_broken_step_fails(bench: Lab) -> None:
    before = traces()
    ran = run(ENTRESOL, "demo", "--break", "attach", "-o", "json", limit=240, cwd=bench.folder)
    nothing_more(before)
    held = {step["id"]: step["holds"] for step in json.loads(ran.out)["steps"]}
    check(held.get("attach") is False, f"the step that was broken holds: {held}")
    check(ran.code == 1 and held.pop("keys") and not any(held.values()), f"exit code {ran.code}, {held}")


def interrupted(bench: Lab, number: int, reached) -> None:
    before = traces()
    demo = lab.Process([ENTRESOL, "demo", "-o", "json"], bench.file("demo.log"))
    bench.processes.append(demo)
    until("the demo is under way", lambda: reached() or not demo.alive())
    check(demo.alive(), f"the demo ended by itself: {demo.text()}")
    os.kill(demo.pid, number)  # it alone, not what it has started
    code = demo.wait(lab.PATIENCE)
    check(code == 1, f"exit code {code} after signal {number}")
    nothing_more(before)


def test_sigint_while_it_starts(bench: Lab) -> None:
    interrupted(bench, signal.SIGINT, lambda: Path("/run/netns/entresol-demo-node").exists())


def test_sigint_under_traffic(bench: Lab) -> None:
    interrupted(bench, signal.SIGINT, lambda: "iperf3" in run("ip", "netns", "exec", "entresol-demo-bob", "ss", "-Hltnp").out)


def test_sigterm_with_hosts(bench: Lab) -> None:
    interrupted(bench, signal.SIGTERM, lambda: Path("/tmp/entresol-demo/bob.sock").exists())


def see_nothing_else() -> None:
    """Starts this program again, alone: own mounts at /run and /tmp, own network, own processes."""
    binary = f"/run/{os.path.basename(ENTRESOL)}"
    if os.environ.get("ENTRESOL_ALONE") == "1":
        for folder in ("/run", "/tmp"):
            lab.need("mount", "-t", "tmpfs", "none", folder)
        Path("/run/netns").mkdir()
        with os.fdopen(int(os.environ["ENTRESOL_FD"]), "rb") as source, open(binary, "wb") as target:
            shutil.copyfileobj(source, target)
        os.chmod(binary, 0o755)
        return
    program = os.open(ENTRESOL, os.O_RDONLY)
    os.set_inheritable(program, True)
    os.environ.update(ENTRESOL=binary, ENTRESOL_ALONE="1", ENTRESOL_FD=str(program))
    os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-B", *sys.argv])


if __name__ == "__main__":
    if os.geteuid() == 0 and shutil.which("unshare") and os.access(ENTRESOL, os.X_OK) or os.environ.get("ENTRESOL_ALONE"):
        see_nothing_else()
    lab.main(test_every_step_holds, test_a_broken_step_fails, test_sigint_while_it_starts, test_sigint_under_traffic,
             test_sigterm_with_hosts, tools=("wg", "wireguard-go", "curl", "iperf3", "tcpdump", "ss", "unshare"))
