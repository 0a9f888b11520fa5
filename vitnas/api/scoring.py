"""Scores without training, and networks grown by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from vitnas.api.archs import Archs, OneArch, named_archs
from vitnas.api.loading import load_arch, load_space, load_table
from vitnas.errors import SettingsError
from vitnas.latency_lut.table import LatencyTable
from vitnas.predictors.proxies import grow as growing
from vitnas.predictors.proxies.grow import DEFAULT_PROXIES, Cost, Grown
from vitnas.predictors.proxies.scoring import score_archs
from vitnas.reporting.per_arch import ArchTable, ScoredArch
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.torch_device import find_device


@overload
def score(
    space: SearchSpace | str | Path,
    archs: OneArch,
    proxies: str | Sequence[str],
    *,
    seed: int = 0,
    torch_device: str = "auto",
) -> ScoredArch: ...


@overload
def score(
    space: SearchSpace | str | Path,
    archs: Archs,
    proxies: str | Sequence[str] = "aggregate",
    *,
    seed: int = 0,
    torch_device: str = "auto",
) -> ArchTable[ScoredArch]: ...


def score(
    space: SearchSpace | str | Path,
    archs: OneArch | Archs,
    proxies: str | Sequence[str] = "aggregate",
    *,
    seed: int = 0,
    torch_device: str = "auto",
) -> ScoredArch | ArchTable[ScoredArch]:
    """Scores archs without training them; higher is better.

    Args:
        space: of the archs, or its name or file.
        archs: one arch, which gives one result, or several, which give a table with the most promising first: a list,
            a front, or a number of random ones.
        proxies: what to score by, from `list_proxies`; the parts of an assembly come along. An assembly such as
            "aggregate" ranks archs among each other and needs several.
        seed: of the weights, the images and random archs.
        torch_device: where the networks run: cpu, cuda, cuda:1 or mps; "auto" takes a GPU if there is one.
    """
    names = [proxies] if isinstance(proxies, str) else list(proxies)
    loaded = load_space(space)
    named = named_archs(loaded, archs, seed)
    scores = score_archs(loaded, list(named.values()), names, seed, device=find_device(torch_device))
    found = [
        ScoredArch(name, arch, {proxy: float(values[i]) for proxy, values in scores.items()})
        for i, (name, arch) in enumerate(named.items())
    ]
    if isinstance(archs, OneArch):
        return found[0]
    return ArchTable.of(found[i] for i in np.argsort(-scores[names[0]], kind="stable"))


def grow(
    space: SearchSpace | str | Path,
    arch: OneArch = "smallest",
    *,
    num_params: float | None = None,
    macs: float | None = None,
    latency_ms: float | None = None,
    table: LatencyTable | str | Path | None = None,
    proxies: Sequence[str] = DEFAULT_PROXIES,
    seed: int = 0,
    torch_device: str = "auto",
    progress: bool = False,
) -> list[Grown]:
    """Grows depth and width from a small arch up to a budget, without training; each step is one of a family.

    Args:
        space: of the archs, or its name or file.
        arch: where to begin.
        num_params: grow up to this many parameters.
        macs: grow up to this many multiply-accumulates.
        latency_ms: grow up to this latency of `table`.
        table: a latency table that serves the space, or its file.
        proxies: whose ranks decide.
        seed: of the weights and images.
        torch_device: where the networks run, as in `score`.
        progress: prints warnings of the table to standard error.
    """
    budgets = {"num_params": num_params, "macs": macs, "latency_ms": latency_ms}
    given = {name: value for name, value in budgets.items() if value is not None}
    if len(given) != 1 or (latency_ms is None) != (table is None):
        raise SettingsError(
            "say how far to grow: exactly one of num_params, macs, and latency_ms together with its table"
        )
    ((name, budget),) = given.items()
    loaded = load_space(space)
    begin = load_arch(loaded, arch)
    if table is None:
        cost = _count(loaded, name)
    else:
        read = table if isinstance(table, LatencyTable) else load_table(table, progress=progress)
        cost = read.latency_ms(loaded)
    device = find_device(torch_device)

    def scores(archs: Sequence[Arch]) -> dict[str, NDArray[np.float64]]:
        return score_archs(loaded, archs, proxies, seed, device=device)

    return growing.grow(loaded, begin, budget, cost, tuple(proxies), seed, scores)


def _count(space: SearchSpace, name: str) -> Cost:
    counter = PopulationCounter(space)
    return lambda codes: getattr(counter(codes), name).astype(float)
