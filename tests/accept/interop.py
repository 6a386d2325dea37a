"""Real timers with a real peer: keys replaced at 120 s by wireguard-go and by the node, keys that end at 180 s, native links
and sessions beside them, no echo lost; and cookies the other way round, from a wireguard-go that is under load."""

import os
import socket
import sys
import threading

from accept_context import Outcome

SUMMARY = "wireguard-go and native links over their own key timers, and a wireguard-go under load"
COMMAND = "./run accept interop"
ECHOES, INTERVAL = 950, 0.2  # 190 s: beyond the 120 s after which keys are replaced, and the 180 s at which they end
LIMIT = 320.0
UDP_SEGMENT = 103


def run(context):
    os.environ["ENTRESOL"] = str(context.need_entresol())
    sys.path.insert(0, str(context.root / "tests" / "namespaces"))
    import lab
    try:
        lab.requirements("wg", "wireguard-go")
    except lab.Skip as skip:
        yield Outcome("interop.peers", COMMAND, str(skip), False)
        return
    lab.remove_leftovers()
    for part in (timers, under_load):
        bench = lab.Lab()
        try:
            yield from part(bench, lab)
        except lab.Failed as failed:
            yield Outcome(f"interop.{part.__name__.replace('_', '-')}", COMMAND, str(failed), False)
        finally:
            bench.close()


def with_guests(bench, lab, *names):
    """carol and more guests; bob knows all of them."""
    star = lab.Star(bench, guest=True, others=names)
    guests = {"carol": star.carol}
    for number, who in enumerate(names, 4):
        guests[who] = star.layer.guest(who, f"100.64.7.{number}", "node")
    star.configure_node(guests=[{"grant": guest.path("grant")} for guest in guests.values()])
    star.configure_host("bob", ["alice", *guests])
    star.start()
    return star, guests


def node_begins(bench, star, lab, wireguard, member, who):
    """The guest loses its keys and keeps its port; bob's traffic makes the node begin."""
    first = wireguard.Guest(star, member, who, listen_port=41000)
    bench.until_reaches(who, star.bob.address)
    bench.until_reaches("bob", member.address)
    first.end()
    second = wireguard.Guest(star, member, who, listen_port=41000)
    return second, lab.Sniffer(bench, who, "under0")


def echoes(bench, who, address):
    return bench.start(who, "ping", "-n", "-q", "-c", ECHOES, "-i", INTERVAL, "-W", "10", address)


def none_lost(ping, lab):
    code = ping.wait(LIMIT)
    line = next((line for line in ping.text().splitlines() if "transmitted" in line), "no answer")
    return code == 0 and f"{ECHOES} received" in line, line


def eventually(lab, condition):
    try:
        return bool(lab.until("it holds", condition))
    except lab.Failed:
        return False


def timers(bench, lab):
    import wireguard
    star, guests = with_guests(bench, lab, "dave", "erin")
    carol = wireguard.Guest(star, guests["carol"])
    bench.until_reaches("carol", star.bob.address)
    _, to_dave = node_begins(bench, star, lab, wireguard, guests["dave"], "dave")
    lab.until("the node begins with dave", lambda: bench.reaches("bob", guests["dave"].address))
    erin = wireguard.Guest(star, guests["erin"], "erin")
    bench.until_reaches("erin", star.bob.address)
    bench.until_reaches("alice", star.bob.address)

    begun = lambda: len(wireguard.of_type(to_dave.udp(outgoing=False), wireguard.INITIATION))
    before = carol.handshake_at(), begun(), bench.link("alice", "node")["handshakes"], erin.handshake_at()
    runs = {"guest-rekey": echoes(bench, "carol", star.bob.address), "node-rekey": echoes(bench, "bob", guests["dave"].address),
            "native-rekey": echoes(bench, "alice", star.bob.address)}
    seen = {name: none_lost(ping, lab) for name, ping in runs.items()}
    made = {"guest-rekey": carol.handshake_at() > before[0], "node-rekey": begun() > before[1],
            "native-rekey": bench.link("alice", "node")["handshakes"] > before[2]}
    for name, (whole, line) in seen.items():
        yield Outcome(f"interop.{name}", COMMAND, f"{line}; {'new keys' if made[name] else 'the keys were not replaced'}", whole and made[name])
    forged = bench.drops("node", "record_forged")
    yield Outcome("interop.no-forged", COMMAND, f"{forged} records did not authenticate at the node", forged == 0)

    lab.until("erin's keys have ended", lambda: not bench.link("node", "erin")["up"], LIMIT)
    knows = bench.link("node", "erin")["endpoint"]
    reached = eventually(lab, lambda: bench.reaches("bob", guests["erin"].address))
    yield Outcome("interop.idle-guest", COMMAND, f"silent until its keys ended, the node still knows {knows}; bob's packets then "
                  f"{'make the node begin and arrive' if reached else 'do not reach it'}", reached and erin.handshake_at() > before[3])
    back = eventually(lab, lambda: bench.reaches("erin", star.bob.address))
    yield Outcome("interop.idle-guest-returns", COMMAND, f"its own packets then {'arrive' if back else 'are lost'}", back)
    to_dave.close()


class Bursts:
    """Initiations with a right mac1 and nothing else right, hundreds in one call, to a guest."""

    def __init__(self, bench, wireguard, key, to):
        self._socket = bench.socket("node", socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, wireguard.INITIATION_SIZE)
        self._socket.connect(to)
        self._burst = b"".join(wireguard.empty_initiation(key, os.urandom(200)) for _ in range(64))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(0.1):
            for _ in range(12):
                self._socket.send(self._burst)

    def close(self):
        self._stop.set()
        self._thread.join(5)
        self._socket.close()


def under_load(bench, lab):
    import wireguard
    star, guests = with_guests(bench, lab)
    guest, sniffer = node_begins(bench, star, lab, wireguard, guests["carol"], "carol")
    flood = Bursts(bench, wireguard, guests["carol"].wireguard_key, (f"10.83.{star.NETS['carol']}.2", 41000))
    from_node = lambda: [each for each in wireguard.of_type(sniffer.udp(outgoing=False), wireguard.INITIATION)]
    try:
        # The flood comes from another port; the sniffer looks at the node's alone.
        lab.until("wireguard-go asks the node for a cookie",
                  lambda: bench.reaches("bob", guests["carol"].address) or wireguard.of_type(sniffer.udp(outgoing=True), wireguard.COOKIE_REPLY))
        asked = bool(wireguard.of_type(sniffer.udp(outgoing=True), wireguard.COOKIE_REPLY))
        lab.until("bob reaches carol", lambda: bench.reaches("bob", guests["carol"].address))
        shown = any(map(wireguard.has_mac2, from_node()))
        yield Outcome("interop.cookie-from-guest", COMMAND, f"wireguard-go under load {'asked' if asked else 'did not ask'} for a cookie, the node "
                      f"{'showed it' if shown else 'showed none'}, and got keys", asked and shown and guest.handshake_at() > 0)
    finally:
        flood.close()
        sniffer.close()
