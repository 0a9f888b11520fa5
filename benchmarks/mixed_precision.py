"""Networks of which some layers multiply integers: what latency tables say of them, and what it costs that layers meet in float.

ONNX Runtime, one thread. Groups of keys, each measured alone by `--only`; a group is a function here.

tables: for each space a table with rows at every precision of the device is measured within a budget, as `vitnas profile --compress`
does, and compared with held-out mixed networks, from small to large, that its calibration has not seen. mixed_lut_mape is the largest
mean relative error of the spaces, mixed_lut_kendall the least rank correlation; by space also .mape, .kendall, .networks, .rows,
.measured and .build_s, as in lut_fidelity.py. mixed_lookups_per_s is the least over the spaces, on one core.

edges: the largest network of each space with every layer that may be in integers, once of layers that take and give floats, and once
quantised as a whole, so that neighbours hand on what they have. mixed_float_edge_cost is the largest relative difference of the medians
of calls that take turns; by space .float_edge_cost.

rounding, engines, foreseen, joint: on a plain transformer and a hybrid trained here on CIFAR-10 (benchmarks/problems/rounded.py says how).
acc.NETWORK is percent of 10,000 test images in float; ptq_w8a8_drop.NETWORK (7-bit weights where processors saturate) and
ptq_w4a4_drop_l0, _l1 and _l2.NETWORK are points lost at all layers but the first and the last. engine_minus_simulated is the largest
difference in points between a runtime and the simulation over networks with all or half of their layers in integers; .as_asked the share of
these layers that the file computes so. sensitivity_spearman is the least rank correlation, over menus and networks, of the sums of
what layers do alone with what 25 choices do together. joint_hypervolume_gain and joint_over_policy are the relative area under the front of one search over
channels and precisions over that of channels first and then integers everywhere, or then in the best layers; means over two searches.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from frame import run, show
from lut_fidelity import judged, lookups_per_s, table_within
from problems import jointly, rounded
from quantisers import NETWORKS, WORK

from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.devices.menus import Compression
from vitnas.latency_lut.protocol import thread_clock
from vitnas.latency_lut.runtimes.mixed import MixedFiles
from vitnas.latency_lut.runtimes.onnx import INPUT, open_session
from vitnas.latency_lut.runtimes.onnx_runtime import WITHOUT_FUSION
from vitnas.latency_lut.runtimes.quantise import quantise
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.quantities import parse_duration
from vitnas.search_spaces import Compressed, Task, load_space

SPACES = {"autoformer-mini": None, "efficientformerv2": Task(image_size=64, num_classes=10)}
"""Name -> the task that its networks are timed for, its own where that is None."""
CALLS = 300
Group = Callable[[dict[str, Compressed], bool, float], dict[str, float]]


def measure(quick: bool, only: str | None, space: str | None, budget: str) -> dict[str, float]:
    names = [space] if space else list(SPACES)[:1] if quick else list(SPACES)
    spaces = {name: Compression().of(load_space(name, SPACES[name]), ["cpu"]) for name in names}
    found: dict[str, float] = {}
    for name, group in GROUPS.items():
        if only in (None, name):
            found |= group(spaces, quick, 150.0 if quick else parse_duration(budget, "--budget"))
    return found


def tables(spaces: dict[str, Compressed], quick: bool, seconds: float) -> dict[str, float]:
    """The group of this name."""
    settings = (
        ProfileSettings(block_ms=4.0, blocks=5, warmup_ms=20.0, max_warmup_ms=100.0, fit_networks=8, test_networks=8)
        if quick
        else ProfileSettings(block_ms=25.0, blocks=20, max_repeats=2, warmup_ms=200.0, max_warmup_ms=1000.0)
    )
    device, figures = load_device("cpu"), {}
    for name, space in spaces.items():
        table, took_s = table_within(f"mixed-{name}", space, device, settings, seconds)
        if table.header.fidelity is None:
            sys.exit(f"{name}: nothing was held out; allow more with --budget")
        whole, fidelity = judged(table, space, device, settings)
        figures[name] = {
            "mape": fidelity.mape,
            "kendall": fidelity.kendall or 0.0,
            "networks": fidelity.networks,
            "rows": len(whole.rows),
            "measured": whole.provenances.get("measured", 0),
            "build_s": took_s,
            "lookups_per_s": lookups_per_s(whole, space),
        }
    show(
        "held-out mixed networks",
        ("space", "MAPE", "Kendall", "networks", "seconds"),
        [
            (name, *(f"{one[k]:.3g}" for k in ("mape", "kendall", "networks", "build_s")))
            for name, one in figures.items()
        ],
    )
    rates = [one.pop("lookups_per_s") for one in figures.values()]
    return {
        "mixed_lut_mape": max(one["mape"] for one in figures.values()),
        "mixed_lut_kendall": min(one["kendall"] for one in figures.values()),
        "mixed_lookups_per_s": min(rates),
        **{f"{name}.{key}": value for name, one in figures.items() for key, value in one.items()},
    }


def edges(spaces: dict[str, Compressed], quick: bool, seconds: float) -> dict[str, float]:
    """The group of this name."""
    found = {}
    for name, space in spaces.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = _edge_cost(space, Path(folder), CALLS // 10 if quick else CALLS)
    return {
        "mixed_float_edge_cost": max(found.values()),
        **{f"{name}.float_edge_cost": cost for name, cost in found.items()},
    }


def _edge_cost(space: Compressed, folder: Path, calls: int) -> float:
    integers, base = space.menu[0], space.base.largest()
    files, blueprint = MixedFiles(folder), space.base.lower(base)
    whole = quantise(files.file(blueprint), folder / "whole.onnx", reduced=integers == "w7a8", with_weights=True)
    kept = space.base.compressed(
        [integers], keep=()
    )  # what is quantised as a whole leaves out neither the first nor the last
    edged = files.file(kept.lower(kept.compress(base, integers)))
    feed = {INPUT: np.random.default_rng(0).standard_normal((1, *blueprint.in_shape), dtype=np.float32)}
    sessions = [open_session(path, 1, without=WITHOUT_FUSION) for path in (edged, whole)]
    clocks = [thread_clock(lambda session=session: session.run(None, feed)) for session in sessions]  # type: ignore[misc]
    times = [[clock(1) for clock in clocks] for _ in range(calls)]
    edged_ms, whole_ms = (statistics.median(one) for one in zip(*times[calls // 10 :], strict=True))
    return float(edged_ms / whole_ms - 1)


def on_trained(group: Callable[..., dict[str, float]], names: Sequence[str] = tuple(NETWORKS)) -> Group:
    """A group that looks at trained networks, whose integers are those of this processor."""

    def measured(spaces: dict[str, Compressed], quick: bool, seconds: float) -> dict[str, float]:
        integers = next(iter(spaces.values())).menu[0]
        with tempfile.TemporaryDirectory() as folder:
            return group(rounded.each(quick, Path(folder) if quick else WORK, names), integers, quick)

    return measured


GROUPS: dict[str, Group] = {
    "tables": tables,
    "edges": edges,
    "rounding": on_trained(rounded.rounding),
    "engines": on_trained(rounded.engines),
    "foreseen": on_trained(rounded.foreseen),
    "joint": on_trained(jointly.jointly, ["plain"]),
}
"""Each given the compressed spaces, whether to be quick, and the seconds for a table."""


if __name__ == "__main__":
    run(
        __doc__,
        measure,
        {
            "--only": {"choices": tuple(GROUPS), "help": "this group only; the results of others stay in the file"},
            "--space": {"choices": tuple(SPACES), "help": "this space only"},
            "--budget": {"default": "20m", "metavar": "TIME", "help": "for the table of each space (default: 20m)"},
        },
    )
