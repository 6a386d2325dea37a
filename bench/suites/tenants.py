"""tenants: every packet runs its tenant's module, tenants in random order, five modules mixed."""

import statistics

from harness import product
from harness.places import reference_figures
from harness.rows import Comparison, Series, single_row

BARE = "bare Wasmtime"
NATIVE = "the same, native"
TENANTS = (1000, 10000)


def run(report, options):
    seconds = 0.3 if options.quick else 1
    comparison = Comparison(report, "tenants", options.pairs)
    seen = {count: [] for count in TENANTS}
    bare = {count: [] for count in TENANTS}
    native = {count: [] for count in TENANTS}
    for count in TENANTS:
        def own(count=count):
            figures = product.tenants(count, seconds)
            seen[count].append(figures)
            return figures | {"value": figures["ns_per_packet"]}

        def theirs(count=count):
            figures = reference_figures("wasmtime_loop", "tenants", "--tenants", count, "--seconds", seconds)
            bare[count].append(figures)
            return figures | {"value": figures["ns_per_packet"]}

        def twin(count=count):
            figures = product.tenants(count, seconds, native=True)
            native[count].append(figures)
            return figures | {"value": figures["ns_per_packet"]}
        comparison.run(f"{count} tenants, service thread", "ns", Series("entresol", own),
                       {BARE: Series(BARE, theirs), NATIVE: Series(NATIVE, twin)})

    def median(runs, key):
        return statistics.median(run[key] for run in runs) if runs else None

    for count in TENANTS:
        single_row(report, "tenants", f"{count} tenants, whole way", "Mpps", median(seen[count], "path_mpps"), NATIVE,
                   median(native[count], "path_mpps"), runs=[run["path_mpps"] for run in seen[count]])
    most = max(TENANTS)
    for name, unit, key, limit, peer in (("start of an instance", "µs", "start_us", 15.0, "limit: 15 µs"),
                                         ("memory of an instance", "KiB", "used_kib", 32.0, "limit: 32 KiB")):
        figures = [run[key] for run in seen[most]]
        single_row(report, "tenants", name, unit, median(seen[most], key), peer, limit, runs=figures)
        single_row(report, "tenants", name, unit, median(seen[most], key), BARE, median(bare[most], key), runs=figures)
