"""Self-distillation: weight x gradient without labels, from two crops that should look alike (the idea of SnapViT, 2025)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from vitnas.search_spaces import Arch
from vitnas.supernets.data import Images
from vitnas.supernets.pruning.importances.weight_gradient import some_archs, squared
from vitnas.supernets.pruning.of_weights import OfWeights, working_copy
from vitnas.supernets.supernet import Supernet

LEAST_SIDE = 0.6
"""Of the image, the side of the smallest crop."""


class SelfDistillation(OfWeights):
    """(weight x gradient)^2 of the distance between the embeddings of two crops of the same images.

    An embedding is what the last linear map reads. The crops are drawn by the seed; each learns from the other.
    """

    def weights(self, net: Supernet, images: Images, arch: Arch | None = None) -> Supernet:
        archs = [arch] if arch is not None else some_archs(net, self.seed)
        generator = torch.Generator().manual_seed(self.seed)

        def distance(own: Supernet, arch: Arch, x: Tensor, y: Tensor) -> Tensor:
            one, other = (_embedded(own, arch, _cropped(x, generator)) for _ in range(2))
            return 0.5 * (_apart(one, other.detach()) + _apart(other, one.detach()))

        return squared(working_copy(net, images, archs[0]), images, archs, distance, self.num_images, self.seed)


def _apart(one: Tensor, other: Tensor) -> Tensor:
    return (1 - F.cosine_similarity(one, other, dim=-1)).mean()


def _cropped(x: Tensor, generator: torch.Generator) -> Tensor:
    """The same square part of all images, at their size."""
    size = x.shape[-1]
    side = max(1, round(size * (LEAST_SIDE + (1 - LEAST_SIDE) * float(torch.rand((), generator=generator)))))
    top, left = (int(torch.randint(size - side + 1, (), generator=generator)) for _ in range(2))
    part = x[..., top : top + side, left : left + side]
    return F.interpolate(part, (size, size), mode="bilinear", align_corners=False)


class _LastLinear(TorchFunctionMode):
    """Keeps what the latest linear map read."""

    read: Tensor | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.linear:
            self.read = args[0]
        return func(*args, **(kwargs or {}))


def _embedded(net: Supernet, arch: Arch, x: Tensor) -> Tensor:
    with _LastLinear() as last:
        logits: Tensor = net(x, arch)
    return logits if last.read is None else last.read.flatten(1)
