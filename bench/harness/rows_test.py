"""What a row says: python3 -m unittest discover -s bench -p '*_test.py' -t bench"""

import contextlib
import io
import json
import os
import tempfile
import unittest

from harness import quiet
from harness.rows import Comparison, Missing, Report, Series, load_goals, single_row

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def goal(peer="peer", sense="at most", value=1.4):
    return {"suite": "s", "name": "row", "peer": peer, "unit": "ns", "sense": sense, "goal": value}


def figures(*values):
    """Measures the values in turn, the last one for ever."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


class RowTest(unittest.TestCase):
    def setUp(self):
        measure = quiet.Watch.measure
        quiet.Watch.measure = lambda watch, function: function()
        self.addCleanup(setattr, quiet.Watch, "measure", measure)

    def rows(self, goals, product, peers, pairs=5):
        report = Report(goals)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            Comparison(report, "s", pairs).run("row", "ns", product, peers)
        return {row["peer"]: row for row in report.rows}

    def row(self, goals, product, peer, pairs=5):
        return self.rows(goals, product, {"peer": peer}, pairs)["peer"]

    def test_ratio_is_the_median_of_paired_ratios(self):
        row = self.row([goal()], Series("product", figures(10, 13, 90, 12, 11)), Series("peer", figures(10)))
        self.assertEqual(row["ratio"], 1.2)
        self.assertEqual(row["runs"], [10, 13, 90, 12, 11])
        self.assertIs(row["holds"], True)

    def test_goal_that_is_missed_does_not_hold(self):
        self.assertIs(self.row([goal()], Series("product", figures(15)), Series("peer", figures(10)))["holds"], False)
        at_least = [goal(sense="at least", value=2.4)]
        self.assertIs(self.row(at_least, Series("product", figures(23)), Series("peer", figures(10)))["holds"], False)
        self.assertIs(self.row(at_least, Series("product", figures(25)), Series("peer", figures(10)))["holds"], True)

    def test_missing_product_and_missing_peer_do_not_hold(self):
        def gone():
            raise Missing("not built")
        row = self.row([goal()], Series("product", gone), Series("peer", figures(10)))
        self.assertIs(row["holds"], False)
        self.assertIn("not built", row["note"])
        self.assertEqual(row["peer_value"], 10)
        row = self.row([goal()], Series("product", figures(1)), Series("peer", missing="no registry"))
        self.assertIs(row["holds"], False)
        self.assertIn("no registry", row["note"])

    def test_side_that_vanishes_half_way_does_not_hold(self):
        left = [10] * 12

        def vanishing():
            if not left:
                raise Missing("it has ended")
            return left.pop()
        row = self.row([goal()], Series("product", figures(1)), Series("peer", vanishing))
        self.assertIs(row["holds"], False)
        self.assertIsNone(row["ratio"])

    def test_reference_below_its_floor_does_not_hold(self):
        row = self.row([goal()], Series("product", figures(1)), Series("peer", figures(10), fault="below its floor"))
        self.assertIs(row["holds"], False)

    def test_reference_off_itself_is_inconclusive_and_measured_again(self):
        noisy = figures(*[10, 15] * 5, *[10] * 5, 10)  # 10/15 is off 1 by more than half of 0.4
        row = self.row([goal()], Series("product", figures(11)), Series("peer", noisy))
        self.assertIs(row["inconclusive"], False)
        self.assertIs(row["holds"], True)
        wild = [10, 15]
        always = lambda: wild.append(wild.pop(0)) or wild[-1]
        row = self.row([goal()], Series("product", figures(11)), Series("peer", always))
        self.assertIs(row["inconclusive"], True)
        self.assertIs(row["holds"], False)

    def test_allocations_do_not_hold(self):
        product = Series("product", lambda: {"value": 10, "allocations": 3})
        self.assertIs(self.row([goal()], product, Series("peer", figures(10)))["holds"], False)

    def test_peer_without_a_goal_is_shown_and_judges_nothing(self):
        rows = self.rows([goal()], Series("product", figures(10)),
                         {"peer": Series("peer", figures(10)), "other": Series("other", figures(5))})
        self.assertIsNone(rows["other"]["holds"])
        self.assertEqual(rows["other"]["ratio"], 2)

    def test_single_figure(self):
        report = Report([goal(value=1.0)])
        with contextlib.redirect_stdout(io.StringIO()):
            single_row(report, "s", "row", "MB", 16, "peer", 17)
            single_row(report, "s", "row", "MB", None, "peer", 17)
        self.assertEqual([row["holds"] for row in report.rows], [True, False])
        self.assertEqual(len(report.fell_short()), 1)


class QuietTest(unittest.TestCase):
    def test_disturbed_run_is_repeated_and_bounded(self):
        ticks = iter(range(0, 10 ** 9, 10 ** 6))
        original = quiet._ticks_of_others
        quiet._ticks_of_others = lambda: next(ticks)
        self.addCleanup(setattr, quiet, "_ticks_of_others", original)
        calls = []
        watch = quiet.Watch()
        watch.measure(lambda: calls.append(1))
        self.assertEqual((len(calls), watch.disturbed), (1 + quiet.REPEATS, 1))


class GoalsTest(unittest.TestCase):
    def test_the_goals_are_read(self):
        goals = load_goals(os.path.join(BENCH, "goals.yaml"))
        keys = [(g["suite"], g["name"], g["peer"]) for g in goals]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertEqual({g["suite"] for g in goals}, {"forwarding", "join", "sandbox", "sockets", "tenants", "tunnel"})

    def test_unknown_key_is_refused(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("goals:\n  - " + json.dumps(goal() | {"gaol": 1}) + "\n")
            file.flush()
            self.assertRaises(ValueError, load_goals, file.name)


if __name__ == "__main__":
    unittest.main()
