"""What the tunnel suite compares: each is three namespaces a – n – b over an IPv4 underlay of 1500, with an inner network
between a and b. All stand at once; the idle ones take no CPU."""

import os
import tempfile

from harness import places, product
from harness.rows import Missing
from harness.testbed import Testbed, run, wait_until

UNDERLAY = {"a": ("10.66.1", "10.66.1.1"), "b": ("10.66.2", "10.66.2.1")}


class System:
    """One way from a to b. Subclasses fill `processes`, `far4`, `far6` (b's inner addresses) in `set_up`."""

    name = ""
    prefix = ""
    note = ""
    machines = ("a", "n", "b")

    def __init__(self):
        self.testbed = Testbed(self.prefix, self.machines)
        self.processes = {}
        self.far4, self.far6 = "10.77.0.2", "fd35:77::2"
        self._server = None

    def __enter__(self):
        self.testbed.__enter__()
        try:
            for machine, (subnet, _) in UNDERLAY.items():
                self.testbed.link(machine, self.node_of(machine), subnet)
            self.set_up()
            self._server = self.testbed.start("b", "iperf3", "-s")
            self._await_path()
        except BaseException:
            self.testbed.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.testbed.__exit__()

    def node_of(self, machine):
        """Whose link it is on."""
        return "n"

    def set_up(self):
        raise NotImplementedError

    def far(self, family):
        return self.far4 if family == 4 else self.far6

    def near(self, family):
        """a's inner address, which traffic is sent from: whichever the kernel would choose."""
        words = self.testbed.ip("a", f"-{family}", "route", "get", self.far(family)).split()
        return words[words.index("src") + 1]

    def _await_path(self):
        for family in (4, 6):
            wait_until(lambda: "1 received" in self._ping(family), 15, f"{self.name}: IPv{family} from a to b")

    def _ping(self, family):
        return run("ip", "netns", "exec", self.testbed.namespace("a"), "ping", f"-{family}", "-c", "1", "-W", "1",
                   self.far(family), check=False)

    def peak_memory(self):
        """Bytes of the largest process."""
        return max(process.peak_memory() for process in self.processes.values())

    def alive(self):
        return all(process.alive() for process in self.processes.values())


def _inner_addresses(testbed, device_of, mtu):
    for number, machine in enumerate(("a", "b"), start=1):
        device = device_of(machine)
        wait_until(lambda: run("ip", "-n", testbed.namespace(machine), "link", "show", device, check=False), 5, device)
        testbed.ip(machine, "link", "set", device, "mtu", mtu, "up")
        testbed.ip(machine, "addr", "add", f"10.77.0.{number}/24", "dev", device)
        testbed.ip(machine, "addr", "add", f"fd35:77::{number}/64", "dev", device, "nodad")


def _start_bare_hosts(system, program):
    for index, machine in enumerate(("a", "b")):
        subnet, address = UNDERLAY[machine]
        system.processes[machine] = system.testbed.start(
            machine, program, "host", "--tun", "bare0", "--listen", f"{address}:{6001 + index}", "--node", f"{subnet}.2:6000",
            "--index", index)
    _inner_addresses(system.testbed, lambda machine: "bare0", 1360)


class BareTunnel(System):
    name = "bare tunnel"
    prefix = "bare"
    note = "AES-256-GCM, link and end to end, inner MTU 1360"

    def set_up(self):
        program = places.reference("bare_tunnel")
        self.processes["n"] = self.testbed.start("n", program, "node", "--listen", "0.0.0.0:6000", "--link",
                                                 "10.66.1.1:6001", "--link1", "10.66.2.1:6002")
        _start_bare_hosts(self, program)


BETWEEN = {"n": "10.66.3.1", "m": "10.66.3.2"}  # the nodes' addresses on the link that they share


class TwoNodes(System):
    """a – n – m – b: no machine has a link to more than its neighbours."""

    machines = ("a", "n", "m", "b")

    def node_of(self, machine):
        return {"a": "n", "b": "m"}[machine]

    def set_up(self):
        self.testbed.link("n", "m", "10.66.3")


class BareTunnelOfTwo(TwoNodes):
    name = "bare tunnel, two nodes"
    prefix = "bare2"
    note = BareTunnel.note

    def set_up(self):
        super().set_up()
        program = places.reference("bare_tunnel")
        for node, host, other, number in (("n", "--link", "--link1", 1), ("m", "--link1", "--link", 2)):
            machine, far = ("a", "m") if node == "n" else ("b", "n")
            self.processes[node] = self.testbed.start(
                node, program, "node", "--listen", "0.0.0.0:6000", host, f"{UNDERLAY[machine][1]}:{6000 + number}", other,
                f"{BETWEEN[far]}:6000", "--between", number)
        _start_bare_hosts(self, program)


class KernelForwarding(System):
    name = "kernel forwarding"
    prefix = "kernel"
    note = "no tunnel, MTU 1500"

    def set_up(self):
        self.far4, self.far6 = "10.66.2.1", "fd35:2::1"
        self.testbed.inside("n", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for number, machine in enumerate(("a", "b"), start=1):
            self.testbed.ip(machine, "addr", "add", f"fd35:{number}::1/64", "dev", "to-n", "nodad")
            self.testbed.ip("n", "addr", "add", f"fd35:{number}::2/64", "dev", f"to-{machine}", "nodad")
            self.testbed.ip(machine, "route", "add", "default", "via", f"10.66.{number}.2")
            self.testbed.ip(machine, "-6", "route", "add", "default", "via", f"fd35:{number}::2")

    def peak_memory(self):
        raise Missing("there is no process")


class WireguardHub(System):
    """wireguard-go on the hosts, and on the node as their hub (which sees the payload: there is no end to end)."""

    def __init__(self, name, prefix, program):
        self.name = name
        self.prefix = prefix
        self.program = program
        self.note = "ChaCha20-Poly1305, inner MTU 1420"
        super().__init__()
        self._keys = {}

    def device(self, machine):
        return f"{self.prefix}{machine}"  # unique on the machine: control sockets lie in one folder for all namespaces

    def key(self, machine):
        if machine not in self._keys:
            private = run("wg", "genkey").strip()
            self._keys[machine] = (private, run("wg", "pubkey", text_input=private).strip())
        return self._keys[machine]

    def start_machine(self, machine):
        device = self.device(machine)
        process = self.testbed.start(machine, places.peer(self.program), "-f", device, env={"LOG_LEVEL": "error"})
        self.processes[machine] = process
        wait_until(lambda: run("ip", "netns", "exec", self.testbed.namespace(machine), "wg", "show", device,
                               check=False), 5, f"{self.name} on {machine}")

    def configure(self, machine, port, peers):
        """peers: (public key, allowed addresses, endpoint)."""
        words = []
        for public, allowed, endpoint in peers:
            words += ["peer", public, "allowed-ips", ",".join(allowed), "endpoint", endpoint]
        with tempfile.NamedTemporaryFile("w") as private:
            private.write(self.key(machine)[0])
            private.flush()
            self.testbed.inside(machine, "wg", "set", self.device(machine), "private-key", private.name,
                                "listen-port", port, *words)
        self.testbed.ip(machine, "link", "set", self.device(machine), "mtu", 1420, "up")

    def start_hosts(self, node_key, node_port, inside=("10.77.0.0/24", "fd35:77::/64")):
        for machine, (subnet, _) in UNDERLAY.items():
            self.start_machine(machine)
            self.configure(machine, 51821, [(node_key, list(inside), f"{subnet}.2:{node_port}")])
        _inner_addresses(self.testbed, self.device, 1420)

    def set_up(self):
        self.start_machine("n")
        # tailscale's fork does not learn endpoints from packets, so the hub is told where its guests are.
        peers = [(self.key(machine)[1], [f"10.77.0.{number}/32", f"fd35:77::{number}/128"],
                  f"{UNDERLAY[machine][1]}:51821") for number, machine in enumerate(("a", "b"), start=1)]
        self.configure("n", 51820, peers)
        self.testbed.ip("n", "addr", "add", "10.77.0.254/24", "dev", self.device("n"))
        self.testbed.ip("n", "addr", "add", "fd35:77::fe/64", "dev", self.device("n"), "nodad")
        self.testbed.inside("n", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.start_hosts(self.key("n")[1], 51820)


def tailscale_hub():
    return WireguardHub("tailscale/wireguard-go", "ts", "wireguard-go-tailscale")


def upstream_hub():
    return WireguardHub("upstream wireguard-go", "up", "wireguard-go-upstream")


class Entresol(System):
    name = "entresol"
    prefix = "ent"
    note = "AES-256-GCM, link and end to end, inner MTU 1360"

    def set_up(self):
        self.processes, self.far4, self.far6, self.note = product.start_tunnel(
            self.testbed, UNDERLAY, os.path.join(places.BUILD, "bench-entresol.log"))


class EntresolOfTwo(TwoNodes):
    name = "entresol, two nodes"
    prefix = "ent2"

    def set_up(self):
        super().set_up()
        self.processes, self.far4, self.far6, self.note = product.start_two_nodes(
            self.testbed, {machine: (self.node_of(machine), UNDERLAY[machine][0]) for machine in ("a", "b")}, BETWEEN,
            os.path.join(places.BUILD, "bench-entresol-two.log"))


class EntresolGuests(WireguardHub):
    """tailscale/wireguard-go on the hosts, the product on the node."""

    def __init__(self):
        super().__init__("wireguard-go through entresol", "eg", "wireguard-go-tailscale")

    def set_up(self):
        guests = {machine: {"public_key": self.key(machine)[1], "address4": f"10.77.0.{number}"}
                  for number, machine in enumerate(("a", "b"), start=1)}
        processes, node_key, port, names = product.start_guest_node(
            self.testbed, guests, os.path.join(places.BUILD, "bench-entresol-guests.log"))
        self.processes.update(processes)
        self.start_hosts(node_key, port, ("10.77.0.0/24", "fd35::/16"))
        # A guest's IPv6 address is its name in the layer, which follows from its key.
        self.far6 = names["b"]
        for machine, name in names.items():
            self.testbed.ip(machine, "addr", "add", f"{name}/128", "dev", self.device(machine), "nodad")
            self.testbed.ip(machine, "route", "add", "fd35::/16", "dev", self.device(machine), "src", name)
        # The node learns where a guest is from the guest's own handshake.
        for machine, other in (("a", "10.77.0.2"), ("b", "10.77.0.1")):
            run("ip", "netns", "exec", self.testbed.namespace(machine), "ping", "-c", "1", "-W", "1", other, check=False)
