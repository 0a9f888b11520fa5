"""Layer kinds, one file each, and how to build one from its spec."""

from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.kinds import LAYERS, build, outline
from vitnas.supernets.layers.layer import Layer

__all__ = ["LAYERS", "Attributes", "Layer", "build", "outline"]
