"""Calls: a mode that hands out every factor of every product of a network, and the functions that have whole-number twins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from vitnas.errors import SettingsError
from vitnas.supernets.quantisers.quantiser import Role

WEIGHTED = (F.linear, F.conv2d)
"""Products of inputs and a weight."""
FACTORS: dict[Any, tuple[str, str]] = {
    **dict.fromkeys(WEIGHTED, ("input", "weight")),
    **dict.fromkeys((torch.bmm, Tensor.bmm), ("input", "mat2")),
    **dict.fromkeys((torch.matmul, Tensor.matmul, Tensor.__matmul__), ("input", "other")),
}
"""The products, and the names of their two factors."""
FUNCTIONS: dict[Any, str] = {
    **dict.fromkeys((F.softmax, torch.softmax, Tensor.softmax), "softmax"),
    F.gelu: "gelu",
    F.layer_norm: "layer_norm",
}
SHAPES = (Tensor.reshape, Tensor.view, Tensor.flatten, torch.flatten, Tensor.transpose, torch.transpose, Tensor.permute)
"""What moves numbers and changes none."""


@dataclass(frozen=True)
class Factor:
    """One of the two tensors that a product multiplies.

    Attributes:
        product: its number, in the order of calls.
        side: 0 for the inputs, 1 for the weight or the other factor.
        role: what it is, and where it comes from.
        normed: whether it is the inputs of a linear layer just as a LayerNorm gave them.
    """

    product: int
    side: int
    role: Role
    normed: bool = False


class Calls(TorchFunctionMode, ABC):
    """Numbers the calls of one pass; what becomes of them is said by subclasses."""

    def __init__(self) -> None:
        super().__init__()
        self.products = self.functions = 0
        self._origins: Any = WeakIdKeyDictionary()

    @abstractmethod
    def factor(self, factor: Factor, x: Tensor) -> Tensor:
        """What is multiplied in its place."""

    def taken(self, number: int, name: str, x: Tensor) -> Tensor:
        """What a function takes."""
        return x

    @abstractmethod
    def function(self, number: int, name: str, x: Tensor, axis: int) -> Tensor | None:
        """What the function is taken to give, before gains and biases; None if it is to be computed as it is."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            with self:
                return attention_apart(*args, **kwargs)
        if func in FACTORS:
            return self._product(func, args, kwargs)
        if func in FUNCTIONS:
            answer = self._function(func, args, kwargs)
            self._origins[answer] = FUNCTIONS[func]
            return answer
        answer = func(*args, **kwargs)
        if func in SHAPES and self._origins.get(args[0]) in ("softmax", "gelu"):
            self._origins[answer] = self._origins[args[0]]
        return answer

    def _product(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        names = FACTORS[func]
        told = dict(zip(names, args, strict=False)) | dict(kwargs)
        number, self.products = self.products, self.products + 1
        both = []
        for side, name in enumerate(names):
            origin = self._origins.get(told[name], "inputs")
            if side == 1 and func in WEIGHTED:
                factor = Factor(number, side, Role.WEIGHTS)
            elif origin == "layer_norm":
                factor = Factor(number, side, Role.INPUTS, normed=func is F.linear)
            else:
                factor = Factor(number, side, Role(origin))
            both.append(self.factor(factor, told[name]))
        return func(*both, *args[2:], **{name: value for name, value in kwargs.items() if name not in names})

    def _function(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        name, rest = FUNCTIONS[func], {key: value for key, value in kwargs.items() if key != "input"}
        number, self.functions = self.functions, self.functions + 1
        x = self.taken(number, name, args[0] if args else kwargs["input"])
        axis = int(kwargs["dim"] if "dim" in kwargs else args[1]) if name == "softmax" else -1
        answer = self.function(number, name, x, axis)
        if answer is None:
            return func(x, *args[1:], **rest)
        if name == "layer_norm":
            told = dict(zip(("input", "normalized_shape", "weight", "bias", "eps"), args, strict=False)) | dict(kwargs)
            if len(told["normalized_shape"]) != 1:
                raise SettingsError("a LayerNorm of whole numbers is over the last axis alone")
            for name, join in (("weight", torch.mul), ("bias", torch.add)):
                answer = answer if told.get(name) is None else join(answer, told[name])
        return answer


def attention_apart(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Scaled dot-product attention as two products and a softmax; without dropout, as networks are evaluated."""
    if is_causal or enable_gqa or (attn_mask is not None and attn_mask.dtype == torch.bool):
        raise SettingsError("attention that is causal, grouped or masked by booleans is not simulated")
    scores = torch.matmul(query * (query.shape[-1] ** -0.5 if scale is None else scale), key.transpose(-2, -1))
    if attn_mask is not None:
        scores = scores + attn_mask
    return torch.matmul(torch.softmax(scores, dim=-1), value)
