"""Archs that come again and again, compiled: torch.compile sees a plain network and the slices as its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vitnas.search_spaces import Arch
from vitnas.supernets.supernet import Supernet


class CompiledArchs:
    """Some archs of a supernet as compiled functions of its weights; every other arch would be compiled in vain."""

    def __init__(self, net: Supernet, archs: Iterable[Arch]) -> None:
        self.net = net
        self._calls = {arch: _compiled(net.extract(arch)) for arch in archs}

    def __contains__(self, arch: Arch) -> bool:
        return arch in self._calls

    def __call__(self, x: Tensor, arch: Arch) -> Tensor:
        """The logits of one of these archs; the first call takes seconds to minutes."""
        now = self.net.at(arch)
        # By the order of modules, for `at` names them by number and `extract` by site.
        return self._calls[arch]([*now.parameters()], [*now.buffers()], x)


def _compiled(network: nn.Module) -> Callable[[list[Any], list[Any], Tensor], Tensor]:
    parameters, buffers = [name for name, _ in network.named_parameters()], [n for n, _ in network.named_buffers()]

    def call(weights: list[Any], statistics: list[Any], x: Tensor) -> Tensor:
        given = dict(zip(parameters, weights, strict=True)) | dict(zip(buffers, statistics, strict=True))
        found: Tensor = functional_call(network, given, (x,))
        return found

    return torch.compile(call, dynamic=False)
