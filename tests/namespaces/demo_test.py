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

STATE = Path("/run/entresol-demo.json")
STEPS = {"init", "site", "join", "ping", "curl", "iperf3", "names", "errors", "policy", "sealed", "rotate", "guest", "revoke", "controller", "kill"}


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
        "files": sorted(map(str, [*Path("/tmp").glob("entresol-demo*"), *Path("/run").glob("entresol-demo*")])),
        "processes": processes,
        "wireguard": sorted(str(path) for path in sockets.glob("wg-carol*")) if sockets.exists() else [],
        "addresses": run("ip", "-j", "addr").out,
        "routes": run("ip", "-j", "route", "show", "table", "all").out + run("ip", "-6", "-j", "route", "show", "table", "all").out,
        "rules": run("ip", "-j", "rule").out + run("ip", "-6", "-j", "rule").out,
        "netns": sorted(str(path) for path in Path("/etc/netns").glob("entresol-demo*")),
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
    ran = run(ENTRESOL, "demo", "--break", "join", "-o", "json", limit=240, cwd=bench.folder)
    nothing_more(before)
    held = {step["id"]: step["holds"] for step in json.loads(ran.out)["steps"]}
    check(held.get("join") is False, f"the step that was broken holds: {held}")
    check(ran.code == 1 and held.pop("init") and held.pop("site") and not any(held.values()), f"exit code {ran.code}, {held}")


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
    interrupted(bench, signal.SIGTERM, lambda: demo_folder() and (demo_folder() / "bob" / "host.sock").exists())


def demo_folder() -> Path | None:
    """Where the demo that there is has its files."""
    return Path(json.loads(STATE.read_text())["folder"]) if STATE.exists() and STATE.read_text() else None


def refused(ran: lab.Ran) -> None:
    check(ran.code == 1, f"a second demo: exit code {ran.code}: {ran.text}")
    error = json.loads(ran.out)["error"]
    check(error["code"] == "E0503" and "entresol demo --clean" in error["message"], f"a second demo: {error}")


def cleaned(bench: Lab, before: dict) -> None:
    ran = run(ENTRESOL, "demo", "--clean", cwd=bench.folder)
    check(ran.code == 0, f"--clean: {ran.text}")
    nothing_more(before)


def kept(bench: Lab) -> None:
    """A demo that was kept; a step is broken that takes the others with it, so that it is quick."""
    ran = run(ENTRESOL, "demo", "--keep", "--break", "join", "-o", "json", limit=240, cwd=bench.folder)
    check(ran.code == 1 and json.loads(ran.out)["folder"] == str(demo_folder()), f"--keep: {ran.text}")


def test_a_kept_demo_is_not_ended_by_another(bench: Lab) -> None:
    before = traces()
    kept(bench)
    while_kept = traces()
    check(while_kept["namespaces"] != before["namespaces"], "--keep keeps nothing")
    refused(run(ENTRESOL, "demo", "-o", "json", cwd=bench.folder))
    refused(run(ENTRESOL, "demo", "--keep", "-o", "json", cwd=bench.folder))
    check(traces() == while_kept, "a second demo changes the first")
    cleaned(bench, before)
    cleaned(bench, before)


def test_its_files_are_its_own(bench: Lab) -> None:
    """A folder that nobody else can enter, of a name that nobody can lay a link at beforehand."""
    before = traces()
    trap = bench.file("trap")
    trap.mkdir()
    (trap / "precious").touch()
    os.symlink(trap, "/tmp/entresol-demo")
    os.symlink(bench.file("elsewhere"), STATE)
    ran = run(ENTRESOL, "demo", "-o", "json", cwd=bench.folder)
    check(ran.code == 1 and not bench.file("elsewhere").exists(), f"a link at {STATE} is followed: {ran.text}")
    STATE.unlink()
    kept(bench)
    folder = demo_folder()
    check(folder.parent == Path("/tmp") and not folder.is_symlink(), f"the folder is {folder}")
    check(folder.stat().st_mode & 0o777 == 0o700 and folder.stat().st_uid == 0, "others can enter its folder")
    check(STATE.stat().st_mode & 0o777 == 0o600, "others can read where it is")
    secrets = [path for path in folder.rglob("*") if path.suffix in (".key", ".pem") or path.name == "admin.json"]
    open_to_all = [path.name for path in secrets if path.stat().st_mode & 0o077]
    check(len(secrets) >= 5 and not open_to_all, f"keys are readable: {open_to_all}")
    configurations = list(folder.rglob("*.yaml"))
    check(configurations and not any("key_log" in path.read_text() for path in configurations) and not list(folder.rglob("*.keys")),
          "keys are logged without --capture")
    # What the file says is removed only if a demo can have made it.
    said = STATE.read_text()
    STATE.write_text(said.replace(str(folder), str(trap)))
    check(run(ENTRESOL, "demo", "--clean", cwd=bench.folder).code == 0 and (trap / "precious").exists(), "--clean removes what is not its own")
    shutil.rmtree(folder)
    os.unlink("/tmp/entresol-demo")
    check([path.name for path in trap.iterdir()] == ["precious"], "something was written through the link")
    nothing_more(before)


# ---- captures

# Alone, with a /tmp of its own, this program may not see the tree any more: see_nothing_else() copies the decoder.
ALONE_DECODER = Path("/run/conformance")
DECODER = (ALONE_DECODER if os.environ.get("ENTRESOL_ALONE") == "1" else lab.ROOT / "tests" / "conformance") / "decode_capture.py"


def datagrams_of(capture: Path) -> int:
    """UDP datagrams of the layer's port, by another program than the decoder."""
    listed = lab.need("tcpdump", "-nn", "-r", capture, "udp", "port", str(lab.PORT)).out.splitlines()
    whole = lab.need("tcpdump", "-nn", "-r", capture, "udp").out.splitlines()
    check(len(listed) == len(whole), f"{capture.name} has UDP of other ports")
    return len(listed)


def decode(capture: Path, keys, *more) -> lab.Ran:
    words = [word for each in keys for word in ("--keys", each)]
    return run(sys.executable, "-B", DECODER, capture, *words, "--port", lab.PORT, "--require-keys", "--json", *more, limit=300)


def test_its_own_capture_decodes(bench: Lab) -> None:
    """Every datagram of every link, to the last octet, by the second implementation; a guest's are told apart as such."""
    before = traces()
    folder = bench.file("capture")
    ran = run(ENTRESOL, "demo", "--capture", folder.name, "-o", "json", limit=240, cwd=bench.folder)
    result = json.loads(ran.out)
    failed = [f"{step['id']}: {step['seen']}" for step in result["steps"] if not step["holds"]]
    check(ran.code == 0 and not failed, f"exit code {ran.code}, steps fail: {failed}")
    check(result["capture"] == {"folder": str(folder), "complete": True}, f"{result['capture']}")
    nothing_more(before)
    for path in (folder, *folder.glob("*.keys")):
        check(path.stat().st_mode & 0o077 == 0 or path.name == "members.keys", f"others can read {path.name}")
    keys = [folder / f"{who}.keys" for who in ("node", "node2", "alice", "bob", "dave", "members")]
    for who, inner, at_least in (("alice", "ICMP,TCP", 1000), ("bob", "ICMP,TCP", 1000), ("dave", "ICMP", 100), ("node2", "ICMP,TCP", 1000)):
        capture = folder / f"to-{who}.pcap"
        decoded = decode(capture, keys, "--expect-inner", inner)
        check(decoded.code == 0, f"{capture.name} does not decode: {decoded.text[-3000:]}")
        counts = decoded.json()["counts"]
        known = sum(counts[what] for what in counts
                    if what in ("link records", "link probe", "link answer to a probe") or what.startswith("link handshake "))
        check(known == datagrams_of(capture) > at_least, f"{known} of {datagrams_of(capture)} datagrams of {capture.name}: {counts}")
        for what in ("session records", "session handshake initiation", "link handshake initiation", "link handshake response",
                     "inner checksums verified"):
            check(counts.get(what, 0) > 0, f"no {what} on {capture.name}: {counts}")
        check(decode(capture, [each for each in keys if not each.stem.startswith("node")]).code == 1, f"{capture.name} decodes without the nodes' keys")
    guests = folder / "to-carol.pcap"
    decoded = decode(guests, keys)
    check(decoded.code == 0, f"{guests.name}: {decoded.text[-3000:]}")
    counts = decoded.json()["counts"]
    known = sum(counts[what] for what in counts if what.startswith("WireGuard "))
    check(known == datagrams_of(guests) > 100, f"{known} of {datagrams_of(guests)} datagrams of {guests.name}: {counts}")
    # A second demo does not mix its captures into these.
    again = run(ENTRESOL, "demo", "--capture", folder, "-o", "json", cwd=bench.folder)
    check(again.code == 2 and json.loads(again.out)["error"]["code"] == "E0502", f"a folder that is not empty: {again.text}")
    no_folder = run(ENTRESOL, "demo", "--capture", folder / "node.keys", "-o", "json", cwd=bench.folder)
    check(no_folder.code == 1 and json.loads(no_folder.out)["error"]["code"] == "E0106", f"a file: {no_folder.text}")
    nothing_more(before)


def running(bench: Lab) -> lab.Process:
    demo = lab.Process([ENTRESOL, "demo", "-o", "json"], bench.file("demo.log"))
    bench.processes.append(demo)
    until("the demo is under way", lambda: Path("/run/netns/entresol-demo-node").exists() or not demo.alive())
    check(demo.alive(), f"the demo ended by itself: {demo.text()}")
    return demo


def test_a_running_demo_is_not_ended_by_another(bench: Lab) -> None:
    before = traces()
    demo = running(bench)
    refused(run(ENTRESOL, "demo", "-o", "json", cwd=bench.folder))
    check(demo.alive(), "the first has ended")
    cleaned(bench, before)
    check(demo.wait(lab.PATIENCE) == 1, "a demo that --clean has ended was a success")
    nothing_more(before)


def test_what_a_killed_demo_leaves_is_cleaned(bench: Lab) -> None:
    before = traces()
    demo = running(bench)
    os.kill(demo.pid, signal.SIGKILL)
    demo.wait(lab.PATIENCE)
    check(traces()["namespaces"] != before["namespaces"], "it had left nothing")
    ran = run(ENTRESOL, "demo", "--break", "join", "-o", "json", limit=240, cwd=bench.folder)
    check([step["id"] for step in json.loads(ran.out)["steps"] if step["holds"]] == ["init", "site"], f"the next demo: {ran.text}")
    nothing_more(before)
    demo = running(bench)
    os.kill(demo.pid, signal.SIGKILL)
    demo.wait(lab.PATIENCE)
    cleaned(bench, before)


def see_nothing_else() -> None:
    """Starts this program again, alone: own mounts at /run and /tmp, own network, own processes."""
    binary = f"/run/{os.path.basename(ENTRESOL)}"
    if os.environ.get("ENTRESOL_ALONE") == "1":
        lab.need("mount", "-t", "tmpfs", "none", "/run")
        shutil.copytree(lab.ROOT / "tests" / "conformance", ALONE_DECODER)
        lab.need("mount", "-t", "tmpfs", "none", "/tmp")
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
             test_sigterm_with_hosts, test_a_kept_demo_is_not_ended_by_another, test_its_files_are_its_own,
             test_a_running_demo_is_not_ended_by_another, test_what_a_killed_demo_leaves_is_cleaned,
             test_its_own_capture_decodes, tools=("wg", "wireguard-go", "curl", "iperf3", "tcpdump", "ss", "unshare"))
