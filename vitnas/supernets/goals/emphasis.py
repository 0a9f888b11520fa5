"""Emphasis: what a loss counts for more, or less, than it is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Emphasis:
    """How a training weighs classes. By default all count alike.

    Attributes:
        shift: (K,), added to the logits while training and not after, so that rare classes must win by more
            (logit adjustment, Menon et al., 2021); its mean is zero.
        weights: (K,), of what each class adds to the loss; over all answers their mean is one.
        asymmetric: whether labels that are absent count for less the surer they are (ASL, Ridnik et al., 2021).
    """

    shift: Tensor | None = None
    weights: Tensor | None = None
    asymmetric: bool = False

    def shifted(self, logits: Tensor) -> Tensor:
        """Logits (N, K, ...) as the loss sees them."""
        return logits if self.shift is None else logits + along(self.shift, logits)

    def weighed(self, target: Tensor) -> Tensor:
        """Targets (N, K, ...) as the loss sees them."""
        return target if self.weights is None else target * along(self.weights, target)


PLAIN = Emphasis()
LARGEST_WEIGHT = 10.0
"""Times the mean of a class at most, and one over it at least: a class of a handful of pixels would drown the rest."""


def along(values: Tensor, x: Tensor) -> Tensor:
    """One number a class, as (1, K, 1, ...) on the device of `x`."""
    return values.to(x).view(1, -1, *[1] * (x.ndim - 2))


def emphasis_of(frequencies: Tensor, balance: str, binary: bool, asymmetric: bool) -> Emphasis:
    """What the settings of a training ask for.

    Args:
        frequencies: (K,), the share of each class in all answers to the training images; of labels, of the images that have it.
        balance: "none", "logit" or "weights".
        binary: whether each class is a question of its own.
        asymmetric: see `Emphasis`.
    """
    share = frequencies.double().clamp(1e-6, 1 - 1e-6)
    if balance == "logit":
        prior = share.logit() if binary else share.log()
        shift = (prior - prior.mean()).float()
        return Emphasis(shift=shift if bool(shift.abs().max() > 1e-6) else None, asymmetric=asymmetric)
    if balance == "weights":
        weights = (share.median() / share).clamp(1 / LARGEST_WEIGHT, LARGEST_WEIGHT)
        weights = weights / ((weights * share).sum() / share.sum())
        return Emphasis(weights=weights.float(), asymmetric=asymmetric)
    return Emphasis(asymmetric=asymmetric) if asymmetric else PLAIN


__all__ = ["PLAIN", "Emphasis", "along", "emphasis_of"]
