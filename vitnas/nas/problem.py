"""Problem: what a search is about, said once for the searcher, the evaluator, the measuring and the fronts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vitnas.errors import SearchError
from vitnas.nas.limits import Limits
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.point import Provenance
from vitnas.nas.quantity import LATENCY, Quantity
from vitnas.search_spaces import SearchSpace
from vitnas.search_spaces.cost_range import CostOf

if TYPE_CHECKING:
    from vitnas.nas.targets.target import Target


@dataclass(frozen=True, eq=False)
class Problem:
    """A space, what its archs are compared by, and what they may cost.

    Attributes:
        space: where archs come from.
        objectives: what to weigh; those that no cost gives come from true evaluations.
        costs: quantity -> its value for a whole population, from tables and counts.
        maxima: quantity -> the most it may be.
        targets: the devices that the search is for.
        provenance: where the figures of quantities come from, where they are not measured end to end.
        origin: what the figures come from, such as ``{"device": "cpu", "supernet": "step-00001000"}``.
        shared_errors: quantity -> the part of its standard deviation, relative to the figure, that all archs share and
            that so does not blur which of two is more; of latencies by default what a sitting's reference has in it.
        importance: how much every arch of a population keeps of what matters on trained weights, if there are any:
            searchers that weigh it follow it, predictors read it as a feature.
        seed: of the search for what costs can be, in spaces too large to list.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    costs: Mapping[str, CostOf] = field(default_factory=dict)
    maxima: Mapping[str, float] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    shared_errors: Mapping[str, float] = field(default_factory=dict)
    importance: CostOf | None = None
    seed: int = 0

    @cached_property
    def limits(self) -> Limits:
        """The maxima, checked for being reachable."""
        return Limits(self.space, self.costs, self.maxima, self.origin.get("device"), self.seed)

    @property
    def devices(self) -> list[str]:
        return [target.name for target in self.targets]

    @property
    def latencies(self) -> dict[str, Target]:
        """Latency quantity -> its device."""
        return {str(Quantity(LATENCY).on(target.name, self.devices)): target for target in self.targets}

    @property
    def shared(self) -> dict[str, float]:
        """The errors that all archs share, of latencies and of what else `shared_errors` tells."""
        return {name: t.shared for name, t in self.latencies.items() if t.shared} | dict(self.shared_errors)

    def scarce(self) -> str:
        """The cost that is to be saved: the first that is limited, else the first objective that is one, else any."""
        for name in (*self.maxima, *(o.name for o in self.objectives), *self.costs):
            if name in self.costs:
                return name
        raise SearchError(
            f"space '{self.space.name}' is searched without any cost, so there is nothing to save; give a latency table "
            "or counts, or choose another searcher"
        )

    def stating(self, origin: Mapping[str, str], provenance: Mapping[str, Provenance]) -> Problem:
        """The same with more said about where figures come from; what its limits can reach is not worked out anew."""
        return self._with(origin={**self.origin, **origin}, provenance={**self.provenance, **provenance})

    def weighing(self, importance: CostOf | None) -> Problem:
        """The same with what archs keep of what matters."""
        return self._with(importance=importance)

    def _with(self, **changed: Any) -> Problem:
        found = replace(self, **changed)
        found.__dict__["limits"] = self.limits
        return found

    def on(self, device: str) -> Problem:
        """The part of a search for several devices that concerns one of them."""
        return replace(
            self,
            objectives=tuple(o for o in self.objectives if o.quantity.concerns(device)),
            maxima={name: most for name, most in self.maxima.items() if Quantity.parse(name).concerns(device)},
        )
