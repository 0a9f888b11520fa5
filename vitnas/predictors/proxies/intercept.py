"""What a network computes, seen or changed on its way through functions of PyTorch, whoever calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

NORMS = (nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)
_NORM_FUNCTIONS = (F.layer_norm, F.batch_norm, F.group_norm)
_ACTIVATIONS = (
    F.gelu,
    F.relu,
    F.relu6,
    F.silu,
    F.hardswish,
    F.leaky_relu,
    torch.relu,
    torch.relu_,
    torch.tanh,
    Tensor.relu,
    Tensor.tanh,
)


class _Intercept(TorchFunctionMode):
    """Sends calls of some functions elsewhere, whether a module or a function of PyTorch makes them."""

    def __init__(self, functions: Sequence[Any], instead: Callable[[Any, Tensor, Any, Any], Tensor]) -> None:
        super().__init__()
        self.functions, self.instead = functions, instead

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.functions:
            x = args[0] if args else kwargs["input"]
            with torch._C.DisableTorchFunction():
                return self.instead(func, x, args, kwargs)
        return func(*args, **kwargs)


def without_norms() -> _Intercept:
    """While it lasts, every normalisation hands on what it gets."""
    return _Intercept(_NORM_FUNCTIONS, lambda func, x, args, kwargs: x)


@contextmanager
def linear() -> Iterator[None]:
    """While it lasts, norms and activations hand on what they get, and attention looks everywhere alike.

    What is left multiplies by weights and adds up, gates apart.
    """

    def evenly(func: Any, x: Tensor, args: Any, kwargs: Any) -> Tensor:
        if func is F.scaled_dot_product_attention:
            result: Tensor = func(torch.zeros_like(x), *args[1:], **kwargs)
            return result
        dim = kwargs["dim"] if "dim" in kwargs else args[1]
        return torch.full_like(x, 1 / x.shape[dim])

    with (
        without_norms(),
        _Intercept(_ACTIVATIONS, lambda func, x, args, kwargs: x),
        _Intercept((F.scaled_dot_product_attention, F.softmax, torch.softmax, Tensor.softmax), evenly),
    ):
        yield


@contextmanager
def norm_inputs() -> Iterator[list[float]]:
    """Collects the deviation of what every normalisation gets."""
    found: list[float] = []

    def note(func: Any, x: Tensor, args: Any, kwargs: Any) -> Tensor:
        # One number a normalised group, as the norm itself divides by it.
        axes = -1 if func is F.layer_norm else (0, *range(2, x.ndim))
        found.append(float(x.detach().var(dim=axes).mean().sqrt()))
        result: Tensor = func(*args, **kwargs)
        return result

    with _Intercept(_NORM_FUNCTIONS, note):
        yield found


@contextmanager
def activation_inputs(see: Callable[[Tensor], None]) -> Iterator[None]:
    """Shows what every activation gets."""

    def note(func: Any, x: Tensor, args: Any, kwargs: Any) -> Tensor:
        see(x)
        result: Tensor = func(*args, **kwargs)
        return result

    with _Intercept(_ACTIVATIONS, note):
        yield
