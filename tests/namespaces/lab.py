"""What the tests in this folder share: namespaces joined by veth, keys and configuration files made by the command itself,
processes in namespaces, waiting for events with generous deadlines, and an end that removes all of it.

A test file has functions that are given a `Lab`, and ends in `lab.main(function, ...)`. Nothing here waits for a time to
pass: `until` waits for something to become true, and fails if it does not. Everything that is made carries this process's
number in its name, so that several may run at once; what a killed run has left is removed by the next.
"""

import atexit
import contextlib
import ctypes
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(os.environ.get("ENTRESOL_ROOT") or Path(__file__).resolve().parents[2])
ENTRESOL = os.environ.get("ENTRESOL") or str(ROOT / "build" / "release" / "src" / "cli" / "entresol")
PORT = 4850
POOL = "100.64.0.0/16"
PATIENCE = float(os.environ.get("ENTRESOL_LAB_PATIENCE", "60"))  # seconds: the deadline of an event; none is expected to need it
COMMAND_LIMIT = 60.0
PREFIX = "interop-"
OWN = f"{PREFIX}{os.getpid()}-"

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_LABS: list["Lab"] = []


class Failed(AssertionError):
    pass


class Skip(Exception):
    pass


def check(holds, what: str) -> None:
    if not holds:
        raise Failed(what)


def until(what: str, condition, seconds: float = PATIENCE):
    """The first true value of `condition`, asked again and again."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(0.05)


class Ran:
    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err

    @property
    def text(self) -> str:
        return self.out + self.err

    def json(self):
        return json.loads(self.out)


def run(*words, limit: float = COMMAND_LIMIT, stdin: str | None = None, env=None, **more) -> Ran:
    """Runs to the end; a command that does not end counts as code 124."""
    child = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                             start_new_session=True, env={**os.environ, **(env or {})}, **more)
    try:
        out, err = child.communicate(stdin, timeout=limit)
        return Ran(child.returncode, out, err)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        return Ran(124, out, err)


def need(*words, **more) -> Ran:
    ran = run(*words, **more)
    check(ran.code == 0, f"{' '.join(map(str, words))}: exit code {ran.code}: {ran.text.strip()}")
    return ran


@contextlib.contextmanager
def within(space: str):
    """The calling thread is in a namespace; sockets that are made in there stay there."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{space}") as there:
        if _LIBC.setns(there.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            _LIBC.setns(home.fileno(), _CLONE_NEWNET)


class Process:
    """Something that runs until it is ended; its output is a file."""

    def __init__(self, words, log: Path, env=None):
        self.log = log
        with log.open("ab") as out:
            self._child = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                           start_new_session=True, env={**os.environ, **(env or {})})

    @property
    def pid(self) -> int:
        return self._child.pid

    def alive(self) -> bool:
        return self._child.poll() is None

    def code(self) -> int | None:
        return self._child.poll()

    def wait(self, seconds: float = PATIENCE) -> int:
        return self._child.wait(seconds)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        if self.alive():
            os.killpg(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._child.wait()

    def end(self) -> None:
        self.signal(signal.SIGTERM)
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()


class Ping:
    def __init__(self, ran: Ran):
        self.text = ran.text
        counts = re.search(r"(\d+) packets transmitted, (\d+) received", ran.text)
        self.sent, self.received = (int(counts[1]), int(counts[2])) if counts else (0, 0)
        self.code = ran.code
        self.all = ran.code == 0 and 0 < self.sent == self.received


class Member:
    def __init__(self, layer: "Layer", who: str):
        self.layer, self.who = layer, who
        self.base = layer.lab.file(f"{layer.label}-{who}")
        self.address = self.ipv4 = ""
        self.wireguard_key = ""  # public
        self.private_key = ""    # guests

    def path(self, ending: str) -> str:
        return f"{self.base}.{ending}"


class Layer:
    """A root, and what it has signed."""

    def __init__(self, lab: "Lab", label: str = "edge", pool: str = POOL):
        self.lab, self.label, self.pool = lab, label, pool
        self.root = str(lab.file(f"root-{label}"))
        self.members: dict[str, Member] = {}
        lab.cli("keygen", "root", self.root)

    def sign(self, *words, env=None) -> dict:
        return self.lab.cli("sign", *words, env=env)

    def certify(self, member: Member, role: str, ipv4: str, *more, env=None) -> None:
        made = self.sign("certificate", "--with", f"{self.root}.key", "--root", f"{self.root}.pub", "--identity", member.path("pub"),
                         "--label", member.who, "--role", role, "--ipv4", ipv4, "--out", member.path("cert"), *more, env=env)
        member.address, member.ipv4 = made["address"], ipv4

    def register(self, member: Member, nodes=(), *more, env=None) -> None:
        words = [word for node in nodes for word in ("--node", self.members[node].path("cert"))]
        self.sign("registration", "--with", member.path("key"), "--root", f"{self.root}.pub", "--certificate", member.path("cert"),
                  "--out", member.path("member"), *words, *more, env=env)

    def member(self, who: str, role: str, ipv4: str, nodes=(), env=None) -> Member:
        member = self.members[who] = Member(self, who)
        member.wireguard_key = self.lab.cli("keygen", "identity", str(member.base))["wireguard_public_key"]
        self.certify(member, role, ipv4, env=env)
        self.register(member, nodes, env=env)
        return member

    def guest(self, who: str, ipv4: str, node: str) -> Member:
        member = self.members[who] = Member(self, who)
        member.private_key = need("wg", "genkey").out.strip()
        member.wireguard_key = need("wg", "pubkey", stdin=member.private_key + "\n").out.strip()
        made = self.sign("grant", "--with", f"{self.root}.key", "--root", f"{self.root}.pub", "--wireguard-key", member.wireguard_key,
                         "--label", who, "--ipv4", ipv4, "--node", self.members[node].path("cert"), "--out", member.path("grant"))
        member.address, member.ipv4 = made["address"], ipv4
        return member

    @property
    def names(self) -> str:
        """The prefix of all names."""
        first = ipaddress.IPv6Address(next(iter(self.members.values())).address)
        return str(ipaddress.IPv6Network((first, 32), strict=False))

    def entry(self, who: str, **more) -> dict:
        member = self.members[who]
        return {"label": self.label, "root": f"{self.root}.pub", "identity": member.path("key"), "certificate": member.path("cert"), **more}

    def host_entry(self, who: str, endpoint: str, node: str = "node", knows=(), **more) -> dict:
        known = [self.members[name].path("grant" if self.members[name].private_key else "member") for name in knows]
        return self.entry(who, **{"ipv4_pool": self.pool, "tun": {"name": "ent0"}, "directory": known,
                                  "nodes": [{"endpoint": endpoint, "member": self.members[node].path("member")}], **more})


class Lab:
    def __init__(self):
        _LABS.append(self)
        self.folder = Path(tempfile.mkdtemp(prefix="entresol-lab-"))
        self.spaces: list[str] = []
        self.processes: list[Process] = []
        self._number = 0
        self.last_log = ""

    # ---- files and commands

    def file(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, text: str) -> Path:
        path = self.file(name)
        path.write_text(text)
        return path

    def configure(self, who: str, **keys) -> Path:
        """Writes WHO.yaml; JSON is YAML."""
        return self.write(f"{who}.yaml", json.dumps({"control": f"{who}.sock", **keys}, indent=1))

    def cli(self, *words, env=None) -> dict:
        """The command outside of any namespace; it must succeed."""
        return need(ENTRESOL, "-o", "json", *words, env=env).json()

    def ask(self, who: str, *words, limit: float = COMMAND_LIMIT) -> Ran:
        return run(ENTRESOL, "-o", "json", *words, "-c", self.file(f"{who}.yaml"), limit=limit)

    def status(self, who: str) -> dict:
        ran = self.ask(who, "status")
        try:
            answer = ran.json()
        except json.JSONDecodeError:
            return {}
        return answer if "role" in answer else {}

    def drops(self, who: str, reason: str) -> int:
        return self.status(who).get("drops", {}).get(reason, 0)

    def link(self, who: str, name: str) -> dict:
        """The link of `who` to a member, by label."""
        return next((link for link in self.status(who).get("links", []) if link["name"] == name), {})

    def attached(self, who: str) -> bool:
        layers = self.status(who).get("layers", [])
        return bool(layers) and all(layer["attached"] for layer in layers)

    # ---- namespaces

    def space(self, who: str) -> str:
        return f"{OWN}{who}"

    def add_space(self, who: str) -> None:
        need("ip", "netns", "add", self.space(who))
        self.spaces.append(who)
        need("ip", "-n", self.space(who), "link", "set", "lo", "up")

    def join(self, left: str, right: str, net: int, name: str = "under0", mtu: int | None = None) -> None:
        """A veth: `name` at the left with 10.83.NET.2 and fd83:NET::2, `to-LEFT` at the right with .1 and ::1. A second link of
        one namespace needs another `name`, and is to-LEFT-NAME at the right."""
        far = f"to-{left}" if name == "under0" else f"to-{left}-{name}"
        need("ip", "link", "add", name, "netns", self.space(left), "type", "veth", "peer", "name", far, "netns", self.space(right))
        for who, device, host in ((left, name, 2), (right, far, 1)):
            # No link-local address: it would come by itself at some time, into the comparisons of before and after.
            need("ip", "-n", self.space(who), "link", "set", device, "addrgenmode", "none")
            need("ip", "-n", self.space(who), "addr", "add", f"10.83.{net}.{host}/24", "dev", device)
            need("ip", "-n", self.space(who), "addr", "add", f"fd83:{net}::{host}/64", "dev", device, "nodad")
            need("ip", "-n", self.space(who), "link", "set", device, *(("mtu", str(mtu)) if mtu else ()), "up")

    def within(self, who: str, *words, **more) -> Ran:
        return run("ip", "netns", "exec", self.space(who), *words, **more)

    def need_within(self, who: str, *words, **more) -> Ran:
        return need("ip", "netns", "exec", self.space(who), *words, **more)

    def socket(self, who: str, *kind) -> socket.socket:
        with within(self.space(who)):
            return socket.socket(*kind)

    def start(self, who: str, *words, env=None) -> Process:
        self._number += 1
        log = self.file(f"{self._number:03d}-{who}-{Path(str(words[0])).name}.log")
        process = Process(["ip", "netns", "exec", self.space(who), *words], log, env)
        self.processes.append(process)
        return process

    def start_role(self, role: str, who: str, env=None, space: str | None = None) -> Process:
        """A node or host that answers at its control socket."""
        process = self.start(space or who, ENTRESOL, "run", role, "-c", self.file(f"{who}.yaml"), env=env)
        until(f"{who} answers", lambda: self.status(who) or not process.alive())
        check(process.alive(), f"{role} {who} ended while starting: {process.text()}")
        return process

    def start_host(self, who: str, env=None) -> Process:
        process = self.start_role("host", who, env)
        until(f"{who} is attached", lambda: self.attached(who))
        return process

    # ---- traffic

    def ping(self, who: str, address: str, count: int = 3, interval: float = 0.02, wait: float = 5, *more) -> Ping:
        return Ping(self.within(who, "ping", "-n", "-q", "-c", count, "-i", interval, "-W", wait, *more, address, limit=count * interval + wait + 30))

    def reaches(self, who: str, address: str, *more) -> bool:
        return self.ping(who, address, 1, 0.2, 1, *more).all

    def until_reaches(self, who: str, address: str) -> None:
        until(f"{who} reaches {address}", lambda: self.reaches(who, address))

    def until_listens(self, who: str, port: int) -> None:
        until(f"port {port} of {who} listens", lambda: str(port) in self.within(who, "ss", "-Hltn", f"sport = :{port}").out)

    # ---- the end

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(Exception):
                process.end()
        for who in self.spaces:
            remove_space(self.space(who))
        self.spaces.clear()
        if os.environ.get("ENTRESOL_LAB_KEEP") != "1":
            shutil.rmtree(self.folder, ignore_errors=True)


def remove_space(name: str) -> None:
    for pid in run("ip", "netns", "pids", name).out.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    run("ip", "netns", "del", name)


def remove_leftovers() -> None:
    """Namespaces of runs that are no more."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/run/netns"):
            owner = re.match(rf"{PREFIX}(\d+)-", name)
            if owner and not os.path.exists(f"/proc/{owner[1]}"):
                remove_space(name)


class Star:
    """The usual scene: a node, native hosts alice and bob that know each other, and, if wanted, a guest carol (a WireGuard client
    that is not started) and others who have a link only. Underlay of WHO: 10.83.NET.2, the node's 10.83.NET.1."""

    NETS = {"alice": 1, "bob": 2, "carol": 3, "dave": 4, "erin": 5}

    def __init__(self, lab: Lab, guest: bool = False, others=(), mtu: int | None = None, node=None, hosts=None, guest_entry=None):
        self.lab, self.layer = lab, Layer(lab)
        self._node, self._hosts, self._guest_entry = node or {}, hosts or {}, guest_entry or {}
        everybody = ["alice", "bob"] + ["carol"] * guest + list(others)
        lab.add_space("node")
        for who in everybody:
            lab.add_space(who)
            lab.join(who, "node", self.NETS[who], mtu=mtu)
        layer = self.layer
        self.node = layer.member("node", "node", "100.64.0.254")
        self.alice = layer.member("alice", "host", "100.64.0.1", ["node"])
        self.bob = layer.member("bob", "host", "100.64.0.2", ["node"])
        self.carol = layer.guest("carol", "100.64.7.3", "node") if guest else None
        self.configure_node()
        for who, other in (("alice", "bob"), ("bob", "alice")):
            self.configure_host(who, [other] + ["carol"] * guest)
        self.node_process = None
        self.hosts: dict[str, Process] = {}

    def configure_node(self, **layer_keys) -> None:
        entry = self.layer.entry("node", **layer_keys)
        if self.carol and "guests" not in entry:
            entry["guests"] = [{"grant": self.carol.path("grant"), **self._guest_entry}]
        self.lab.configure("node", **{"listen": f":{PORT}", "layers": [entry], **self._node})

    def configure_host(self, who: str, knows, endpoint: str | None = None, top=None, **layer_keys) -> None:
        """`top`: keys of the file's first level."""
        entry = self.layer.host_entry(who, endpoint or f"10.83.{self.NETS[who]}.1:{PORT}", knows=knows, **layer_keys)
        self.lab.configure(who, **{"layers": [entry], **self._hosts, **(top or {})})

    def start_node(self) -> None:
        self.node_process = self.lab.start_role("node", "node")

    def start(self, *who: str) -> None:
        """The node, and hosts until they are attached."""
        self.start_node()
        for host in who or ("alice", "bob"):
            self.hosts[host] = self.lab.start_host(host)


def requirements(*tools: str) -> None:
    if os.geteuid() != 0:
        raise Skip("needs root for network namespaces")
    if not os.access(ENTRESOL, os.X_OK):
        raise Skip(f"no command at {ENTRESOL}: set ENTRESOL")
    missing = [tool for tool in ("ip", "ping", *tools) if not shutil.which(tool)]
    if missing:
        raise Skip(f"needs {', '.join(missing)}")
    if not os.path.exists("/dev/net/tun"):
        raise Skip("needs /dev/net/tun")
    probe = f"{OWN}probe"
    if run("ip", "netns", "add", probe).code != 0:
        raise Skip("cannot make network namespaces here")
    remove_space(probe)


def _print_logs(lab: Lab) -> None:
    for process in lab.processes[-12:]:
        tail = process.text().strip().splitlines()[-8:]
        if tail:
            print(f"    --- {process.log.name}", *tail, sep="\n        ")


def _run_one(test) -> bool:
    start = time.monotonic()
    lab = Lab()
    try:
        test(lab)
        print(f"ok    {test.__name__}  {time.monotonic() - start:.1f} s", flush=True)
        return True
    except Exception as error:
        print(f"FAIL  {test.__name__}: {error}", flush=True)
        if not isinstance(error, Failed):
            traceback.print_exc(file=sys.stdout)
        else:
            print("".join(traceback.format_tb(error.__traceback__)[-3:]))
        _print_logs(lab)
        return False
    finally:
        lab.close()


def main(*tests, tools=()) -> None:
    """Runs the tests, or those that the command line names. 0: all hold, 1: not, 77: skipped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    atexit.register(lambda: [lab.close() for lab in _LABS])
    try:
        requirements(*tools)
    except Skip as skip:
        print(f"skipped: {skip}")
        sys.exit(77)
    remove_leftovers()
    chosen = [test for test in tests if not sys.argv[1:] or test.__name__ in sys.argv[1:]]
    held = [_run_one(test) for test in chosen]
    print(f"{sum(held)} of {len(held)} hold")
    sys.exit(0 if held and all(held) else 1)


class Sniffer:
    """Every frame of an interface, by an AF_PACKET socket of its own; as (outgoing, octets)."""

    def __init__(self, lab: Lab, who: str, device: str):
        self._socket = lab.socket(who, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        with within(lab.space(who)):
            self._socket.bind((device, 0x0003))
        self._socket.settimeout(0.1)
        self.frames: list[tuple[bool, bytes]] = []
        self._ends = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ends:
            try:
                octets, address = self._socket.recvfrom(65535)
            except socket.timeout:
                continue
            except OSError:
                return
            self.frames.append((address[2] == socket.PACKET_OUTGOING, octets))

    def udp(self, outgoing: bool | None = None, port: int = PORT) -> list[bytes]:
        """Payloads of UDP over IPv4 with `port` at either end."""
        found = []
        for went_out, frame in list(self.frames):
            if outgoing is not None and went_out != outgoing:
                continue
            if frame[12:14] != b"\x08\x00" or frame[23] != 17:
                continue
            at = 14 + 4 * (frame[14] & 15)
            if port in (int.from_bytes(frame[at:at + 2], "big"), int.from_bytes(frame[at + 2:at + 4], "big")):
                found.append(frame[at + 8:])
        return found

    def close(self) -> None:
        self._ends = True
        self._thread.join(2)
        self._socket.close()


class Relay:
    """A UDP relay in one namespace, between one client there (at `address`) and a server: what a network may do to
    datagrams is done by `to_server` and `to_client`, which give the datagrams to send for each that comes."""

    def __init__(self, lab: Lab, who: str, server: tuple[str, int], address: str = "127.0.0.1"):
        self.to_server = self.to_client = lambda datagram: [datagram]
        self._near = lab.socket(who, socket.AF_INET, socket.SOCK_DGRAM)
        self._near.bind((address, 0))
        self._far = lab.socket(who, socket.AF_INET, socket.SOCK_DGRAM)
        self._far.connect(server)
        self.endpoint = f"{address}:{self._near.getsockname()[1]}"
        self._client = None
        self._ends = False
        for each in (self._near, self._far):
            each.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
            each.settimeout(0.1)
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in (self._up, self._down)]
        for thread in self._threads:
            thread.start()

    def send_up(self, datagram: bytes) -> None:
        with contextlib.suppress(OSError):
            self._far.send(datagram)

    def _up(self) -> None:
        while not self._ends:
            with contextlib.suppress(OSError):
                datagram, self._client = self._near.recvfrom(65535)
                for each in self.to_server(datagram):
                    self._far.send(each)

    def _down(self) -> None:
        while not self._ends:
            with contextlib.suppress(OSError):
                datagram = self._far.recv(65535)
                for each in self.to_client(datagram):
                    if self._client:
                        self._near.sendto(each, self._client)

    def close(self) -> None:
        self._ends = True
        for thread in self._threads:
            thread.join(2)
        self._near.close()
        self._far.close()
