"""How far the file of a compressed network may stray: by what its format allows, and by no more than its precisions change."""

from __future__ import annotations

from torch import Tensor

from vitnas.deployment.exporters.exporter import ROUNDED, Tolerance
from vitnas.deployment.verification import compare

TIMES = 2
"""How many times the difference between the networks a file may add to what its format allows: some kernels round activations as well."""


def limits_at(own: Tolerance, in_float: Tensor, at_precision: Tensor) -> Tolerance:
    """The limits of a file.

    Where a sum lies between two steps, its last bits decide which it becomes, and a runtime adds up in another order. That
    moves few numbers by a step, where the precision moves all of them: so a file that is farther from its network than that is
    from float has another fault, be it in the layers in float.

    Args:
        own: those of the format, for networks in float.
        in_float: what the network answers in float.
        at_precision: what it answers at its precisions, to the same images.
    """
    off = compare(in_float, at_precision, in_float.argmax(dim=1))
    mean = own.max_difference if own.mean_difference is None else own.mean_difference
    assert ROUNDED.mean_difference is not None
    return Tolerance(
        max_difference=min(ROUNDED.max_difference, own.max_difference + TIMES * off.max_difference),
        top1_agreement=min(ROUNDED.top1_agreement, own.top1_agreement),
        accuracy_drop=max(ROUNDED.accuracy_drop, own.accuracy_drop),
        mean_difference=min(ROUNDED.mean_difference, mean + TIMES * off.mean_difference),
    )
