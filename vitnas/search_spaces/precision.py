"""Precision: in how many bits the products of a layer with its weights are computed, or their weights kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vitnas.errors import SpaceError

FULL = 32
"""The bits of a number in single precision."""
FEWEST, MOST = 2, 8
SMALL, BLOCK = 4, 32
"""Weights of a linear layer that alone are kept in so many bits or fewer share a scale in blocks of so many inputs."""
OF_PALETTES = (1, 2, 3, 4, 6, 8)
"""Bits that a place in a palette may have in a file."""

_NAME = re.compile(r"(?P<form>[wp])(?P<weights>\d)(?:a(?P<activations>\d))?")


@dataclass(frozen=True)
class Precision:
    """One choice of a layer: its name says it all.

    ``float`` leaves a layer as it is. ``w8a8`` multiplies weights of 8 bits by activations of 8 bits, in integers; ``w8`` keeps
    weights in 8 bits and computes in float; ``p4`` keeps each weight as one of ``2 ** 4`` values.

    Attributes:
        name: as people and files write it.
        weight_bits: of a weight, a palette's index included.
        activation_bits: of what the weights are multiplied by.
        palette: whether weights are entries of a table, and not steps of a scale.
    """

    name: str = "float"
    weight_bits: int = FULL
    activation_bits: int = FULL
    palette: bool = False

    @classmethod
    def of(cls, name: str) -> Precision:
        """The precision of this name."""
        if name == "float":
            return FLOAT
        found = _NAME.fullmatch(name)
        bits = [] if found is None else [int(b) for b in (found["weights"], found["activations"]) if b is not None]
        if found is None or not all(FEWEST <= b <= MOST for b in bits) or (found["form"] == "p" and len(bits) == 2):
            raise SpaceError(
                f"'{name}' is no precision; it is 'float', 'w8a8' (bits of weights and of activations), 'w4' (weights alone) or "
                f"'p4' (a palette of weights), with {FEWEST} to {MOST} bits"
            )
        return cls(name, bits[0], bits[1] if len(bits) == 2 else FULL, found["form"] == "p")

    @property
    def integer(self) -> bool:
        """Whether products are computed in integers."""
        return self.activation_bits < FULL

    @property
    def stored_bits(self) -> int:
        """Of a weight of a linear layer in a file; what no runtime executes is in none, and has the bits of its name."""
        if self.palette:
            return next(bits for bits in OF_PALETTES if bits >= self.weight_bits)
        if self.block is not None:
            return SMALL
        return MOST if self.weight_bits < FULL and self.activation_bits in (MOST, FULL) else self.weight_bits

    @property
    def block(self) -> int | None:
        """How many inputs of a linear layer share a scale, where it is not all of a row: of weights alone in at most 4 bits."""
        return BLOCK if not (self.integer or self.palette) and self.weight_bits <= SMALL else None

    @property
    def cost(self) -> tuple[int, int, bool]:
        """What precisions are ordered by, from least to most."""
        return self.weight_bits * self.activation_bits, self.weight_bits, self.palette

    def __str__(self) -> str:
        return self.name


FLOAT = Precision()
