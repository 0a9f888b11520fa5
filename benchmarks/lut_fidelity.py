"""How far latency tables are from whole networks on this machine: ONNX Runtime, one thread, fp32.

For each space a table is measured as `vitnas profile` does, within a time budget, and compared with held-out
archs from small to large that its calibration has not seen; those that did not fit into the budget are timed
after it. Keys by space: mape, within_5, within_10, kendall, spearman, covered (the share within two stated standard
deviations), kendall_macs (multiplications alone), plain_mape (a line through the sum of layers instead), networks (held out), within_budget (of them, timed
within the budget), rows and measured (rows of the table) and build_s (seconds of the whole call, held-out networks
within the budget included; less if it went on from an earlier one). lookups_per_s is the least over the spaces, on one
core.

between_sittings is the relative standard deviation of one network's latency between sittings, other work coming and
going, once all are brought to one speed of the machine by a reference of its size; .small_reference by the device's
small one, .raw by none, .specific the part that differs from network to network, .worst and .worst_raw the largest
difference of two sittings, .SPACE.LOAD_slower and _corrected how much slower networks are beside a load. It is the
origin of the constants in vitnas/latency_lut/sitting.py; `--only between_sittings` measures it alone and leaves the other
results in the file as they are.

The protocol interleaves a reference network and keeps the steady blocks; the load of the machine is in the
result all the same. Kills lose little: the same command goes on with what was measured, in the folder that
VITNAS_BENCHMARK_WORK names, and takes a table that was finished there on the same terms as it is.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from between_sittings import KEY as SITTINGS
from between_sittings import between_sittings
from frame import run, show

from vitnas.files import read_json, write_json
from vitnas.latency_lut.calibration import Calibration, Fidelity
from vitnas.latency_lut.devices import Device, load_device
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.refit import time_again
from vitnas.latency_lut.rows import WholeNetwork
from vitnas.latency_lut.sampling import sample_networks
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.sitting import Sitting
from vitnas.latency_lut.table import LatencyTable
from vitnas.quantities import parse_duration
from vitnas.reporting.plots.fidelity import plot_fidelity, print_fidelity
from vitnas.search_spaces import Arch, Compressed, SearchSpace, load_space

SPACES = ("autoformer-tiny", "elasticvit", "efficientformer")
TABLES = "tables"
ARCHS = 200_000
WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-lut-fidelity"))
PLOTS = Path(__file__).parents[1] / "docs" / "images"


def measure(quick: bool, only: str | None, space: str | None, budget: str, plots: Path) -> dict[str, float]:
    found = {} if only == SITTINGS else _of_tables(quick, space, budget, plots)
    wanted = only == SITTINGS or (only is None and not quick)  # a quick call has no time for both
    return found | (between_sittings(quick, WORK) if wanted else {})


def _of_tables(quick: bool, space: str | None, budget: str, plots: Path) -> dict[str, float]:
    names = [space] if space else SPACES[:1] if quick else SPACES
    settings = (
        ProfileSettings(block_ms=4.0, blocks=5, warmup_ms=20.0, max_warmup_ms=100.0, fit_networks=8, test_networks=8)
        if quick
        else ProfileSettings(
            block_ms=25.0,
            blocks=20,
            max_repeats=2,
            warmup_ms=200.0,
            max_warmup_ms=1000.0,
            fit_networks=40,
            test_networks=100,
        )
    )
    seconds = 35.0 if quick else parse_duration(budget, "--budget")
    found = {name: _figures(name, settings, seconds, WORK if quick else plots) for name in names}
    show(
        "held-out networks",
        ("space", "MAPE", "within 10 %", "Kendall", "plain MAPE", "seconds"),
        [
            (name, *(f"{figures[k]:.3g}" for k in ("mape", "within_10", "kendall", "plain_mape", "build_s")))
            for name, figures in found.items()
        ],
    )
    rates = [figures.pop("lookups_per_s") for figures in found.values()]
    by_space = {f"{name}.{key}": value for name, figures in found.items() for key, value in figures.items()}
    return by_space | {"lookups_per_s": min(rates)}


def _figures(name: str, settings: ProfileSettings, seconds: float, plots: Path) -> dict[str, float]:
    """Of one space."""
    space, device = load_space(name), load_device("cpu")
    within, took_s = table_within(name, space, device, settings, seconds)
    if within.header.fidelity is None:
        sys.exit(f"{name}: nothing was held out; allow more with --budget")
    table, fidelity = judged(within, space, device, settings)
    print(f"\n{name}: {took_s:.0f} s", file=sys.stderr)
    print_fidelity(table)
    plot_fidelity(table, plots / f"latency-{name}.png")
    return {
        "mape": fidelity.mape,
        "within_5": fidelity.within_5,
        "within_10": fidelity.within_10,
        "kendall": fidelity.kendall or 0.0,
        "spearman": fidelity.spearman or 0.0,
        "covered": fidelity.covered or 0.0,
        "kendall_macs": fidelity.kendall_of_macs or 0.0,
        "plain_mape": plain_mape(table),
        "networks": fidelity.networks,
        "within_budget": within.header.fidelity.networks,
        "rows": len(table.rows),
        "measured": table.provenances.get("measured", 0),
        "build_s": took_s,
        "lookups_per_s": lookups_per_s(table, space),
    }


def table_within(
    name: str, space: SearchSpace, device: Device, settings: ProfileSettings, seconds: float
) -> tuple[LatencyTable, float]:
    """A table measured within a budget, and how long that took; or as an earlier call on the same terms left it under this name."""
    terms = {
        "settings": asdict(settings),
        "budget_s": seconds,
        "device": device.fingerprint_of(mixed=isinstance(space, Compressed)),
        "space": space.fingerprint,
    }
    kept, path = WORK / f"{name}.json", WORK / f"{name}.parquet"
    if not kept.is_file() or read_json(kept)["terms"] != terms:
        start = time.perf_counter()
        profile(space, device, path, settings, budget_s=seconds)
        write_json(kept, {"terms": terms, "build_s": time.perf_counter() - start})
    return LatencyTable.read(path), read_json(kept)["build_s"]


def judged(
    table: LatencyTable, space: SearchSpace, device: Device, settings: ProfileSettings
) -> tuple[LatencyTable, Fidelity]:
    """The table with all held-out networks, and what they say; those that it lacks are timed now."""
    known = {network.arch for network in table.header.networks}
    sampled = sample_networks(space, settings.fit_networks, settings.test_networks, settings.seed)
    lacking = [arch for arch, out in sampled if out and arch.id not in known]
    blueprints, sitting = [space.lower(arch) for arch in lacking], Sitting.of_table(space, table)
    now = time_again(space, table, device, blueprints) if lacking else ()
    timings = [sitting.at_its_speed(timing) if sitting is not None else timing for timing in now]
    codes = space.encode(lacking)
    alone_ms = {row.spec.key: row.timing.median_ms for row in table.rows}
    sums_ms = space.lowering.total([alone_ms[spec.key] for spec in space.lowering.specs])(codes)
    said_ms, std_ms = table.latency_ms(space)(codes), table.latency_std_ms(space)(codes)
    more = [
        WholeNetwork.of(arch, sums_ms[i], said_ms[i], std_ms[i], timings[i].median_ms, held_out=True)
        for i, arch in enumerate(lacking)
    ]
    networks = (*table.header.networks, *more)
    said, took, std = np.array([(n.predicted_ms, n.measured_ms, n.std_ms) for n in networks if n.held_out]).T
    archs = [Arch.from_json({"space": space.name, "genes": n.genes}) for n in networks if n.held_out]
    fidelity = Fidelity.between(said, took, std, macs=table.counts(space)["macs"](space.encode(archs)).astype(float))
    return replace(table, header=replace(table.header, networks=networks, fidelity=fidelity)), fidelity


def plain_mape(table: LatencyTable) -> float:
    """The error of intercept + slope * sum of layers, fitted to the same networks."""
    fit = [n for n in table.header.networks if not n.held_out]
    out = [n for n in table.header.networks if n.held_out]
    line = Calibration.fit(np.array([n.sum_ms for n in fit]), np.array([n.measured_ms for n in fit]))
    measured_ms = np.array([n.measured_ms for n in out])
    return float(np.abs(line(np.array([n.sum_ms for n in out])) / measured_ms - 1).mean())


def lookups_per_s(table: LatencyTable, space: SearchSpace) -> float:
    """Archs costed in a second, the best of five."""
    codes, cost = space.genome.sample(ARCHS, np.random.default_rng(0)), table.latency_ms(space)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        cost(codes)
        times.append(time.perf_counter() - start)
    return ARCHS / min(times)


if __name__ == "__main__":
    run(
        __doc__,
        measure,
        {
            "--only": {"choices": (TABLES, SITTINGS), "help": "this part only; the results of others stay in the file"},
            "--space": {"choices": SPACES, "help": "this space only"},
            "--budget": {"default": "15m", "metavar": "TIME", "help": "for each space (default: 15m)"},
            "--plots": {"type": Path, "default": PLOTS, "metavar": "DIR", "help": "where a full run draws"},
        },
    )
