"""Flexible patch embedding (FlexiViT): one kernel and one table of positions for patches of any size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.kinds import build
from vitnas.supernets.layers.patch_embedding import PatchEmbedding


class FlexiblePatchEmbedding(PatchEmbedding):
    """(C, H, W) -> (1 + R + H/p * W/p, width), as `patch_embedding`, for any patch p on the weights of another one.

    The kernel is resampled by the pseudo-inverse of the bilinear resize of images: enlarged patches on enlarged images answer as the
    trained ones do on the images themselves. Positions are interpolated. At the size that the weights are of nothing is
    resampled. What is deployed, and counted, is the plain `patch_embedding` of the patch. Images of another size than
    the spec's are interpolated first, so that a space may have a gene for the resolution.
    """

    @dataclass(frozen=True, kw_only=True)
    class Attrs(PatchEmbedding.Attrs):
        kernel: Annotated[Count, about("side of the patch that the shared kernel and positions are of")]

    attrs: Attrs

    resampled = True

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        patch, kernel = self.attrs.patch, self.attrs.kernel
        self.constant("kernel_map", kernel_map(kernel, patch))
        for name, size in zip(("down", "across"), spec.in_shape[1:], strict=True):
            self.constant(name, resize_map(size // kernel, size // patch))

    @property
    def shared_patch(self) -> int:
        return self.attrs.kernel

    def kernel(self) -> Tensor:
        """The weight of the convolution for this patch."""
        weight = self.projection.weight
        if self.attrs.patch == self.attrs.kernel:
            return weight
        map_PK: Tensor = self.kernel_map  # type: ignore[assignment]
        return map_PK @ weight @ map_PK.T

    def positions(self) -> Tensor | None:
        """(rows, columns, width), of the patches of this size."""
        if self.position is None or self.attrs.patch == self.attrs.kernel:
            return self.position
        down, across = self.down, self.across
        assert isinstance(down, Tensor)
        assert isinstance(across, Tensor)
        rows = (down @ self.position.flatten(1)).reshape(len(down), *self.position.shape[1:])
        return across @ rows

    def patches(self, x: Tensor) -> Tensor:
        size = list(self.spec.in_shape[1:])
        if list(x.shape[2:]) != size:
            x = F.interpolate(x, size=size, mode="bilinear", antialias=True)
        maps = F.conv2d(x, self.kernel(), self.projection.bias, stride=self.attrs.patch)
        tokens, positions = maps.flatten(2).transpose(1, 2), self.positions()
        return tokens if positions is None else tokens + positions.flatten(0, 1)

    def deployed(self) -> nn.Module:
        attrs = {name: value for name, value in self.spec.attrs if name != "kernel"}
        weight = self.projection.weight
        with torch.device(weight.device), torch.no_grad():
            plain = build(LayerSpec.of("patch_embedding", self.spec.in_shape, self.spec.out_shape, **attrs))
            positions = self.positions()
            resampled = {"projection.weight": self.kernel()}
            resampled |= {} if positions is None else {"position": positions}
        plain.load_state_dict(self.state_dict() | {n: t.detach() for n, t in resampled.items()}, assign=True)
        return plain.train(self.training)


@lru_cache(maxsize=1024)
def resize_map(before: int, after: int) -> NDArray[np.float32]:
    """(after, before): the bilinear resize of a row, with antialiasing where it shrinks."""
    return _resize(before, after).astype(np.float32)


@lru_cache(maxsize=1024)
def kernel_map(before: int, after: int) -> NDArray[np.float32]:
    """(after, before): of a side of a kernel, so that resized kernels see in resized images what kernels see in images."""
    return np.linalg.pinv(_resize(before, after).T).astype(np.float32)


def _resize(before: int, after: int) -> NDArray[np.float64]:
    step = before / after
    centres = (np.arange(after)[:, None] + 0.5) * step
    weights = np.maximum(1 - np.abs(np.arange(before) + 0.5 - centres) / max(step, 1.0), 0)
    found: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return found
