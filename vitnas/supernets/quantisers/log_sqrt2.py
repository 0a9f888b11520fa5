"""Log of base root two: twice as many values an octave as powers of two (RepQ-ViT)."""

from __future__ import annotations

from typing import ClassVar

from vitnas.supernets.quantisers.log2 import Log2


class LogSqrt2(Log2):
    """``top * 2 ** (-code / 2)``.

    Odd codes carry a root of two in the dimension that is summed over, so a product with them is two sums and no single one.
    """

    step: ClassVar[float] = 0.5
