"""A distribution as its largest probabilities: what is kept of a teacher's answer."""

from __future__ import annotations

import torch
from torch import Tensor


def largest(probabilities: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` largest probabilities of each row as fp16, and their classes.

    Probabilities are rounded down, so that they never sum to more than one.

    Args:
        probabilities: float32 (N, num_classes).
        k: at most the number of classes.

    Returns:
        Two (N, k): fp16, and int16 or, for more than 32767 classes, int32.
    """
    exact, classes = probabilities.topk(k, dim=1)
    values = exact.half()
    # Positive numbers of fp16 are in the order of their bits, so one bit less is the next one down.
    too_large = (values.float() > exact).to(torch.int16)
    values = (values.view(torch.int16) - too_large).view(torch.float16)
    return values, classes.to(torch.int16 if probabilities.shape[1] <= 32767 else torch.int32)


def dense(values: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """The distributions again: what the kept probabilities leave of one is spread evenly over the other classes.

    Args:
        values: (N, k), probabilities.
        classes: (N, k), whose they are.
        num_classes: columns of the result.

    Returns:
        float32 (N, num_classes), rows sum to one.
    """
    kept = values.float()
    n, k = kept.shape
    rest = (1 - kept.sum(dim=1, keepdim=True)).clamp(min=0) / max(num_classes - k, 1)
    full = rest.expand(n, num_classes).scatter(1, classes.long(), kept)
    return full / full.sum(dim=1, keepdim=True)


def sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """The distributions that the logits divided by `temperature` would give."""
    return probabilities if temperature == 1 else (probabilities.log() / temperature).softmax(dim=1)
