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
        channels: a kind of even steps, with one for each channel after a LayerNorm, which the norm and the product behind it
            absorb (`to_per_tensor`); empty for one step for all.
        norms: a kind of even steps, with one for each channel, of what a LayerNorm takes; empty where that stays in float.
        integer_functions: whether softmax, GELU and LayerNorm are computed with whole numbers.
        tail: whether the range of what a GELU of whole numbers takes is cut where its answers lose least.
    """

    weights: str = "uniform"
    inputs: str = "uniform"
    softmax: str = "uniform"
    gelu: str = "uniform"
    channels: str = ""
    norms: str = ""
    integer_functions: bool = False
    tail: bool = False

    def at(self, role: Role) -> str:
        """The quantiser of a role."""
        return str(getattr(self, role.value))

    @property
    def executed(self) -> bool:
        """Whether every part of it is what a runtime computes with."""
        parts = all(role in QUANTISERS.load(self.at(role)).executed for role in Role)
        return parts and not (self.channels or self.norms or self.integer_functions)


SIMULATIONS = {
    "uniform": Simulation(),
    "FQ-ViT": Simulation(softmax="log2", norms="power_of_two"),
    "PTQ4ViT": Simulation(softmax="twin", gelu="twin"),
    "RepQ-ViT": Simulation(softmax="log_sqrt2", channels="uniform"),
    "RepQuant": Simulation(softmax="log_sqrt2", channels="dual_clip"),
    "I&S-ViT": Simulation(softmax="sulq", channels="uniform"),
    "AdaLog": Simulation(softmax="adalog", gelu="adalog", channels="uniform"),
    "DopQ-ViT": Simulation(softmax="tangent", channels="uniform"),
    "MPTQ-ViT": Simulation(gelu="twin", channels="shifted"),
    "I-ViT": Simulation(integer_functions=True),
    "I-Segmenter": Simulation(integer_functions=True, tail=True),
    "palette": Simulation(weights="codebook"),
}
"""The quantisers of each method, not its search or its reconstruction, which are the same for all here."""


def simulation(name: str) -> Simulation:
    """The method of a name."""
    if name not in SIMULATIONS:
        raise UnknownNameError(f"no simulated method '{name}'; {suggest(name, SIMULATIONS)}")
    return SIMULATIONS[name]
