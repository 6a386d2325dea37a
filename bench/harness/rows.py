"""Rows: a figure of the product beside one of a peer, the goal for their ratio, and whether it holds."""

import json
import statistics
import sys

from . import quiet
from .testbed import SetupError


class Missing(Exception):
    """The product or a peer is not there; the reason is the message."""


def load_goals(path):
    """goals.yaml: after `goals:`, one `- {...}` a line in the form that JSON and YAML share; # begins a comment."""
    goals = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or text.startswith("#") or text == "goals:":
                continue
            if not text.startswith("- "):
                raise ValueError(f"{path}:{number}: expected '- {{...}}'")
            goal = json.loads(text[2:])
            unknown = set(goal) - {"suite", "name", "peer", "unit", "sense", "goal"}
            if unknown or goal["sense"] not in ("at most", "at least"):
                raise ValueError(f"{path}:{number}: {sorted(unknown) or goal['sense']}")
            goals.append(goal)
    return goals


class Report:
    """Prints rows for people as they come, and keeps them as JSON, one object a line."""

    def __init__(self, goals, json_path=None):
        self._goals = goals
        self._file = open(json_path, "w", encoding="utf-8") if json_path else None
        self._heading = False
        self.rows = []

    def goals_of(self, suite, name):
        return [g for g in self._goals if g["suite"] == suite and g["name"] == name]

    def note(self, text):
        print(f"  · {text}", file=sys.stderr, flush=True)

    def add(self, row):
        self.rows.append(row)
        if self._file:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        if not self._heading:
            print(f"{'suite':<11}{'row':<38}{'value':>11} {'unit':<6}{'peer':<26}{'peer has':>11}"
                  f"{'ratio':>8}  {'goal':<14}holds")
            self._heading = True
        goal = "–" if row["goal"] is None else f"{row['sense']} {row['goal']:g}"
        holds = {None: "–", True: "yes", False: "NO"}[row["holds"]]
        if row["inconclusive"]:
            holds += " (inconclusive)"
        print(f"{row['suite']:<11}{row['name']:<38}{_figure(row['value']):>11} {row['unit']:<6}"
              f"{row['peer']:<26}{_figure(row['peer_value']):>11}{_figure(row['ratio']):>8}  {goal:<14}{holds}"
              + (f"  [{row['note']}]" if row["note"] else ""), flush=True)

    def close(self):
        if self._file:
            self._file.close()

    def fell_short(self):
        return [row for row in self.rows if row["goal"] is not None and not row["holds"]]


def _figure(value):
    if value is None:
        return "–"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


class Series:
    """One side of a comparison. `measure` returns a figure, or a mapping with `value` and what it wants in the row;
    `missing` says why there is nothing to measure; `fault` why a reference does not count (below its floor)."""

    def __init__(self, name, measure=None, missing=None, fault=None):
        self.name = name
        self.measure = measure
        self.missing = missing
        self.fault = fault
        self.extra = {}

    def once(self, watch):
        """One figure, or None from the moment on at which this side is missing."""
        if self.missing is not None:
            return None
        try:
            value = watch.measure(self.measure)
        except (Missing, SetupError, OSError, ValueError, KeyError) as error:
            self.missing = str(error) or repr(error)
            return None
        if isinstance(value, dict):
            self.extra = {key: item for key, item in value.items() if key != "value"}
            value = value["value"]
        if not value:
            self.missing = "nothing arrived"
            return None
        return value


class Comparison:
    """Runs the sides in turn. The ratio is the median of paired ratios of one round each. A peer is first run against
    itself; where that is off 1 by more than half of the goal's margin the row is inconclusive, and is run once more."""

    def __init__(self, report, suite, pairs=5):
        self.report = report
        self.suite = suite
        self.pairs = pairs

    def run(self, name, unit, product, peers):
        goals = {goal["peer"]: goal for goal in self.report.goals_of(self.suite, name)}
        pending = dict(peers)
        for again in (False, True):
            rows = self._measure(name, unit, product, pending, goals)
            for peer, row in list(rows.items()):
                if row["inconclusive"] and not again:
                    self.report.note(f"{name} beside {peer}: inconclusive (against itself "
                                     f"{row['self_ratio']:.3f}); again")
                    continue
                self.report.add(row)
                del pending[peer]
            if not pending:
                return

    def _measure(self, name, unit, product, peers, goals):
        watch = quiet.Watch()
        selves, alone = {}, {}
        figures = {peer: [] for peer in peers}
        own = []
        for peer, side in peers.items():
            if peer not in goals:
                continue  # shown, but nothing hangs on it
            pairs = [(side.once(watch), side.once(watch)) for _ in range(self.pairs)]
            if side.missing is None:
                selves[peer] = statistics.median(first / second for first, second in pairs)
                alone[peer] = [first for first, _ in pairs]
        for turn in range(self.pairs):
            order = [(None, product), *peers.items()]
            for peer, side in order if turn % 2 == 0 else reversed(order):
                if product.missing is not None and peer in alone:
                    continue  # nothing to pair with, and figures enough
                (own if peer is None else figures[peer]).append(side.once(watch))
        if product.missing is not None:
            own = []
            figures.update(alone)
        return {peer: self._row(name, unit, product, side, own, figures[peer], selves.get(peer),
                                goals.get(peer), watch) for peer, side in peers.items()}

    def _row(self, name, unit, product, side, own, theirs, self_ratio, goal, watch):
        ratio = None
        theirs = [] if side.missing is not None else theirs
        if own and theirs:
            ratio = statistics.median(mine / other for mine, other in zip(own, theirs))
        notes = []
        if product.missing is not None:
            notes.append(f"product missing: {product.missing}")
        if side.missing is not None:
            notes.append(f"peer missing: {side.missing}")
        if side.fault is not None:
            notes.append(side.fault)
        if watch.disturbed:
            notes.append(f"{watch.disturbed} runs disturbed by other processes, up to {watch.worst:.0%} of CPU")
        target = goal["goal"] if goal else None
        inconclusive = False
        holds = None
        if goal:
            holds = ratio is not None and side.fault is None and (
                ratio <= target if goal["sense"] == "at most" else ratio >= target)
            if product.extra.get("allocations"):
                notes.append(f"{product.extra['allocations']} allocations per million packets")
                holds = False
            margin = max(abs(target - 1), 0.1)
            inconclusive = self_ratio is not None and abs(self_ratio - 1) > margin / 2
            holds = holds and not inconclusive
        return {"suite": self.suite, "name": name, "value": statistics.median(own) if own else None, "unit": unit,
                "peer": side.name, "ratio": ratio, "goal": target, "sense": goal["sense"] if goal else None,
                "holds": holds, "runs": own, "peer_value": statistics.median(theirs) if theirs else None,
                "peer_runs": theirs, "self_ratio": self_ratio, "inconclusive": inconclusive,
                "repeated": watch.repeated, "disturbed": watch.disturbed, "note": "; ".join(notes),
                "product": product.extra, "reference": side.extra}


def single_row(report, suite, name, unit, value, peer, peer_value, fault=None, note="", ratio=None, runs=None):
    """A figure that is taken once (a peak, say), or whose `runs` were taken by the suite, beside a peer's."""
    goal = next((g for g in report.goals_of(suite, name) if g["peer"] == peer), None)
    if ratio is None:
        ratio = value / peer_value if value is not None and peer_value else None
    holds = None
    if goal:
        holds = ratio is not None and fault is None and (
            ratio <= goal["goal"] if goal["sense"] == "at most" else ratio >= goal["goal"])
    report.add({"suite": suite, "name": name, "value": value, "unit": unit, "peer": peer, "ratio": ratio,
                "goal": goal["goal"] if goal else None, "sense": goal["sense"] if goal else None, "holds": holds,
                "runs": runs or ([] if value is None else [value]), "peer_value": peer_value,
                "peer_runs": [] if peer_value is None else [peer_value], "self_ratio": None,
                "inconclusive": False, "repeated": 0, "disturbed": 0,
                "note": "; ".join(text for text in (note, fault) if text), "product": {}, "reference": {}})


