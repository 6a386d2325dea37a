"""The product's side of every comparison; the only place that knows its programs and configuration files.

Each function raises Missing with the reason where the product does not offer it."""

import json
import os
import subprocess

from . import places
from .rows import Missing
from .testbed import SetupError, run, wait_until

PORT = 4850
ATTACH_SECONDS = 15


def forwarding(size, links, threads, seconds, registrations=0, rules=0):
    """Nanoseconds per packet of open + parse + decide + act + queue + seal in process, with cached decisions: a program
    `bench_forwarding` takes the options of `bench_aead_loop` and prints one JSON object with `ns_per_packet`,
    `symbol` (the function that was timed) and `allocations` (per million packets)."""
    program = places.product_program("forwarding")
    done = subprocess.run([program, "--size", str(size), "--family", "6", "--links", str(links), "--threads",
                           str(threads), "--seconds", str(seconds), "--registrations", str(registrations),
                           "--rules", str(rules)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"bench_forwarding: exit {done.returncode}: {done.stderr.strip()[-200:]}")
    figures = json.loads(done.stdout.splitlines()[-1])
    return {"value": figures["ns_per_packet"], "symbol": figures["symbol"], "allocations": figures["allocations"],
            "misses": figures["misses"] / figures["packets"], "options": figures["options"] / figures["packets"]}


def _figures(program, *arguments):
    done = subprocess.run([places.product_program(program), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(f"bench_{program}: exit {done.returncode}: {done.stderr.strip()[-200:]}")
    return json.loads(done.stdout)


def sandbox_batch(seconds):
    """Nanoseconds a packet of services called in batches of 32, each native and in the sandbox; `copies_ns`, `checks_ns`."""
    return _figures("sandbox", "batch", "--seconds", seconds)


def service_path(*arguments):
    """From a worker to a service thread and back: `ns_per_packet`, `p50_us` and `p99_us` of an idle round trip."""
    return _figures("sandbox", "path", *arguments)


def tenants(count, seconds, native=False):
    """A service thread's `ns_per_packet` with a random tenant for each packet, `start_us` and `used_kib` of an instance,
    `path_mpps` of the whole way."""
    return _figures("tenants", "--tenants", count, "--seconds", seconds, "--native", int(native))


def _ask(*words):
    return json.loads(run(places.entresol(), "-o", "json", *words))


class Layer:
    """Keys, certificates and configuration files of one layer in a folder; made by the command, as a user would."""

    def __init__(self, folder):
        self.folder = folder
        self.addresses = {}  # label: IPv6 address
        self.keys = {}       # label: WireGuard public key of an identity
        _ask("keygen", "root", self.file("edge"))

    def file(self, name):
        return os.path.join(self.folder, name)

    def _signed(self):
        return ["--root", self.file("edge.pub")]

    def add(self, who, role, ipv4, endpoint=None, node="node"):
        """A node is dialled at `endpoint`; a host is attached to `node`."""
        self.keys[who] = _ask("keygen", "identity", self.file(who))["wireguard_public_key"]
        made = _ask("sign", "certificate", "--with", self.file("edge.key"), *self._signed(), "--identity",
                    self.file(f"{who}.pub"), "--label", who, "--role", role, "--ipv4", ipv4, "--out",
                    self.file(f"{who}.cert"))
        self.addresses[who] = made["address"]
        attached = ["--node", self.file(f"{node}.cert")] if role == "host" else []
        attached += ["--endpoint", endpoint] if endpoint else []
        _ask("sign", "registration", "--with", self.file(f"{who}.key"), *self._signed(), "--certificate",
             self.file(f"{who}.cert"), *attached, "--out", self.file(f"{who}.member"))

    def grant(self, who, wireguard_key, ipv4):
        made = _ask("sign", "grant", "--with", self.file("edge.key"), *self._signed(), "--wireguard-key", wireguard_key,
                    "--label", who, "--ipv4", ipv4, "--node", self.file("node.cert"), "--out",
                    self.file(f"{who}.grant"))
        self.addresses[who] = made["address"]

    def configure(self, who, text, layer):
        """`text`: keys of the file's own; `layer`: of its one layer."""
        lines = [f"control: {who}.sock", *text, "layers:", "  - label: edge", "    root: edge.pub",
                 f"    identity: {who}.key", f"    certificate: {who}.cert", *("    " + line for line in layer)]
        with open(self.file(f"{who}.yaml"), "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")

    def status(self, who):
        done = subprocess.run([places.entresol(), "-o", "json", "status", "-c", self.file(f"{who}.yaml")],
                              capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode in (0, 3) and done.stdout.strip() else None

    def start(self, testbed, machine, who, role, log, prefix=()):
        process = testbed.start(machine, *prefix, places.entresol(), "run", role, "-c", self.file(f"{who}.yaml"),
                                log=log)

        def answers():
            if not process.alive():
                raise SetupError(f"entresol run {role} has ended; see {log}")
            return self.status(who) is not None

        wait_until(answers, ATTACH_SECONDS, f"entresol run {role} ({who})")
        return process


def _links_up(status):
    return sum(1 for link in status["links"] if link["up"]) if status else 0


# What does not coalesce is measured with the receiving socket's UDP_GRO off: the kernel splits trains before the socket.
_SOCKET_NODE = "node"


class RelayRun:
    """The node between a source and a sink in the namespaces source, node and sink of `testbed`: the underlay addresses
    are 10.66.1.1 – 10.66.1.2 node 10.66.2.2 – 10.66.2.1. Host i behind the source sends to host i behind the sink; each
    has shaken hands with the node. `measure` returns million packets a second that arrived."""

    def __init__(self, testbed, links, payload, coalesce, workers):
        if workers != 1:
            raise Missing("the node has one worker")
        self.testbed, self.links, self.payload = testbed, links, payload
        self.train = 64 if coalesce else 16
        self.log = os.path.join(places.BUILD, "bench-entresol-sockets.log")
        self.records = places.product_program("records")
        if not hasattr(testbed, "layer"):
            testbed.layer = Layer(testbed.folder())
            testbed.layer.add(_SOCKET_NODE, "node", "100.64.0.254")
        self.layer = testbed.layer
        self.layer.configure(_SOCKET_NODE, [f"listen: 0.0.0.0:{PORT}",
                                            f"udp: {{gro: {'true' if coalesce else 'false'}}}"], [])
        self.node = self.layer.start(testbed, "node", _SOCKET_NODE, "node", self.log, prefix=("taskset", "-c", "0"))

    def _host(self, role, machine, subnet, seconds):
        return self.testbed.start(machine, self.records, role, "--folder", self.layer.folder, "--links", self.links,
                                  "--from", f"{subnet}.1:10000", "--to", f"{subnet}.2:{PORT}", "--payload",
                                  self.payload, "--train", self.train, "--seconds", seconds, "--cpu", 1, log=self.log)

    def measure(self, seconds):
        sink = self._host("sink", "sink", "10.66.2", seconds)
        source = None
        try:
            wait_until(lambda: _links_up(self.layer.status(_SOCKET_NODE)) >= self.links, ATTACH_SECONDS,
                       f"links of {self.links} hosts")
            source = self._host("source", "source", "10.66.1", seconds + 1)
            arrived, offered = sink.finish(), source.finish()
            if arrived["refused"] or not arrived["opened"]:
                raise SetupError(f"{arrived['refused']} records did not open at the sink, {arrived['opened']} did")
            return {"value": arrived["mpps"], "gbps": arrived["gbps"], "offered": offered["mpps"]}
        finally:
            for process in (source, sink):
                if process is not None:
                    self.testbed.stop(process)

    def stop(self):
        self.testbed.stop(self.node)


def _start_hosts(testbed, layer, machines, processes, log):
    """Beside the nodes in `processes`; what start_tunnel returns, once all are attached."""
    for machine in machines:
        processes[machine] = layer.start(testbed, machine, machine, "host", log)
    for machine in machines:
        wait_until(lambda: all(each["attached"] for each in layer.status(machine)["layers"]), ATTACH_SECONDS,
                   f"entresol: {machine} attached")
    mtu = layer.status("a")["links"][0]["inner_mtu"]
    return processes, "100.64.0.2", layer.addresses["b"], f"AES-256-GCM, link and end to end, inner MTU {mtu}"


def start_tunnel(testbed, machines, log):
    """Starts node and two hosts in the namespaces a, n, b of `testbed` (underlay 10.66.1.1 – 10.66.1.2, 10.66.2.2 –
    10.66.2.1), TUNs up. Returns (processes to watch, b's inner IPv4, b's inner IPv6, description)."""
    layer = Layer(testbed.folder())
    layer.add("node", "node", "100.64.0.254")
    layer.configure("node", [f"listen: 0.0.0.0:{PORT}"], [])
    for number, machine in enumerate(machines, start=1):
        layer.add(machine, "host", f"100.64.0.{number}")
    for machine, (subnet, _) in machines.items():
        others = ", ".join(f"{other}.member" for other in machines if other != machine)
        layer.configure(machine, [], ["ipv4_pool: 100.64.0.0/16", "tun: {name: ent0}", "nodes:",
                                      f"  - {{endpoint: \"{subnet}.2:{PORT}\", member: node.member}}",
                                      f"directory: [{others}]"])
    processes = {"n": layer.start(testbed, "n", "node", "node", log)}
    return _start_hosts(testbed, layer, machines, processes, log)


def start_two_nodes(testbed, machines, between, log):
    """Two nodes in n and m, each with a host: a – n – m – b. `machines`: by host, its node's namespace and the underlay
    subnet of their link, of which the node has .2; `between`: by node, its address on the link of the nodes. Returns what
    start_tunnel returns."""
    layer = Layer(testbed.folder())
    nodes = list(between)
    for number, node in enumerate(nodes):
        layer.add(node, "node", f"100.64.0.{250 + number}", endpoint=f"{between[node]}:{PORT}")
    for number, (machine, (node, _)) in enumerate(machines.items(), start=1):
        layer.add(machine, "host", f"100.64.0.{number}", node=node)
    members = [*nodes, *machines]
    others = {who: ", ".join(f"{other}.member" for other in members if other != who) for who in members}
    for node in nodes:
        layer.configure(node, [f"listen: 0.0.0.0:{PORT}"],
                        [f"endpoints: [\"{between[node]}:{PORT}\"]", f"directory: [{others[node]}]"])
    for machine, (node, subnet) in machines.items():
        layer.configure(machine, [], ["ipv4_pool: 100.64.0.0/16", "tun: {name: ent0}", "nodes:",
                                      f"  - {{endpoint: \"{subnet}.2:{PORT}\", member: {node}.member}}",
                                      f"directory: [{others[machine]}]"])
    processes = {node: layer.start(testbed, node, node, "node", log) for node in nodes}
    return _start_hosts(testbed, layer, machines, processes, log)


def start_guest_node(testbed, guests, log):
    """Starts the node in namespace n for two WireGuard hosts. `guests`: by machine, a mapping with `public_key` and
    `address4`. Returns (processes, the node's WireGuard public key, its UDP port, IPv6 address by machine)."""
    layer = Layer(testbed.folder())
    layer.add("node", "node", "10.77.0.254")
    for machine, guest in guests.items():
        layer.grant(machine, guest["public_key"], guest["address4"])
    layer.configure("node", [f"listen: 0.0.0.0:{PORT}"],
                    ["guests:", *(f"  - {{grant: {machine}.grant, mtu: 1420}}" for machine in guests)])
    processes = {"n": layer.start(testbed, "n", "node", "node", log)}
    return processes, layer.keys["node"], PORT, {machine: layer.addresses[machine] for machine in guests}
