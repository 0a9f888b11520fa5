"""Published methods: which quantiser stands where. All but plain uniform ones are simulations."""

from __future__ import annotations

from dataclasses import dataclass

from vitnas.errors import UnknownNameError, suggest
from vitnas.supernets.quantisers import QUANTISERS
from vitnas.supernets.quantisers.quantiser import Role


@dataclass(frozen=True)
class Simulation:
    """What a method quantises with, by the names of `QUANTISERS`.

    Attributes:
        weights: of products.
        inputs: of products, unless they come from a softmax or a GELU.
        softmax: what a softmax gives.
        gelu: what a GELU gives.
        per_channel: whether each channel after a LayerNorm has a step of its own, which the norm and the product behind it
            absorb: `to_per_tensor`.
        integer_functions: whether softmax, GELU and LayerNorm are computed with whole numbers.
    """

    weights: str = "uniform"
    inputs: str = "uniform"
    softmax: str = "uniform"
    gelu: str = "uniform"
    per_channel: bool = False
    integer_functions: bool = False

    def at(self, role: Role) -> str:
        """The quantiser of a role."""
        return str(getattr(self, role.value))

    @property
    def executed(self) -> bool:
        """Whether every part of it is what a runtime computes with."""
        parts = all(role in QUANTISERS.load(self.at(role)).executed for role in Role)
        return parts and not self.integer_functions


SIMULATIONS = {
    "uniform": Simulation(),
    "FQ-ViT": Simulation(softmax="log2"),
    "PTQ4ViT": Simulation(softmax="twin", gelu="twin"),
    "RepQ-ViT": Simulation(softmax="log_sqrt2", per_channel=True),
    "I&S-ViT": Simulation(softmax="sulq", per_channel=True),
    "AdaLog": Simulation(softmax="adalog", gelu="adalog", per_channel=True),
    "DopQ-ViT": Simulation(softmax="tangent", per_channel=True),
    "I-ViT": Simulation(integer_functions=True),
    "palette": Simulation(weights="codebook"),
}
"""The quantisers of each method, not its search or its reconstruction, which are the same for all here."""


def simulation(name: str) -> Simulation:
    """The method of a name."""
    if name not in SIMULATIONS:
        raise UnknownNameError(f"no simulated method '{name}'; {suggest(name, SIMULATIONS)}")
    return SIMULATIONS[name]
