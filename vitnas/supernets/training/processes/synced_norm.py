"""Batch norms that normalise by the images of all processes, as one process with the whole batch would."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vitnas.supernets.training.processes.distributed import lost


class _Summed(torch.autograd.Function):
    """The sum over the processes; so is its gradient, for the losses of all depend on it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _sum(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _sum(gradient)


class _Synced(_BatchNorm):
    """While it learns, the mean and the variance are those of the images of all processes, which have equally many.

    Running statistics stay as they are; nobody reads them before they are measured anew.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        over = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        size = dist.get_world_size()
        wide = x.float()
        mean: Tensor = _Summed.apply(wide.mean(over)) / size  # type: ignore[no-untyped-call]
        centred = wide - mean.view(shape)
        variance: Tensor = _Summed.apply(centred.square().mean(over)) / size  # type: ignore[no-untyped-call]
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(x.dtype)


class _Synced1d(_Synced, nn.BatchNorm1d):
    """Of sequences."""


class _Synced2d(_Synced, nn.BatchNorm2d):
    """Of maps."""


_KINDS: dict[type[nn.Module], type[_Synced]] = {nn.BatchNorm1d: _Synced1d, nn.BatchNorm2d: _Synced2d}


def sync_batch_norms(net: nn.Module) -> None:
    """From now on the batch norms of a supernet, and of every arch that is laid over it, learn together.

    Networks that are cut out of it have plain ones.
    """
    for module in net.modules():
        if (kind := _KINDS.get(type(module))) is not None:
            module.__class__ = kind


def _sum(x: Tensor) -> Tensor:
    total = x.clone()
    try:
        dist.all_reduce(total)
    except RuntimeError as error:
        raise lost(error) from None
    return total
