"""Archs that come again and again, compiled: torch.compile sees a plain network and the slices as its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vitnas.search_spaces import FLOAT, Arch
from vitnas.supernets.supernet import Supernet


class CompiledArchs:
    """Some archs of a supernet as compiled functions of its weights; every other arch would be compiled in vain.

    Archs that are computed in fewer bits are left out: what rounds them is not in the network that is compiled.
    """

    def __init__(self, net: Supernet, archs: Iterable[Arch]) -> None:
        self.net = net
        in_float = [arch for arch in archs if all(spec.precision == FLOAT.name for spec in net.space.lower(arch))]
        self._calls = {arch: _compiled(net.extract(arch)) for arch in in_float}

    def __contains__(self, arch: Arch) -> bool:
        return arch in self._calls

    def __call__(self, x: Tensor, arch: Arch) -> Tensor:
        """The logits of one of these archs; the first call takes seconds to minutes."""
        now = self.net.at(arch)
        # By the order of modules, for `at` names them by number and `extract` by site.
        return self._calls[arch](list(_named(now, "parameters").values()), list(_named(now, "buffers").values()), x)


def _compiled(network: nn.Module) -> Callable[[list[Any], list[Any], Tensor], Tensor]:
    parameters, buffers = list(_named(network, "parameters")), list(_named(network, "buffers"))

    def call(weights: list[Any], statistics: list[Any], x: Tensor) -> Tensor:
        given = dict(zip(parameters, weights, strict=True)) | dict(zip(buffers, statistics, strict=True))
        found: Tensor = functional_call(network, given, (x,), tie_weights=False)
        return found

    return torch.compile(call, dynamic=False)


def _named(network: nn.Module, what: Literal["parameters", "buffers"]) -> dict[str, Tensor]:
    """Each by its name, also constants that layers have in common in one network and apart in another."""
    named = network.named_parameters if what == "parameters" else network.named_buffers
    return dict(named(remove_duplicate=False))
