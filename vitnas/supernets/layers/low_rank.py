"""Low rank: a product with a weight that is itself the product of two narrow ones."""

from __future__ import annotations

import copy
from math import prod
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.supernets.layers.layer import init_weight

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class LowRankProduct(nn.Module):
    """(..., inputs) -> (..., answers): W x + b, where W = U D has the given rank at most.

    The first columns of U with the first rows of D are a product of lower rank. Where the two take no fewer multiplications
    than W itself, W is computed first, which an exported graph has as a constant: at full rank this is a plain product.

    Attributes:
        apart: whether x passes D and U one after the other at any rank.
    """

    def __init__(self, inputs: tuple[int, ...], answers: tuple[int, ...], rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, *inputs))
        self.down_bias = nn.Parameter(torch.zeros(rank))
        self.up = nn.Parameter(init_weight(torch.empty(*answers, rank), rank))
        self.up_bias = nn.Parameter(torch.zeros(answers))
        nn.init.trunc_normal_(self.down, std=prod(inputs) ** -0.5)
        self.apart = False

    def forward(self, x: Tensor) -> Tensor:
        if self.apart or not self.is_one():
            return F.linear(
                F.linear(x, self.down.flatten(1), self.down_bias), self.up.flatten(0, -2), self.up_bias.flatten()
            )
        return F.linear(x, *self.product())

    def is_one(self) -> bool:
        """Whether W is computed before it meets x."""
        rank, inputs, answers = len(self.down_bias), self.down[0].numel(), self.up_bias.numel()
        return rank * (inputs + answers) >= inputs * answers

    def product(self) -> tuple[Tensor, Tensor]:
        """W as (answers, inputs), and b."""
        up = self.up.flatten(0, -2)
        return up @ self.down.flatten(1), self.up_bias.flatten() + up @ self.down_bias

    @torch.no_grad()
    def deployed(self) -> nn.Module:
        """The same with W computed once, if it is."""
        if not self.is_one():
            return self
        weight, bias = self.product()
        found = nn.Linear(weight.shape[1], len(weight), device="meta")
        found.weight, found.bias = nn.Parameter(weight), nn.Parameter(bias)
        return found


def with_products_deployed(layer: AnyModule) -> AnyModule:
    """A layer, on the same weights, with each of its low-rank products as it is deployed."""
    found = copy.copy(layer)
    children = layer.named_children()
    modules = {name: m.deployed() if isinstance(m, LowRankProduct) else m for name, m in children}
    found.__dict__["_modules"] = modules
    return found


def keep_apart(network: nn.Module) -> None:
    """Has every low-rank product of a network take its two weights one after the other, so that what is between can be seen."""
    for module in network.modules():
        if isinstance(module, LowRankProduct):
            module.apart = True
