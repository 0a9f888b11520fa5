"""A small search problem with a known answer: a synthetic accuracy with interactions, and a cost in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vitnas.nas.objectives import objectives_named
from vitnas.nas.problem import Problem
from vitnas.nas.settings import SearchSettings
from vitnas.search_spaces import Arch, Codes, SearchSpace, load_space
from vitnas.search_spaces.cost_range import CostOf

BIG = load_space("autoformer-mini")
SMALL = BIG.restrict(depth=(3, 4), heads=(2, 4), mlp_ratio=(2.0, 4.0))  # 960 archs
TINY = BIG.restrict(depth=(3,), heads=(2, 4), mlp_ratio=(3.0,), width=(48, 64, 80))  # 24 archs


def accuracy(codes: Codes) -> np.ndarray:
    """Wants depth and width together, and a FFN that alternates: no sum over genes says this."""
    values = np.maximum(codes, 0).astype(float)
    weights = np.random.default_rng(5).random(codes.shape[1])
    linear = (values * weights).sum(axis=1)
    inter = np.sin(1.3 * values[:, 0] * values[:, 1] + 0.9 * values[:, 2:].sum(axis=1))
    return 0.5 + 0.05 * linear / np.sqrt(1 + 0.2 * linear) + 0.02 * inter + 0.002 * np.sin(1000 * linear)


def latency(space: SearchSpace) -> Callable[[Codes], np.ndarray]:
    """Adds up over layers, as a table does."""
    each = [
        np.prod(spec.in_shape) + 0.2 * spec.in_shape[-1] * sum(v for k, v in spec.attrs if k in ("hidden", "heads"))
        for spec in space.lowering.specs
    ]
    total = space.lowering.total(np.array(each, dtype=float) / 1e4)
    return lambda codes: np.asarray(total(codes), dtype=float)


def kept(space: SearchSpace) -> Callable[[Codes], np.ndarray]:
    """An importance that adds up over layers, of which each next unit is worth less."""
    total = space.lowering.total(
        [float(np.sqrt(s.in_shape[-1] * dict(s.attrs).get("hidden", 40))) for s in space.lowering.specs]
    )
    return lambda codes: np.asarray(total(codes), dtype=float)


@dataclass(frozen=True)
class Score:
    """Evaluates one arch."""

    space: SearchSpace

    def __call__(self, arch: Arch) -> dict[str, float]:
        value = float(accuracy(self.space.encode([arch]))[0])
        return {"accuracy": value, "loss": 1 - value}


def posed(space: SearchSpace, settings: SearchSettings, costs: Mapping[str, CostOf] | None = None, **more) -> Problem:
    """The objectives and limits of some settings, with milliseconds unless other costs are given."""
    costs = {"latency_ms": latency(space)} if costs is None else costs
    return Problem(space, objectives_named(settings.objectives), costs, settings.limits, seed=settings.seed, **more)


def true_front(space: SearchSpace, most_ms: float = np.inf) -> dict[str, tuple[float, float]]:
    """By brute force: arch id -> accuracy and latency of every arch that none beats."""
    codes = space.genome.enumerate()
    codes = codes[latency(space)(codes) <= most_ms]
    a, ms = accuracy(codes), latency(space)(codes)
    archs = space.decode(codes)
    beaten = [((a >= a[i]) & (ms <= ms[i]) & ((a > a[i]) | (ms < ms[i]))).any() for i in range(len(codes))]
    return {arch.id: (float(x), float(y)) for arch, x, y, worse in zip(archs, a, ms, beaten, strict=True) if not worse}
