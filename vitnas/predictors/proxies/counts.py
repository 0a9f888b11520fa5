"""Parameters and MACs: what every other proxy has to beat."""

from __future__ import annotations

from torch import Tensor, nn

from vitnas.predictors.proxies.proxy import Proxy
from vitnas.search_spaces import Blueprint
from vitnas.supernets.counting.counts import count


class Params(Proxy):
    """The number of parameters."""

    name = "params"

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        return count(blueprint).num_params


class Macs(Proxy):
    """Multiply-accumulates for one image."""

    name = "macs"

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        return count(blueprint).macs
