"""What archs of a search cost, from the tables of its devices, or where nothing is timed, from counts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.latency_lut.rows import COUNTS
from vitnas.nas.pareto.point import Provenance
from vitnas.nas.quantity import ENERGY, LATENCY, OF_A_DEVICE, SHORT, Quantity, std_of
from vitnas.nas.settings import SearchSettings
from vitnas.nas.targets.find import Say
from vitnas.nas.targets.target import Target
from vitnas.search_spaces import Codes, SearchSpace
from vitnas.search_spaces.cost_range import CostOf

if TYPE_CHECKING:
    from vitnas.supernets.counting.population import PopulationCounter

SIMULATED = "simulated"
"""What a search calls itself, and its precisions, where nothing is timed."""


def costs_of(space: SearchSpace, targets: Sequence[Target]) -> tuple[dict[str, CostOf], dict[str, Provenance]]:
    """Quantity -> its value for a population, and where it comes from."""
    devices = [target.name for target in targets]
    costs: dict[str, CostOf] = {}
    provenance: dict[str, Provenance] = {}
    for target in targets:
        latency, energy = (str(Quantity(name).on(target.name, devices)) for name in (LATENCY, ENERGY))
        costs |= {latency: target.latency_ms, std_of(latency): target.latency_std_ms}
        provenance[latency] = target.provenance
        if target.has_energy:
            costs[energy] = target.energy_mj
            provenance[energy] = target.provenance
    counts = targets[0].table.counts(space) if targets else _counted(space)
    return {**costs, **counts}, provenance | dict.fromkeys(counts, "counted")


def without_latency(settings: SearchSettings, say: Say) -> SearchSettings:
    """The same with bit operations for latency, as what is simulated has none."""
    limited = [name for name in settings.limits if _is_of_a_device(name)]
    if limited:
        raise SearchError(
            f"'{limited[0]}' is limited, and precisions that are simulated have no latency and take no energy; limit the size or bitops, "
            "or leave out --simulate"
        )
    say("precisions are simulated: nothing has a latency, and 'bitops' stands for it")
    objectives = ["bitops" if _is_of_a_device(name) else name for name in settings.objectives]
    return replace(settings, objectives=tuple(dict.fromkeys(objectives)))


def _is_of_a_device(name: str) -> bool:
    """Whether a quantity, as people write it, is one that each device has its own of."""
    written = Quantity.parse(name)
    return SHORT.get(written.name, written.name) in OF_A_DEVICE


def _counted(space: SearchSpace) -> dict[str, CostOf]:
    """What archs count, where no table tells."""
    from vitnas.supernets.counting.population import PopulationCounter

    count = PopulationCounter(space)
    return {name: partial(_column, count, name) for name in COUNTS}


def _column(count: PopulationCounter, name: str, codes: Codes) -> NDArray[np.generic]:
    found: NDArray[np.generic] = getattr(count(codes), name)
    return found
