"""How far latency tables are from whole networks on this machine: ONNX Runtime, one thread, fp32.

For each space a table is measured as `vitnas profile` does, within a time budget, and compared with held-out
archs from small to large that its calibration has not seen. Keys by space: mape, within_5, within_10, kendall,
spearman, covered (the share within two stated standard deviations), plain_mape (a line through the sum of layers
instead), rows and measured (rows of the table) and build_s (seconds of the whole call, held-out networks
included; less if it went on from an earlier one). lookups_per_s is the least over the spaces, on one core.

The protocol interleaves a reference network and keeps the steady blocks; the load of the machine is in the
result all the same. Kills lose little: the same command continues with what was measured, in --out.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from frame import run, show

from vitnas.latency_lut.calibration import Calibration
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.profile import ProfileSettings, profile
from vitnas.latency_lut.table import LatencyTable
from vitnas.quantities import parse_duration
from vitnas.reporting.fidelity import plot_fidelity, print_fidelity
from vitnas.search_spaces import SearchSpace, load_space

SPACES = ("autoformer-tiny", "elasticvit", "efficientformer")
ARCHS = 200_000


def measure(quick: bool, space: str | None, budget: str, out: Path) -> dict[str, float]:
    results: dict[str, float] = {}
    rates, rows = [], []
    names = [space] if space else SPACES[:1] if quick else SPACES
    settings = (
        ProfileSettings(block_ms=4.0, blocks=5, warmup_ms=20.0, max_warmup_ms=100.0, fit_networks=8, test_networks=8)
        if quick
        else ProfileSettings(
            block_ms=25.0, blocks=25, warmup_ms=200.0, max_warmup_ms=1500.0, fit_networks=40, test_networks=100
        )
    )
    seconds = 35.0 if quick else parse_duration(budget, "--budget")
    for name in names:
        found = load_space(name)
        start = time.perf_counter()
        table = profile(
            found,
            load_device("cpu"),
            out / f"{name}-{'quick' if quick else 'full'}.parquet",
            settings,
            budget_s=seconds,
        )
        took_s = time.perf_counter() - start
        print(f"\n{name}: {took_s:.0f} s", file=sys.stderr)
        print_fidelity(table)
        if table.header.fidelity is None:
            sys.exit(f"{name}: nothing was held out; allow more with --budget")
        plot_fidelity(table, out / f"{name}.png")
        rates.append(lookups_per_s(table, found))
        fidelity = table.header.fidelity
        figures = {
            "mape": fidelity.mape,
            "within_5": fidelity.within_5,
            "within_10": fidelity.within_10,
            "kendall": fidelity.kendall or 0.0,
            "spearman": fidelity.spearman or 0.0,
            "covered": fidelity.covered or 0.0,
            "plain_mape": plain_mape(table),
            "networks": fidelity.networks,
            "rows": len(table.rows),
            "measured": table.provenances.get("measured", 0),
            "build_s": took_s,
        }
        results |= {f"{name}.{key}": float(value) for key, value in figures.items()}
        rows.append((name, *(f"{figures[k]:.3g}" for k in ("mape", "within_10", "kendall", "plain_mape", "build_s"))))
    show("held-out networks", ("space", "MAPE", "within 10 %", "Kendall", "plain MAPE", "seconds"), rows)
    return results | {"lookups_per_s": min(rates)}


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
            "--space": {"choices": SPACES, "help": "this space only"},
            "--budget": {"default": "20m", "metavar": "TIME", "help": "for each space (default: 20m)"},
            "--out": {"type": Path, "default": Path("lut_fidelity"), "metavar": "DIR", "help": "tables and pictures"},
        },
    )
