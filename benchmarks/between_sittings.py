"""How far a latency of one sitting is from that of another, while other work comes and goes.

The same networks are timed again and again, each time in a fresh process: on a machine left alone, with one core busy,
with all cores busy, and with a process that does nothing but move memory. Of every network the figures of all sittings
are compared, raw and at one speed of the machine, as its reference tells it: a network of the same space, as tables
keep one, or the device's small reference network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from frame import show
from numpy.typing import NDArray

from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.devices.device import reference_network
from vitnas.latency_lut.profile import ProfileSettings
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.sampling import by_kind_macs
from vitnas.search_spaces import Blueprint, SearchSpace, load_space

SPACES = ("autoformer-mini", "autoformer-tiny", "elasticvit")
NETWORKS = 4
ROUNDS = 5
KEY = "between_sittings"

COMPUTE = "x = 1.0\nwhile True: x = x * 1.0000001 % 7"
MEMORY = "import numpy as np\na = np.ones(16_000_000); b = np.empty_like(a)\nwhile True: np.copyto(b, a)"
LOADS: dict[str, Sequence[str]] = {
    "alone": (),
    "one_core": (COMPUTE,),
    "all_cores": (COMPUTE,) * (os.cpu_count() or 1),
    "memory": (MEMORY,),
}
"""What runs beside the measurement; whatever else the machine does comes on top."""

Floats = NDArray[np.float64]


def between_sittings(quick: bool) -> dict[str, float]:
    """Standard deviations between sittings, relative, beyond the spread within each; see `lut_fidelity`."""
    names, rounds = (SPACES[:1], 2) if quick else (SPACES, ROUNDS)
    raw, beside, small = [], [], []
    for name in names:
        space = load_space(name)
        timings = _sittings(space, rounds)
        raw.append(_spread(timings, lambda row: 1.0))
        beside.append(_spread(timings, lambda row: row[0].reference_ms))
        small.append(_spread(timings, lambda row: row[-1].median_ms))
        show(f"{name}: each sitting over the median of all", ("sitting", *_COLUMNS), _rows(timings, rounds))
    found = {
        KEY: _pooled([s.between for s in beside]),
        f"{KEY}.raw": _pooled([s.between for s in raw]),
        f"{KEY}.small_reference": _pooled([s.between for s in small]),
        f"{KEY}.worst": max(s.worst for s in beside),
        f"{KEY}.worst_raw": max(s.worst for s in raw),
        f"{KEY}.sittings": float(rounds * len(LOADS)),
        f"{KEY}.networks": float(NETWORKS * len(names)),
    }
    for name, one, corrected in zip(names, raw, beside, strict=True):
        found |= {f"{KEY}.{name}": corrected.between, f"{KEY}.{name}.raw": one.between}
    for i, load in enumerate(LOADS):
        found[f"{KEY}.{load}.slower"] = float(np.mean([one.by_load[i] for one in raw]))
        found[f"{KEY}.{load}.slower_corrected"] = float(np.mean([one.by_load[i] for one in beside]))
    return found


_COLUMNS = ("smallest", "...", "...", "largest", "reference", "small reference", "largest, corrected")


def _sittings(space: SearchSpace, rounds: int) -> list[list[Timing]]:
    """A row a sitting: the networks from small to large, then the small reference network, all beside the middle."""
    codes = space.genome.sample(256, np.random.default_rng(0))
    order = np.argsort(by_kind_macs(space, codes).sum(axis=1), kind="stable")
    steps = np.linspace(0, len(order) - 1, NETWORKS + 1).round().astype(int)
    middle = NETWORKS // 2
    chosen = [space.lower(arch) for arch in space.decode(codes[order[steps]])]
    reference = chosen.pop(middle)
    return [_sitting([*chosen, reference_network()], reference, load) for _ in range(rounds) for load in LOADS.values()]


def _sitting(networks: Sequence[Blueprint], reference: Blueprint, load: Sequence[str]) -> list[Timing]:
    with _beside(load):
        return list(load_device("cpu").time(networks, ProfileSettings.quick(), reference))


@contextmanager
def _beside(load: Sequence[str]) -> Iterator[None]:
    work = [subprocess.Popen([sys.executable, "-c", code]) for code in load]
    try:
        yield
    finally:
        for process in work:
            process.kill()
            process.wait()


class _Spread:
    """Of figures that are ``(sittings, networks)``, over the mean of their logarithms."""

    def __init__(self, figures: Floats, within: Floats) -> None:
        logs = np.log(figures)
        off = logs - logs.mean(axis=0)
        total = float((off**2).sum() / (off.size - off.shape[1]))
        self.between = float(np.sqrt(max(total - float((within**2).mean()), 0.0)))
        self.worst = float(np.exp((logs.max(axis=0) - logs.min(axis=0)).max()) - 1)
        alone = logs[:: len(LOADS)].mean(axis=0)
        self.by_load = [float(np.exp((logs[i :: len(LOADS)] - alone).mean())) for i in range(len(LOADS))]


def _spread(timings: Sequence[Sequence[Timing]], speed) -> _Spread:  # type: ignore[no-untyped-def]
    figures = np.array([[t.median_ms / speed(row) for t in row[:NETWORKS]] for row in timings])
    within = np.array([[_std(t) for t in row[:NETWORKS]] for row in timings])
    return _Spread(figures, within)


def _std(timing: Timing) -> float:
    return timing.iqr_ms / 1.349 * float(np.sqrt(np.pi / 2 / max(timing.blocks, 1))) / timing.median_ms


def _pooled(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _rows(timings: Sequence[Sequence[Timing]], rounds: int) -> list[tuple[str, ...]]:
    figures = np.array(
        [
            [
                *(t.median_ms for t in row[:NETWORKS]),
                row[0].reference_ms,
                row[-1].median_ms,
                row[-2].median_ms / row[0].reference_ms,
            ]
            for row in timings
        ]
    )
    ratios = figures / np.median(figures, axis=0)
    return [
        (name, *(f"{value:.3f}" for value in line))
        for name, line in zip([*LOADS] * rounds, ratios.tolist(), strict=True)
    ]


__all__ = ["KEY", "Mapping", "between_sittings"]
