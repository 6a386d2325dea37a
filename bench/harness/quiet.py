"""How much of the machine other processes took while something was measured."""

import os
import time

_TICKS = os.sysconf("SC_CLK_TCK")
_CPUS = os.cpu_count()
_PF_KTHREAD = 0x00200000

LIMIT = 0.02   # share of all CPUs that others may take
REPEATS = 3    # how often a disturbed run is repeated at most


def _processes():
    """pid -> (parent, is a kernel thread, ticks including those of reaped children)."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        # Counted from the state, which is field 3 of proc(5).
        ticks = sum(int(field) for field in fields[11:15])
        table[int(name)] = (int(fields[1]), bool(int(fields[6]) & _PF_KTHREAD), ticks)
    return table


def _ticks_of_others():
    # A child's ticks move to its parent when it is reaped, so the sum over all processes only grows by work. The
    # runner's own tree is left out; kernel threads work for whoever gave them the work.
    table = _processes()
    own = {os.getpid()}
    grown = True
    while grown:
        more = {pid for pid, (parent, _, _) in table.items() if parent in own} - own
        own |= more
        grown = bool(more)
    return sum(ticks for pid, (_, kernel, ticks) in table.items() if pid not in own and not kernel)


class Watch:
    """Counts disturbed runs; `measure` repeats them, bounded."""

    def __init__(self, limit=LIMIT, repeats=REPEATS):
        self.limit = limit
        self.repeats = repeats
        self.disturbed = 0  # runs that stayed disturbed
        self.repeated = 0
        self.worst = 0.0

    def measure(self, function):
        share = 0.0
        for attempt in range(1 + self.repeats):
            before, began = _ticks_of_others(), time.monotonic()
            value = function()
            took = time.monotonic() - began
            share = max(0, _ticks_of_others() - before) / _TICKS / (took * _CPUS)
            if share <= self.limit:
                return value
            if attempt < self.repeats:
                self.repeated += 1
        self.disturbed += 1
        self.worst = max(self.worst, share)
        return value
