"""How far a latency of one sitting is from that of another, while other work comes and goes: a part of lut_fidelity.

The same networks are timed again and again, each time in a fresh process: with nothing added to what the machine does
anyway, with one core busy, with all cores busy, and beside a process that does nothing but move memory. Of every network
the figures of all sittings are compared, raw and at one speed of the machine, which a reference tells: a network of the
same space, as tables keep one, or the device's small reference network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from frame import show
from numpy.typing import NDArray

from vitnas.files import read_json, write_json
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.devices.device import reference_network
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.sampling import by_kind_macs
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.search_spaces import Blueprint, SearchSpace, load_space

SPACES = ("autoformer-mini", "autoformer-tiny")
NETWORKS = 4
ROUNDS = 5
KEY = "between_sittings"

COMPUTE = "x = 1.0\nwhile True: x = x * 1.0000001 % 7"
MEMORY = "import numpy as np\na = np.ones(16_000_000); b = np.empty_like(a)\nwhile True: np.copyto(b, a)"
LOADS: dict[str, Sequence[str]] = {
    "nothing": (),
    "one_core": (COMPUTE,),
    "all_cores": (COMPUTE,) * (os.cpu_count() or 1),
    "memory": (MEMORY,),
}
"""What is added to whatever the machine does anyway."""

Floats = NDArray[np.float64]


class Sittings:
    """Latencies of one space, ``(sittings, networks)``, and what the references took."""

    def __init__(self, rows: Sequence[Sequence[Timing]]) -> None:
        networks = [row[:NETWORKS] for row in rows]
        self.raw = np.log([[t.median_ms for t in row] for row in networks])
        self.within = np.array([[t.std_ms / t.median_ms for t in row] for row in networks])
        self.reference = np.log([row[0].reference_ms for row in rows])[:, None]
        self.small = np.log([row[-1].median_ms for row in rows])[:, None]

    def spread(self, speed: Floats | float = 0.0) -> float:
        """Relative standard deviation between sittings at one speed of the machine, beyond that within sittings."""
        off = self._off(speed)
        total = float((off**2).sum() / (off.size - off.shape[1]))
        return float(np.sqrt(max(total - float((self.within**2).mean()), 0.0)))

    def specific(self) -> float:
        """The part of it that differs from network to network; the rest moves all networks of a sitting alike."""
        off = self._off(self.reference)
        alone = off - off.mean(axis=1, keepdims=True)
        total = float((alone**2).sum() / ((off.shape[0] - 1) * (off.shape[1] - 1)))
        return float(np.sqrt(max(total - float((self.within**2).mean()), 0.0)))

    def worst(self, speed: Floats | float = 0.0) -> float:
        """The largest factor between two sittings of one network, less one."""
        return float(np.exp(np.ptp(self._off(speed), axis=0).max()) - 1)

    def slower(self, load: int, speed: Floats | float = 0.0) -> float:
        """By which factor networks are slower under a load than with nothing added."""
        off = self._off(speed)
        return float(np.exp(off[load :: len(LOADS)].mean() - off[:: len(LOADS)].mean()))

    def _off(self, speed: Floats | float) -> Floats:
        corrected = self.raw - speed
        return np.asarray(corrected - corrected.mean(axis=0), dtype=np.float64)


def between_sittings(quick: bool, work: Path) -> dict[str, float]:
    """Relative standard deviations, see `lut_fidelity`; timings are kept in `work`, a file a space."""
    names, rounds = (SPACES[:1], 1) if quick else (SPACES, ROUNDS)
    all_of = {name: Sittings(_timed(load_space(name), rounds, work / f"{KEY}-{name}.json")) for name in names}
    found = {
        KEY: _pooled([s.spread(s.reference) for s in all_of.values()]),
        f"{KEY}.raw": _pooled([s.spread() for s in all_of.values()]),
        f"{KEY}.small_reference": _pooled([s.spread(s.small) for s in all_of.values()]),
        f"{KEY}.specific": _pooled([s.specific() for s in all_of.values()]),
        f"{KEY}.worst": max(s.worst(s.reference) for s in all_of.values()),
        f"{KEY}.worst_raw": max(s.worst() for s in all_of.values()),
        f"{KEY}.sittings": float(rounds * len(LOADS)),
        f"{KEY}.networks": float(NETWORKS * len(names)),
    }
    for name, one in all_of.items():
        found |= {f"{KEY}.{name}": one.spread(one.reference), f"{KEY}.{name}.raw": one.spread()}
        found |= {f"{KEY}.{name}.small_reference": one.spread(one.small)}
        found |= {f"{KEY}.{name}.{load}_slower": one.slower(i) for i, load in enumerate(LOADS)}
        found |= {f"{KEY}.{name}.{load}_corrected": one.slower(i, one.reference) for i, load in enumerate(LOADS)}
        show(
            f"{name}: a sitting over one with nothing added",
            ("load", "raw", "corrected"),
            [(load, f"{one.slower(i):.3f}", f"{one.slower(i, one.reference):.3f}") for i, load in enumerate(LOADS)],
        )
    return found


def _timed(space: SearchSpace, rounds: int, kept: Path) -> list[list[Timing]]:
    """A row a sitting: networks from small to large, then the small reference network, all beside the middle one."""
    terms: dict[str, Any] = {
        "rounds": rounds,
        "networks": NETWORKS,
        "settings": asdict(ProfileSettings.quick()),
        "device": load_device("cpu").fingerprint(),
        "space": space.fingerprint,
    }
    if kept.is_file() and (found := read_json(kept))["terms"] == terms:
        return msgspec.convert(found["rows"], list[list[Timing]])
    codes = space.genome.sample(256, np.random.default_rng(0))
    order = np.argsort(by_kind_macs(space, codes).sum(axis=1), kind="stable")
    steps = np.linspace(0, len(order) - 1, NETWORKS + 1).round().astype(int)
    networks = [space.lower(arch) for arch in space.decode(codes[order[steps]])]
    reference = networks.pop(NETWORKS // 2)
    rows = [
        _sitting([*networks, reference_network()], reference, load) for _ in range(rounds) for load in LOADS.values()
    ]
    write_json(kept, {"terms": terms, "rows": [[asdict(timing) for timing in row] for row in rows]})
    return rows


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


def _pooled(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
