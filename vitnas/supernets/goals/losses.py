"""Distances from a subnet's prediction to what it should say: soft cross-entropy and adaptive alpha-divergence."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch of the cross-entropy to soft targets.

    Args:
        logits: (N, num_classes).
        target: (N, num_classes), each row a distribution.
    """
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def alpha_divergence(
    logits: Tensor, teacher_probs: Tensor, alpha_min: float = -1.0, alpha_max: float = 1.0, clip: float = 5.0
) -> Tensor:
    """AlphaNet's adaptive divergence: every image learns by the larger of two alpha-divergences, averaged.

    A negative alpha punishes a student that is surer than its teacher, a positive one a student that misses what its
    teacher sees. The value is a surrogate with the right gradient, not the divergence: do not report it.

    Args:
        logits: of the student, (N, num_classes).
        teacher_probs: (N, num_classes), each row a distribution; no gradient flows to them.
        alpha_min: any number but 0.
        alpha_max: any number but 0.
        clip: largest value of (teacher / student) ** alpha; not applied at alpha 1, which is soft cross-entropy.
    """
    log_q = logits.log_softmax(dim=1)
    divergences, surrogates = zip(
        *(_divergence(log_q, teacher_probs.detach(), alpha, clip) for alpha in (alpha_min, alpha_max)), strict=True
    )
    return torch.where(divergences[0] > divergences[1], surrogates[0], surrogates[1]).mean()


def _divergence(log_q: Tensor, p: Tensor, alpha: float, clip: float) -> tuple[Tensor, Tensor]:
    """The divergence of every image, without gradient, and a surrogate that has its gradient."""
    assert alpha != 0, "at alpha 0 the divergence has another form"
    with torch.no_grad():
        q = log_q.exp()
        if alpha == 1:
            weight = p
            divergence = (torch.xlogy(p, p) - p * log_q).sum(dim=1)
        else:
            scale = 1 / (alpha * (alpha - 1))
            ratio = ((p.log() - log_q) * alpha).exp().clamp(max=clip)
            weight = q * (ratio / alpha + scale)
            divergence = (q * (ratio - 1) * scale).sum(dim=1)
    return divergence, -(weight * log_q).sum(dim=1)
