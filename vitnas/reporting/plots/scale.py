"""Scale: how a quantity is named on an axis, in which unit, and how one value of it is written."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vitnas.nas.quantity import Quantity
from vitnas.search_spaces.answers import metrics
from vitnas.supernets.judgement import ACCURACY


@dataclass(frozen=True)
class Scale:
    """A quantity as people read it.

    Attributes:
        title: what stands on the axis.
        unit: may be empty.
        factor: from the quantity as stored to the unit.
        digits: printf format of one value in the unit.
    """

    title: str
    unit: str = ""
    factor: float = 1.0
    digits: str = ".3g"

    @property
    def label(self) -> str:
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def text(self, value: float) -> str:
        """One value that is in the unit already."""
        return f"{value:{self.digits}} {self.unit}".strip()


_SCALES = {
    "accuracy": Scale("Top-1 accuracy", "%", 100.0, ".1f"),
    **{name: Scale(title, "%", 100.0, ".1f") for name, title in metrics().items() if name != ACCURACY},
    "latency_ms": Scale("Latency", "ms"),
    "energy_mj": Scale("Energy", "mJ"),
    "num_params": Scale("Parameters", "M", 1e-6),
    "macs": Scale("Multiply-accumulates", "M", 1e-6),
    "weight_bytes": Scale("Weights", "MB", 1e-6),
    "activation_bytes": Scale("Peak of activations", "MB", 1e-6),
    "bitops": Scale("Bit operations", "G", 1e-9),
}


def scale_of(quantity: str) -> Scale:
    """The scale of a known quantity, or a plain one that carries its name; ``latency_ms@iphone12`` names the device."""
    found = Quantity.parse(quantity)
    name = str(found.without_device)
    scale = _SCALES.get(name) or Scale(name.replace("_", " ").capitalize())
    return replace(scale, title=f"{scale.title} on {found.device}") if found.device else scale
