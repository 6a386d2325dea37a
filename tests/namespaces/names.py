"""What the tests of DNS share: a layer whose hosts have names, a real resolver upstream, and places with a resolv.conf of
their own, either as `ip netns exec` mounts one or in a mount namespace."""

import json
import os
import shlex
import shutil
import signal
from pathlib import Path

from lab import ENTRESOL, Lab, Ran, check, need, run, until
from layer_test import Edge

OWN = "127.0.53.53"
ELSEWHERE = "192.0.2.80"  # of www.example.org
BIG = 8  # texts of 250 octets: too large for any datagram here
# Without a refusal each server would be waited for; no command here is given that long.
PATIENT = "options timeout:40 attempts:1\n"
LIMIT = 30.0


class Cell:
    """A mount namespace in somebody's network namespace: /etc is a copy, /run is empty, and packages may be laid over it."""

    def __init__(self, bench: Lab, who: str, packages: Path | None = None, script: str = "true"):
        self.bench, self.who = bench, who
        for folder in ("etc", "etc-work", "usr", "usr-work", "var", "var-work"):
            bench.file(f"{who}-{folder}").mkdir()
        ready = bench.file(f"{who}-ready")
        layers = []
        for name in ("etc", "usr", "var"):
            lower = f"{packages}/{name}:/{name}" if packages and (packages / name).is_dir() else f"/{name}"
            upper = bench.file(f"{who}-{name}")
            layers.append(f"mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={upper}-work /{name}")
        text = "\n".join(["set -e", "umount /etc/resolv.conf 2>/dev/null || true", *layers, "mount -t tmpfs tmpfs /run", script,
                          f"touch {ready}", "exec sleep infinity"])
        self.holder = bench.start(who, "unshare", "-m", "--propagation", "private", "sh", "-c", text)
        until(f"{who} has a place", lambda: ready.exists() or not self.holder.alive())
        check(self.holder.alive(), f"no place for {who}: {self.holder.text()}")

    @property
    def enter(self) -> list[str]:
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n"]

    def path(self, inside: str) -> Path:
        return Path(f"/proc/{self.holder.pid}/root{inside}")


class Names(Edge):
    """alice has names; bob is somebody to be found."""

    def __init__(self, bench: Lab, *hosts: str):
        self.cells: dict[str, Cell] = {}
        self.pids: dict[str, int] = {}
        for who in ("hub", "alice"):
            folder = self.mounted(bench, who).parent
            folder.mkdir(parents=True, exist_ok=True)
            self.mounted(bench, who).write_text("nameserver 10.83.1.1\n")
        super().__init__(bench, *(hosts or ("alice", "bob")))

    @staticmethod
    def mounted(bench: Lab, who: str) -> Path:
        return Path("/etc/netns") / bench.space(who) / "resolv.conf"

    def inside(self, who: str) -> list[str]:
        return self.cells[who].enter if who in self.cells else ["ip", "netns", "exec", self.bench.space(who)]

    def cli(self, who: str, *words, stdin: str | None = None, limit: float = 60) -> Ran:
        return run(*self.inside(who), ENTRESOL, "-o", "json", *words, stdin=stdin, limit=limit,
                   env={"ENTRESOL_DIR": str(self.folder(who))})

    def do(self, who: str, *words, limit: float = LIMIT) -> Ran:
        return run(*self.inside(who), *words, limit=limit)

    def start_upstream(self, who: str = "hub") -> None:
        big = [f"--txt-record=big.example.org,{','.join('x' * 250 for _ in range(BIG))}"]
        self.bench.start(who, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                         "--log-facility=-", "--pid-file=", "--cache-size=0", f"--address=/www.example.org/{ELSEWHERE}", *big)
        until("there is a resolver", lambda: self.do(who, "dig", "+short", "+time=1", "+tries=1", "www.example.org",
                                                     "@127.0.0.1").out.strip() == ELSEWHERE)

    def up(self, who: str, dns: dict | None = None) -> None:
        """Anew, with this `dns` section."""
        file = self.folder(who) / "host.yaml"
        if who not in self.pids:
            self.down(who)
        lines = [line for line in file.read_text().splitlines() if not line.startswith("    dns:")]
        if dns is not None:
            lines.append(f"    dns: {json.dumps(dns)}")
        file.write_text("\n".join(lines) + "\n")
        ran = self.cli(who, "up", "-c", file)
        check(ran.code == 0, f"up: exit code {ran.code}: {ran.text}")
        self.pids[who] = ran.json()["pid"]

    def down(self, who: str) -> None:
        pid = self.pids.get(who) or self.joined[who].get("pid")
        ran = self.cli(who, "down", "-c", self.folder(who) / "host.yaml")
        check(ran.code == 0, f"down: exit code {ran.code}: {ran.text}")
        until(f"{who} has ended", lambda: self.cli(who, "status", "-c", self.folder(who) / "host.yaml").code != 0)
        if pid:
            until(f"{who}'s process has ended", lambda: not alive(pid))

    def slay(self, who: str) -> None:
        os.kill(self.pids[who], signal.SIGKILL)
        until(f"{who} is dead", lambda: not alive(self.pids[who]))

    def bench_name(self, label: str, *members: str) -> dict:
        """A name that members share; the node has heard of it then."""
        for words in (("create", label), ("delegate", label, *members)):
            ran = self.admin("name", *words)
            check(ran.code == 0, f"name {words}: exit code {ran.code}: {ran.text}")
        made = ran.json()
        until("the node knows the name", lambda: made["name"] in [one["address"] for one in self.layer("hub").get("members", [])])
        return made

    def dns(self, who: str) -> dict:
        return self.status(who).get("dns", {})

    def dig(self, who: str, *words) -> str:
        ran = self.do(who, "dig", "+time=10", "+tries=1", *words)
        check(ran.code == 0, f"dig {shlex.join(map(str, words))}: exit code {ran.code}: {ran.text}")
        return ran.out

    def short(self, who: str, *words) -> list[str]:
        return self.dig(who, "+short", *words).split()

    def getent(self, who: str, name: str) -> str:
        return self.do(who, "getent", "ahosts", name).out

    def until_named(self, who: str, far: str) -> None:
        until(f"{far} has a name at {who}", lambda: self.layer(far).get("ipv4", "?") in self.getent(who, f"{far}.edge.internal"))

    def holds_elsewhere(self, who: str) -> None:
        """Other names resolve as they did."""
        got = self.getent(who, "www.example.org")
        check(ELSEWHERE in got, f"www.example.org: {got!r}; {self.do(who, 'cat', '/etc/resolv.conf').out}")


def alive(pid: int) -> bool:
    """Until its last thread has gone: as long as one lives its sockets are open, and take queries that nobody answers."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state not in "ZX" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def forget_files() -> None:
    """What `ip netns exec` mounts: of this process's namespaces, and of those that are no more."""
    for folder in Path("/etc/netns").glob("interop-*"):
        owner = folder.name.split("-")[1]
        if owner == str(os.getpid()) or not os.path.exists(f"/proc/{owner}"):
            shutil.rmtree(folder, ignore_errors=True)


def unpacked(bench: Lab, *packages: str) -> Path | None:
    """Debian's packages laid out as on a machine where /bin, /sbin and /lib lead to /usr; nothing of them is installed."""
    folder = bench.file("packages")
    folder.mkdir()
    ran = run("apt-get", "download", *packages, cwd=folder, limit=120)
    found = list(folder.glob("*.deb"))
    if ran.code != 0 or len(found) != len(packages):
        return None
    root = bench.file("unpacked")
    for package in found:
        need("dpkg-deb", "-x", package, root)
    for name in ("sbin", "bin", "lib"):
        if (root / name).is_dir():
            need("cp", "-a", f"{root / name}/.", root / "usr" / name) if (root / "usr" / name).is_dir() else need(
                "sh", "-c", f"mkdir -p {root}/usr && cp -a {root / name} {root}/usr/{name}")
    return root
