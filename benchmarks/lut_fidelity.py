"""How far latency tables are from whole networks on this machine: ONNX Runtime, one thread, fp32.

For each space a table is measured as `vitnas profile` does, within a time budget, and compared with held-out
archs from small to large that its calibration has not seen. Keys by space: mape, within_5, within_10, kendall,
spearman, covered (the share within two stated standard deviations), plain_mape (a line through the sum of layers
instead), rows and measured (rows of the table) and build_s (seconds of the whole call, held-out networks
included; less if it went on from an earlier one). lookups_per_s is the least over the spaces, on one core.

The protocol interleaves a reference network and keeps the steady blocks; the load of the machine is in the
result all the same. Kills lose little: the same command goes on with what was measured, in the folder that
VITNAS_BENCHMARK_WORK names, and takes a space that was finished there on the same terms as it is.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from frame import run, show

from vitnas.files import read_json, write_json
from vitnas.latency_lut.calibration import Calibration
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.profile import ProfileSettings, profile
from vitnas.latency_lut.table import LatencyTable
from vitnas.quantities import parse_duration
from vitnas.reporting.fidelity import plot_fidelity, print_fidelity
from vitnas.search_spaces import SearchSpace, load_space

SPACES = ("autoformer-tiny", "elasticvit", "efficientformer")
ARCHS = 200_000
WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-lut-fidelity"))
PLOTS = Path(__file__).parents[1] / "docs" / "images"


def measure(quick: bool, space: str | None, budget: str, plots: Path) -> dict[str, float]:
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
    """Of one space; measured, or as an earlier call on the same terms left them."""
    space, device = load_space(name), load_device("cpu")
    terms = {
        "settings": asdict(settings),
        "budget_s": seconds,
        "device": device.fingerprint(),
        "space": space.fingerprint,
    }
    kept, path = WORK / f"{name}.json", WORK / f"{name}.parquet"
    if kept.is_file() and (earlier := read_json(kept))["terms"] == terms:
        print(f"{name}: as measured {earlier['measured']}", file=sys.stderr)
        done: dict[str, float] = earlier["figures"]
        return done
    start = time.perf_counter()
    table = profile(space, device, path, settings, budget_s=seconds)
    took_s = time.perf_counter() - start
    print(f"\n{name}: {took_s:.0f} s", file=sys.stderr)
    print_fidelity(table)
    fidelity = table.header.fidelity
    if fidelity is None:
        sys.exit(f"{name}: nothing was held out; allow more with --budget")
    plot_fidelity(table, plots / f"latency-{name}.png")
    figures: dict[str, Any] = {
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
        "lookups_per_s": lookups_per_s(table, space),
    }
    write_json(kept, {"terms": terms, "measured": table.header.created, "figures": figures})
    return figures


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
            "--budget": {"default": "15m", "metavar": "TIME", "help": "for each space (default: 15m)"},
            "--plots": {"type": Path, "default": PLOTS, "metavar": "DIR", "help": "where a full run draws"},
        },
    )
