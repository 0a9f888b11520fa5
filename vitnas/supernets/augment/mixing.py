"""Mixup and cutmix: every image of a batch is blended with its neighbour, and so are their targets."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vitnas.supernets.settings.augment import Augment


def mix(images: Tensor, target: Tensor, batch_seed: int, settings: Augment) -> tuple[Tensor, Tensor]:
    """Blends neighbours (0, 1), (2, 3), ... with one share a batch; an odd one out stays as it is.

    Pairs, and not a mirrored batch, so that ranks with equal even parts of a batch make what one process would.

    Args:
        images: (N, C, H, W) in 0..1.
        target: (N, num_classes), each row a distribution, or (N, num_classes, H, W), which is pasted as the images are.
        batch_seed: of the method, the share and the rectangle.
        settings: which methods, and the alphas of their shares.
    """
    if not settings.mixes:
        return images, target
    rng = np.random.default_rng(batch_seed)
    paste = settings.cutmix > 0 and (settings.mixup == 0 or rng.random() < 0.5)
    alpha = settings.cutmix if paste else settings.mixup
    share = float(rng.beta(alpha, alpha))
    order = _partners(len(images), images.device)
    if paste:
        height, width = images.shape[2:]
        (top, bottom), (left, right) = (_span(side, share, rng) for side in (height, width))
        mixed = images.clone()
        mixed[:, :, top:bottom, left:right] = images[order, :, top:bottom, left:right]
        if target.ndim == 4:
            pasted = target.clone()
            pasted[:, :, top:bottom, left:right] = target[order, :, top:bottom, left:right]
            return mixed, pasted
        share = 1 - (bottom - top) * (right - left) / (height * width)
    else:
        mixed = images[order].mul_(1 - share).add_(images * share)
    return mixed, target * share + target[order] * (1 - share)


def _partners(n: int, device: torch.device) -> Tensor:
    order = torch.arange(n, device=device) ^ 1
    return order.clamp(max=n - 1)


def _span(side: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """A side of the rectangle around a random centre, cut off where it leaves the image."""
    half = int(side * (1 - share) ** 0.5) // 2
    centre = int(rng.integers(side))
    return max(centre - half, 0), min(centre + half, side)
