"""Products: sees which weights of a network multiply which inputs, whichever kinds of layers it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True, eq=False)
class Product:
    """One call of a linear map with a weight of the network as it is.

    Attributes:
        weight: its name in the network, as ``block3_ffn.reduce.weight``.
        bias: that of its bias, or "".
        inputs: (rows, n), a row a token or place.
        answer: what came out.
        axis: where its channels are.
    """

    weight: str
    bias: str
    inputs: Tensor
    answer: Tensor
    axis: int

    def rows(self, of_answer: Tensor) -> Tensor:
        """(rows, out): what has the shape of the answer, such as its gradient, a row a token or place."""
        return of_answer.movedim(self.axis, -1).flatten(0, -2)


_TOLD = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


class _Watch(TorchFunctionMode):
    def __init__(self, names: Mapping[int, tuple[str, int]], see: Callable[[Product], None]) -> None:
        super().__init__()
        self._names = names
        self._see = see

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        answer = func(*args, **(kwargs or {}))
        if func is F.linear or func is F.conv2d:
            told = dict(zip(_TOLD, args, strict=False)) | (kwargs or {})
            weight = self._name(told["weight"])
            if weight and (func is F.linear or _is_pointwise(told)):
                axis = -1 if func is F.linear else 1
                x = told["input"].detach().movedim(axis, -1).flatten(0, -2)
                if not answer.requires_grad:
                    answer.requires_grad_()
                self._see(Product(weight, self._name(told.get("bias")), x, answer, axis))
        return answer

    def _name(self, tensor: Tensor | None) -> str:
        """The parameter that a tensor is, or is all of in another shape."""
        name, size = self._names.get(tensor.data_ptr(), ("", 0)) if tensor is not None else ("", 0)
        return name if tensor is not None and tensor.numel() == size else ""


def _is_pointwise(told: Mapping[str, Any]) -> bool:
    """Whether a convolution is a linear map of every place for itself."""
    every, padded = told.get("stride", 1), told.get("padding", 0)
    whole = told["weight"].shape[1:] == (told["input"].shape[1], 1, 1)
    return whole and every in (1, (1, 1)) and padded in (0, (0, 0))


@contextmanager
def watched(network: nn.Module, see: Callable[[Product], None]) -> Iterator[None]:
    """Calls `see` for every product with a weight of the network, in their order.

    Answers are made to ask for gradients, so that what the logits owe them can be found.
    """
    names = {p.data_ptr(): (name, p.numel()) for name, p in network.named_parameters()}
    with _Watch(names, see):
        yield
