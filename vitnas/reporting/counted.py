"""The exact counts of an arch, as a whole and layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vitnas.reporting.per_arch import ArchResult
from vitnas.search_spaces import Arch, LayerSpec, SearchSpace
from vitnas.supernets.counting.cache import count_specs
from vitnas.supernets.counting.counts import Counts


@dataclass(frozen=True)
class CountedArch(ArchResult, view="counted"):
    """What an arch costs on any device.

    Attributes:
        total: of the network.
        layers: site, layer and its counts, from input to output.
    """

    total: Counts
    layers: tuple[tuple[str, LayerSpec, Counts], ...]

    @property
    def num_params(self) -> int:
        """Trainable numbers."""
        return self.total.num_params

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.total.macs

    def figures(self) -> dict[str, float]:
        return asdict(self.total)

    def to_json(self) -> dict[str, Any]:
        layers = [{"site": site, **spec.to_json(), **asdict(counts)} for site, spec, counts in self.layers]
        return {"arch": self.arch.to_json(), "id": self.arch.id, **asdict(self.total), "layers": layers}


def count_archs(space: SearchSpace, archs: Mapping[str, Arch]) -> list[CountedArch]:
    """Counts archs; each distinct layer is counted once, whatever number of archs has it."""
    blueprints = {name: space.lower(arch) for name, arch in archs.items()}
    specs = list(dict.fromkeys(spec for blueprint in blueprints.values() for spec in blueprint))
    counts = dict(zip(specs, count_specs(space, specs), strict=True))
    found = []
    for name, blueprint in blueprints.items():
        layers = tuple((site, spec, counts[spec]) for site, spec in blueprint.items())
        total = Counts.over(each for _, _, each in layers)
        found.append(CountedArch(name, archs[name], total, layers))
    return found
