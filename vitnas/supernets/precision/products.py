"""Products: every multiplication of activations by a weight, numbered within its layer, whichever kind the layer is.

A product's place is its site and its number: "product i of site s". Numbers count the calls of linear layers and 2-d
convolutions along a layer's forward pass. A folded layer makes the same calls in the same order, so what was found at a place of
the one holds at that of the other. Two activations multiplied by each other, as queries by keys, are no product here, and neither
is what depends on weights alone, which folding computes once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten

Place = tuple[str, int]
"""A site, and the number of a product or norm within its layer."""

_TOLD = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_LINEAR, _CONVOLUTION = frozenset({F.linear, aten.linear.default}), frozenset({F.conv2d, aten.conv2d.default})
_NORM_TOLD = ("input", "normalized_shape", "weight", "bias", "eps")
_NORMS = frozenset({F.layer_norm, aten.layer_norm.default})
_LIVE = "_depends_on_images"


@dataclass(frozen=True, eq=False)
class ProductCall:
    """One product as it is about to be computed.

    Attributes:
        number: of the product within its layer.
        input: the activations.
        weight: (out, in) of a linear layer, (out, in / groups, height, width) of a convolution.
        bias: (out,), or None.
        convolution: whether it is one; its channels are then on axis 1, else on the last.
        rest: stride, padding, dilation and groups, where they were given.
    """

    number: int
    input: Tensor
    weight: Tensor
    bias: Tensor | None
    convolution: bool
    rest: Mapping[str, Any]

    @property
    def axis(self) -> int:
        """Where the channels of the input and of the answer are."""
        return 1 if self.convolution else -1

    @property
    def groups(self) -> int:
        return int(self.rest.get("groups", 1))

    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What comes out with these operands."""
        return F.conv2d(x, weight, bias, **self.rest) if self.convolution else F.linear(x, weight, bias)

    def plain(self) -> Tensor:
        """What comes out."""
        return self.answer(self.input, self.weight, self.bias)


@dataclass(frozen=True, eq=False)
class NormCall:
    """One layer norm with an affine as it is about to be computed.

    Attributes:
        number: of the norm within its layer.
        input: the activations; channels are on the last axis.
        weight: (channels,).
        bias: (channels,), or None.
        eps: as it was given.
    """

    number: int
    input: Tensor
    weight: Tensor
    bias: Tensor | None
    eps: float

    def answer(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What comes out with another affine."""
        return F.layer_norm(self.input, tuple(weight.shape), weight, bias, self.eps)

    def plain(self) -> Tensor:
        """What comes out."""
        return self.answer(self.weight, self.bias)


class Handler:
    """What is done with each product and norm of a layer: by default, they are computed."""

    def product(self, call: ProductCall) -> Tensor:
        """The answer of a product."""
        return call.plain()

    def norm(self, call: NormCall) -> Tensor:
        """The answer of a norm."""
        return call.plain()


def run_layer(layer: Callable[[Tensor], Tensor], x: Tensor, handler: Handler) -> Tensor:
    """The answer of a layer whose products and norms a handler computes."""
    setattr(x, _LIVE, True)
    with _Seeing(handler):
        return layer(x)


def run_network(network: nn.Module, x: Tensor, handler_at: Callable[[str], Handler]) -> Tensor:
    """The answer of a chain of layers, with a handler for each site."""
    for site, layer in network.named_children():
        x = run_layer(layer, x, handler_at(site))
    return x


class _Seeing(TorchFunctionMode):
    """Follows what depends on images, and hands products and norms of it to a handler."""

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self.handler = handler
        self.products = self.norms = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not (any(map(_live, args)) or any(map(_live, kwargs.values()))):
            return func(*args, **kwargs)
        answer = self._answer(func, args, kwargs)
        _mark(answer if answer is not None else args[0])  # what assigns to a part of a tensor returns nothing
        return answer

    def _answer(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        linear, convolution = func in _LINEAR, func in _CONVOLUTION
        if linear or convolution:
            told = dict(zip(_TOLD, args, strict=False)) | kwargs
            x, weight, bias = told.pop("input"), told.pop("weight"), told.pop("bias", None)
            if _live(x) and not _live(weight):
                self.products += 1
                return self.handler.product(ProductCall(self.products - 1, x, weight, bias, convolution, told))
        elif func in _NORMS:
            told = dict(zip(_NORM_TOLD, args, strict=False)) | kwargs
            weight = told.get("weight")
            if isinstance(weight, Tensor) and weight.ndim == 1:
                self.norms += 1
                call = NormCall(self.norms - 1, told["input"], weight, told.get("bias"), told.get("eps", 1e-5))
                return self.handler.norm(call)
        return func(*args, **kwargs)


def _live(value: Any) -> bool:
    if isinstance(value, Tensor):
        return hasattr(value, _LIVE)
    return isinstance(value, list | tuple) and any(map(_live, value))


def _mark(value: Any) -> None:
    if isinstance(value, Tensor):
        setattr(value, _LIVE, True)
    elif isinstance(value, list | tuple):
        for each in value:
            _mark(each)
