"""Sharpness-aware steps: the gradient is taken where the loss is highest nearby, not where the weights are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn


@torch.no_grad()
def climb(parameters: Iterable[nn.Parameter], rho: float) -> Callable[[], None]:
    """Moves the weights by `rho` along the gradient they hold, and gives the way back.

    A step is: gradient, climb, zero the gradient, gradient on the same batch, undo, optimiser step. Processes that train
    together average their gradients before they climb, so that all climb to the same place. Parameters without a gradient
    stay; with a gradient of zero, or one that is not finite, all do.

    Args:
        parameters: with the gradients of the first pass.
        rho: how far, in the norm over all weights together.

    Returns:
        undo: puts back the very bits that were there.
    """
    moved = [p for p in parameters if p.grad is not None]
    before = [p.detach().clone() for p in moved]
    gradients = [p.grad for p in moved if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
    if bool(norm.isfinite()) and norm > 0:
        for p, gradient in zip(moved, gradients, strict=True):
            p.add_(gradient * (rho / norm).to(gradient))

    @torch.no_grad()
    def undo() -> None:
        for p, old in zip(moved, before, strict=True):
            p.copy_(old)

    return undo
