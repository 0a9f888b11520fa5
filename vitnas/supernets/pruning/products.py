"""Products by the names of their weights: which of a network's weights multiply which inputs, whichever kinds of layers it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from vitnas.supernets.precision.products import Handler, ProductCall


@dataclass(frozen=True, eq=False)
class Product:
    """One linear map with a weight of the network as it is.

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


class ProductWatch(Handler):
    """Tells of every linear map with a weight of a network, in their order.

    Answers are made to ask for gradients, so that what the logits owe them can be found.
    """

    def __init__(self, network: nn.Module, see: Callable[[Product], None]) -> None:
        self._names = {p.data_ptr(): (name, p.numel()) for name, p in network.named_parameters()}
        self._see = see

    def product(self, call: ProductCall) -> Tensor:
        answer, weight = call.plain(), self._name(call.weight)
        if weight and (not call.convolution or _is_pointwise(call)):
            x = call.input.detach().movedim(call.axis, -1).flatten(0, -2)
            if not answer.requires_grad:
                answer.requires_grad_()
            self._see(Product(weight, self._name(call.bias), x, answer, call.axis))
        return answer

    def _name(self, tensor: Tensor | None) -> str:
        """The parameter that a tensor is, or is all of in another shape."""
        name, size = self._names.get(tensor.data_ptr(), ("", 0)) if tensor is not None else ("", 0)
        return name if tensor is not None and tensor.numel() == size else ""


def _is_pointwise(call: ProductCall) -> bool:
    """Whether a convolution is a linear map of every place for itself."""
    every, padded = call.rest.get("stride", 1), call.rest.get("padding", 0)
    whole = call.weight.shape[1:] == (call.input.shape[1], 1, 1)
    return whole and every in (1, (1, 1)) and padded in (0, (0, 0))
