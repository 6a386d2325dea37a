"""sandbox: what crossing into a module costs above the same source native, its parts, and the way of packets from a worker to
a service thread and back."""

import statistics

from harness import product
from harness.places import reference_figures
from harness.rows import Comparison, Missing, Series, single_row

WITHOUT = "the same source, native"
ECHO = "bare echo"
ABOVE = "table, batches of 32, above native"
LIMIT = "limit: 5 ns"
BATCH = 32


def crossing(report, options, seconds):
    """Every run is one process, in which native and sandboxed rounds alternate."""
    runs, bare = [], []
    for _ in range(options.pairs):
        runs.append(product.sandbox_batch(seconds))
        bare.append(reference_figures("wasmtime_loop", "batch", "--batch", BATCH, "--seconds", seconds))
    allocations = max(run["allocations"] for run in runs)
    note = f"{allocations} allocations per million packets" if allocations else ""

    def above(name):
        return [run["services"][name]["ns_per_packet"] - run["services"][name]["native_ns"] for run in runs]

    figure = statistics.median(above("table"))
    of_bare = [run["modules"][0]["ns_per_packet"] - run["modules"][0]["native_ns"] for run in bare]
    single_row(report, "sandbox", ABOVE, "ns", figure, LIMIT, 5.0, fault=note or None, runs=above("table"))
    single_row(report, "sandbox", ABOVE, "ns", figure, "bare Wasmtime above its native",
               statistics.median(of_bare), runs=above("table"))
    for name in ("filter", "balancer"):
        pairs = [(run["services"][name]["ns_per_packet"], run["services"][name]["native_ns"]) for run in runs]
        single_row(report, "sandbox", f"{name}, batches of 32", "ns", statistics.median(first for first, _ in pairs), WITHOUT,
                   statistics.median(second for _, second in pairs), fault=note or None,
                   ratio=statistics.median(first / second for first, second in pairs), runs=[first for first, _ in pairs])
    empty = statistics.median(above("empty"))
    copies = statistics.median(run["copies_ns"] for run in runs)
    checks = statistics.median(run["checks_ns"] for run in runs)
    report.note(f"an empty module is {empty:.2f} ns a packet above native: {copies:.2f} copies, the rest the call of 32; checks of "
                f"verdicts, of native ones too, {checks:.2f}")
    for name in ("table", "filter", "balancer", "counter", "limiter"):
        cores = [(run["services"][name]["ns_per_packet"] - run["services"]["empty"]["ns_per_packet"]) /
                 (run["services"][name]["native_ns"] - run["services"]["empty"]["native_ns"]) for run in runs]
        report.note(f"code generation, {name}: {statistics.median(above(name)) - empty:.2f} ns a packet above native; beyond what "
                    f"an empty one takes, {statistics.median(cores):.2f} times native")


def path(report, options, seconds):
    comparison = Comparison(report, "sandbox", options.pairs)
    count = 500 if options.quick else 2000
    for name, unit, key, arguments in (
            ("worker to service thread and back", "ns", "ns_per_packet", ("--seconds", seconds, "--count", 10)),
            ("idle round trip, p50", "µs", "p50_us", ("--seconds", 0.05, "--count", count)),
            ("idle round trip, p99", "µs", "p99_us", ("--seconds", 0.05, "--count", count))):
        def own(key=key, arguments=arguments):
            figures = product.service_path(*arguments)
            return figures | {"value": figures[key]}

        def echo(key=key, arguments=arguments):
            figures = reference_figures("echo", *arguments)
            return figures | {"value": figures[key]}
        comparison.run(name, unit, Series("entresol", own), {ECHO: Series(ECHO, echo)})


def run(report, options):
    seconds = 0.2 if options.quick else 0.5
    try:
        crossing(report, options, seconds)
    except Missing as error:
        report.note(f"sandbox: {error}")
        for goal in report.goals_of("sandbox", ABOVE):
            single_row(report, "sandbox", ABOVE, "ns", None, goal["peer"], None, note=str(error))
        for name in ("filter", "balancer"):
            single_row(report, "sandbox", f"{name}, batches of 32", "ns", None, WITHOUT, None, note=str(error))
    path(report, options, seconds)
