"""The fused operators of a torch network, from one run without memory or weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from vitnas.latency_lut.estimate.names import CONVOLUTIONS, KINDS, NOTHING, PRODUCTS, plain
from vitnas.latency_lut.estimate.ops import Op

FOLDS_INTO = ("conv", "depthwise", "grouped", "linear")
"""What takes a following normalisation, scale or activation in."""


def trace(network: nn.Module, in_shape: Sequence[int]) -> list[Op]:
    """The operators that one image meets, in order.

    Args:
        network: on the meta device, in evaluation mode.
        in_shape: of one image, without the batch.
    """
    recorder = Recorder()
    with torch.no_grad():
        x = torch.empty(1, *in_shape, device="meta")
        recorder.follow(x)
        with recorder:
            network(x)
    return recorder.ops


class Recorder(TorchFunctionMode):
    """Writes down every call that touches what follows from the image; all else is constant and folded away."""

    def __init__(self) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self._made_by: dict[int, int] = {}
        self._alive: list[Tensor] = []  # so that no id is used twice

    def follow(self, tensor: Tensor, op: int = -1) -> None:
        self._made_by[id(tensor)] = op
        self._alive.append(tensor)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.record(getattr(func, "__name__", ""), args, kwargs or {}, result)
        return result

    def record(self, name: str, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> None:
        """Takes one call in; exported graphs come through here as well."""
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        live = [t for t in given if id(t) in self._made_by]
        made = [t for t in tree_leaves(result) if isinstance(t, Tensor)]
        if not live or not made or name == "__get__":
            for t in made if live else ():  # .T and .mT
                self.follow(t, self._made_by[id(live[0])])
            return
        name = plain(name)
        before = self._made_by[id(live[0])]
        if name in NOTHING:
            for t in made:
                self.follow(t, before)
            return
        op = self._fold(name, before, live, given, made)
        if op is not None:
            self.ops[before] = op
            for t in made:
                self.follow(t, before)
            return
        self.ops += _operators(name, args, kwargs, live, given, made)
        for t in made:
            self.follow(t, len(self.ops) - 1)

    def _fold(
        self, name: str, before: int, live: Sequence[Tensor], given: Sequence[Tensor], made: Sequence[Tensor]
    ) -> Op | None:
        """The operator before with this call inside it, where a converter would fuse them."""
        if before < 0 or len(live) != 1:
            return None
        op = self.ops[before]
        if op.kind not in FOLDS_INTO or live[0].shape != made[0].shape or op.written != made[0].numel():
            return None
        if name == "batch_norm" and not op.activation:
            return op
        constants = sum(t.numel() for t in given) - live[0].numel()
        if name in ("mul", "add", "div", "sub") and not op.activation and constants in (0, 1, op.channels_out):
            return op
        if KINDS.get(name) == "activation" and not op.activation:
            return replace(op, activation=name)
        return None


def _operators(
    name: str,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    live: Sequence[Tensor],
    given: Sequence[Tensor],
    made: Sequence[Tensor],
) -> list[Op]:
    """One call as operators; attention is the two products and the softmax that a converter makes of it."""
    out = made[0]
    flow: dict[str, Any] = {
        "read": sum(t.numel() for t in {id(t): t for t in live}.values()),
        "written": sum(t.numel() for t in made),
        "weights": sum(t.numel() for t in given if not any(t is x for x in live)),
        "rank": max(t.dim() for t in (*live, *made)),
    }
    shape = tuple(out.shape)
    if name in CONVOLUTIONS:
        return [_convolution(name, args, kwargs, shape, flow)]
    if name == "linear":
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        return [
            Op(
                "linear", name, shape, out.numel() * weight.shape[1], inner=weight.shape[1],
                channels_in=weight.shape[1], channels_out=weight.shape[0], **flow
            )
        ]  # fmt: skip
    if name == "attention":
        q, k, v = (args[i] if len(args) > i else kwargs[n] for i, n in enumerate(("query", "key", "value")))
        scores = (*q.shape[:-1], k.shape[-2])
        first = _product("matmul", q.shape, k.mT.shape, scores)
        size = math.prod(scores)
        masked = [Op("elementwise", "add", scores, read=size, written=size)] if len(given) > 3 else []
        soft = Op("softmax", "softmax", scores, read=size, written=size, channels_in=k.shape[-2])
        return [first, *masked, soft, _product("matmul", scores, v.shape, shape)]
    if name in PRODUCTS and name != "einsum":
        a, b = [t for t in given if t.dim() >= 1][-2:]
        op = _product(name, a.shape, b.shape, shape)
        return [replace(op, weights=flow["weights"], read=flow["read"])]
    if name == "einsum":
        return [_einsum(args, shape, flow)]
    kind = KINDS.get(name, "elementwise")
    channels = live[0].shape[1] if live[0].dim() > 1 else 1
    kernel, stride = _window(name, args, kwargs, live[0], out) if kind == "pool" else (1, 1)
    if kind == "norm":
        channels = live[0].shape[-1] if name == "layer_norm" else channels
    if kind == "softmax":
        channels = live[0].shape[-1]
    return [Op(kind, name, shape, kernel=kernel, stride=stride, channels_in=channels, channels_out=channels, **flow)]


def _convolution(
    name: str, args: Sequence[Any], kwargs: dict[str, Any], shape: tuple[int, ...], flow: dict[str, Any]
) -> Op:
    x, weight = args[0], args[1] if len(args) > 1 else kwargs["weight"]
    groups = kwargs.get("groups", args[6] if len(args) > 6 else 1)
    stride = kwargs.get("stride", args[3] if len(args) > 3 else 1)
    if "transpose" in name:
        groups = kwargs.get("groups", args[6] if len(args) > 6 else 1)
    window = tuple(weight.shape[2:])
    into = x.shape[1]
    inner = into // groups * math.prod(window)
    macs = x.numel() * math.prod(weight.shape[1:]) if "transpose" in name else math.prod(shape) * inner
    return Op(
        "conv" if groups == 1 else "depthwise" if groups == into else "grouped",
        name, shape, macs, inner=inner, kernel=max(window), channels_in=into, channels_out=shape[1], batch=groups,
        stride=stride if isinstance(stride, int) else max(stride), **flow
    )  # fmt: skip


def _product(name: str, a: Sequence[int], b: Sequence[int], shape: Sequence[int]) -> Op:
    """A matrix product of two results; `weights` is zero."""
    return Op(
        "matmul", name, tuple(shape), math.prod(shape) * a[-1], read=math.prod(a) + math.prod(b),
        written=math.prod(shape), inner=a[-1], channels_in=a[-1], channels_out=b[-1], batch=math.prod(shape[:-2]),
        rank=max(len(a), len(b)),
    )  # fmt: skip


def _einsum(args: Sequence[Any], shape: tuple[int, ...], flow: dict[str, Any]) -> Op:
    equation, *tensors = args
    tensors = list(tensors[0]) if isinstance(tensors[0], list | tuple) else tensors
    inputs, _, output = equation.replace(" ", "").partition("->")
    sizes = {
        axis: n
        for term, t in zip(inputs.split(","), tensors, strict=True)
        for axis, n in zip(term, t.shape, strict=True)
    }
    inner = math.prod(n for axis, n in sizes.items() if axis not in output)
    return Op(
        "matmul", "einsum", shape, math.prod(shape) * inner, inner=inner, channels_in=inner, channels_out=shape[-1],
        batch=math.prod(shape[:-2]), **flow
    )  # fmt: skip


def _window(name: str, args: Sequence[Any], kwargs: dict[str, Any], x: Tensor, out: Tensor) -> tuple[int, int]:
    """Side and stride of a pooling."""
    if name.startswith("adaptive"):
        side = x.shape[-1] // max(out.shape[-1], 1)
        return side, side
    size = kwargs.get("kernel_size", args[1] if len(args) > 1 else 1)
    stride = kwargs.get("stride", args[2] if len(args) > 2 else None) or size
    return _side(size), _side(stride)


def _side(value: Any) -> int:
    return int(value) if isinstance(value, int) else max(int(v) for v in value)
