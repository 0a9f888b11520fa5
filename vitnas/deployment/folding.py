"""Folding: the network as it is deployed, everything that no longer changes computed once.

A layer is traced to a graph of plain operators. What depends on weights alone becomes a constant: kernels put together from
branches, tables of position biases, flattened projections. Batch norms and scales of channels become part of the convolution or
linear layer beside them. Nothing of this knows a kind of layer, so it holds for those that others add.
"""

from __future__ import annotations

from collections import OrderedDict
from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec

from vitnas.errors import ExportError
from vitnas.supernets.layers import Layer

aten = torch.ops.aten

LARGEST_TABLE = 2**18
"""A constant may have so many numbers, or as many as what it is made from; larger ones are computed where the network runs."""

END = 2**63 - 1
"""Where a slice ends that goes to the end."""


def fold(network: nn.Module, x: Tensor) -> nn.Sequential:
    """The same function with fewer operators; its children keep the names of the sites.

    Args:
        network: a chain of named layers in evaluation mode; it is left as it was.
        x: an input (N, ...) of at least two, whose shape counts.
    """
    programs: dict[object, ExportedProgram] = {}
    folded: OrderedDict[str, nn.Module] = OrderedDict()
    for site, layer in network.named_children():
        layer = resampled(layer)  # an enlarged kernel is no table to be computed where the network runs
        spec = getattr(layer, "spec", layer)  # layers of one spec have one graph
        try:
            program = programs.get(spec) or programs.setdefault(spec, _trace(layer, x[:2]))
        except Exception as error:  # torch.export raises bare exceptions of many types
            first = " ".join(str(error).split())[:300]
            raise ExportError(
                f"layer '{site}' ({getattr(spec, 'key', type(layer).__name__)}) cannot be traced: {first}; write it without "
                "choices that depend on the values of its input, or leave this kind of layer out of the space"
            ) from error
        folded[site] = _Folding(program, layer).module()
        folded[site].spec = spec if spec is not layer else None  # type: ignore[assignment]
        with torch.no_grad():
            x = layer(x[:2])
    return nn.Sequential(folded).eval()


def resampled(layer: nn.Module) -> nn.Module:
    """A layer whose weights are made for its spec as the one that is deployed; any other as it is."""
    return layer.deployed() if isinstance(layer, Layer) and layer.resampled else layer


def _trace(layer: nn.Module, x: Tensor) -> ExportedProgram:
    with torch.no_grad():
        return torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))


class _Folding:
    """One walk along a graph, from which a shorter one grows."""

    def __init__(self, program: ExportedProgram, layer: nn.Module) -> None:
        self.graph = fx.Graph()
        self.home = nn.Module()
        self.known: dict[fx.Node, Any] = {}  # old node -> what it computes, where no input is needed for that
        self.origin: dict[fx.Node, str] = {}  # old node -> the weight that it comes from, for names
        self.new: dict[fx.Node, fx.Node] = {}  # old node -> new node
        self.affine: dict[fx.Node, tuple[Tensor, Tensor]] = {}  # old norm -> what the layer after it takes over
        self.shared: set[fx.Node] = set()  # new nodes that others read under another name
        self.attributes: dict[int, str] = {}
        self.kept: list[Any] = []  # keeps the ids above unique
        given = _given(program, layer)
        for node in program.graph.nodes:
            if node.op == "placeholder" and node.name in given:
                self.origin[node], self.known[node] = given[node.name]
            elif node.op == "placeholder":
                self.new[node] = self.graph.placeholder("x")
            elif node.op == "output":
                self.graph.output(self._argument(node.args[0][0], node))
            else:
                self._call(node)
        self.graph.eliminate_dead_code()

    def module(self) -> fx.GraphModule:
        used = {node.target for node in self.graph.nodes if node.op == "get_attr"}
        for name in {*self.home._parameters, *self.home._buffers} - used:
            delattr(self.home, name)
        return fx.GraphModule(self.home, self.graph)

    def _call(self, node: fx.Node) -> None:
        inputs = node.all_input_nodes
        if all(i in self.known for i in inputs):
            with torch.no_grad():
                value = node.target(*self._values(node.args), **self._values(node.kwargs))  # type: ignore[operator]
            if _numbers(value) <= max(LARGEST_TABLE, sum(_numbers(self.known[i]) for i in inputs)):
                self.known[node] = value
                self.origin[node] = next((self.origin[i] for i in inputs if i in self.origin), "constant")
                return
        if _is_nothing(node):
            source = _argument(node, 0, None)
            self.new[node] = self.new[source]
            if len(source.users) > 1:
                self.shared.add(self.new[source])
        elif not (self._affine_before(node) or self._affine_after(node)):
            make = self._with_norm if _argument(node, 0, None) in self.affine else self._copy
            self.new[node] = make(node)

    # -- norms and scales ------------------------------------------------------------------

    def _affine_after(self, node: fx.Node) -> bool:
        """Makes a norm or a scale part of the convolution or linear layer whose only reader it is."""
        affine = self._scale_and_shift(node)
        source, _ = self._factors(node)
        if affine is None or not isinstance(source, fx.Node) or len(source.users) > 1 or source not in self.new:
            return False
        product = self.new[source]
        weights = self._weights(product)
        if weights is None or product in self.shared or (product.target is aten.linear.default) != (affine[2] == -1):
            return False
        (weight, bias), (scale, shift, _) = weights, affine
        rows = scale.double().reshape(-1, *[1] * (weight.ndim - 1))
        bias = torch.zeros(len(weight)) if bias is None else bias
        self._set_weights(product, weight.double() * rows, bias.double() * scale.double() + shift.double())
        self.new[node] = product
        return True

    def _affine_before(self, node: fx.Node) -> bool:
        """Hands a norm or a scale on to the convolutions that read it; a shift only where none of them pads."""
        source = _argument(node, 0, None)
        if source not in self.new or self._weights(self.new[source]) is not None:
            return False
        if node.target is aten.batch_norm.default:
            affine = self._norm(node)
        elif node.target is aten.mul.Tensor and _argument(node, 1, None) in self.known:
            factor = self.known[_argument(node, 1, None)]
            of_channels = isinstance(factor, Tensor) and factor.ndim >= 3 and factor.numel() == factor.shape[-3]
            affine = (factor.flatten(), torch.zeros(factor.numel())) if of_channels else None
        else:
            return False
        if affine is None or not node.users or not all(self._takes(user, affine) for user in node.users):
            return False
        self.affine[node] = affine
        self.new[node] = self.new[source]
        return True

    def _takes(self, reader: fx.Node, affine: tuple[Tensor, Tensor]) -> bool:
        """Whether an old node is a convolution whose weights can take over what is done to its input."""
        if (
            reader.target is not aten.conv2d.default
            or reader.kwargs
            or not all(
                weight is None or weight in self.known
                for weight in (_argument(reader, 1, None), _argument(reader, 2, None))
            )
        ):
            return False
        weight = self.known[_argument(reader, 1, None)]
        shifted_padding = any(_argument(reader, 4, [0])) and bool(affine[1].any())
        return weight.shape[1] == len(affine[0]) and _argument(reader, 6, 1) == 1 and not shifted_padding

    def _with_norm(self, node: fx.Node) -> fx.Node:
        scale, shift = (t.double() for t in self.affine[node.args[0]])  # type: ignore[index]
        product = self._copy(node)
        weights = self._weights(product)
        assert weights is not None
        weight, bias = weights[0].double(), weights[1]
        moved = torch.einsum("oihw,i->o", weight, shift)
        self._set_weights(product, weight * scale[:, None, None], moved if bias is None else bias.double() + moved)
        return product

    def _norm(self, node: fx.Node) -> tuple[Tensor, Tensor] | None:
        """A batch norm as scale and shift of every channel; None where it measures its input."""
        given: list[Any] = [self.known.get(a) if isinstance(a, fx.Node) else a for a in node.args[1:8]]
        weight, bias, mean, var, training, _, eps = given
        if training or mean is None or var is None:
            return None
        scale = torch.rsqrt(var.double() + eps) * (1.0 if weight is None else weight.double())
        return scale, (0.0 if bias is None else bias.double()) - mean.double() * scale

    def _scale_and_shift(self, node: fx.Node) -> tuple[Tensor, Tensor, int] | None:
        """Scale and shift of every channel, and the axis of the channels, where that is all that a node does."""
        if node.target is aten.batch_norm.default:
            affine = self._norm(node)
            return None if affine is None else (*affine, -3)
        source, constant = self._factors(node)
        if node.target is not aten.mul.Tensor or source not in self.new or constant not in self.known:
            return None
        factor, product = self.known[constant], self.new[source]
        weights = self._weights(product)
        if weights is None or not isinstance(factor, Tensor):
            return None
        axis = -1 if product.target is aten.linear.default else -3
        channels = len(weights[0])
        if factor.numel() != channels or factor.ndim < -axis or factor.shape[axis] != channels:
            return None
        return factor.flatten(), torch.zeros(channels), axis

    def _factors(self, node: fx.Node) -> tuple[Any, Any]:
        """What is multiplied, and the constant that it is multiplied by, in whichever order they are written."""
        first, second = _argument(node, 0, None), _argument(node, 1, None)
        swapped = node.target is aten.mul.Tensor and first in self.known and second in self.new
        return (second, first) if swapped else (first, second)

    def _weights(self, product: fx.Node) -> tuple[Tensor, Tensor | None] | None:
        """The weight and bias of a convolution or linear layer of the new graph, where they are constants."""
        if product.target not in (aten.conv2d.default, aten.linear.default):
            return None
        weight, bias = _argument(product, 1, None), _argument(product, 2, None)
        if weight.op != "get_attr" or (bias is not None and bias.op != "get_attr"):
            return None
        return getattr(self.home, weight.target), None if bias is None else getattr(self.home, bias.target)

    def _set_weights(self, product: fx.Node, weight: Tensor, bias: Tensor) -> None:
        with self.graph.inserting_before(product):
            name = product.args[1].target.removesuffix("_weight")  # type: ignore[union-attr]
            dtype = getattr(self.home, product.args[1].target).dtype  # type: ignore[union-attr, arg-type]
            new = [self._attribute(t.to(dtype), f"{name}_{part}") for t, part in ((weight, "weight"), (bias, "bias"))]
        product.args = (product.args[0], *new, *product.args[3:])

    # -- copying ---------------------------------------------------------------------------

    def _copy(self, node: fx.Node) -> fx.Node:
        args, kwargs = self._argument(node.args, node), self._argument(node.kwargs, node)
        return self.graph.create_node("call_function", node.target, args, kwargs, getattr(node.target, "_opname", None))

    def _argument(self, argument: Any, node: fx.Node) -> Any:
        def new(old: fx.Node) -> Any:
            if old in self.new:
                return self.new[old]
            value = self.known[old]
            return self._attribute(value, self.origin[old]) if isinstance(value, Tensor) else value

        return fx.node.map_arg(argument, new)

    def _values(self, arguments: Any) -> Any:
        return fx.node.map_arg(arguments, lambda node: self.known[node])

    def _attribute(self, value: Tensor, name: str) -> fx.Node:
        if id(value) not in self.attributes:
            wanted = name.replace(".", "_")
            taken = {*self.home._parameters, *self.home._buffers}
            name = next(n for n in (wanted, *(f"{wanted}_{i}" for i in range(2, 1000))) if n not in taken)
            kept = value.detach().contiguous().clone()
            if kept.is_floating_point():
                self.home.register_parameter(name, nn.Parameter(kept, requires_grad=False))
            else:
                self.home.register_buffer(name, kept)
            self.attributes[id(value)] = name
            self.kept.append(value)
        return self.graph.get_attr(self.attributes[id(value)])


def _given(program: ExportedProgram, layer: nn.Module) -> dict[str, tuple[str, Tensor]]:
    """The inputs of a graph that are no images: their names, and their values in this layer."""
    found: dict[str, tuple[str, Tensor]] = {}
    for spec in program.graph_signature.input_specs:
        target = spec.target or ""
        if spec.kind is InputKind.PARAMETER:
            found[_name(spec)] = target, layer.get_parameter(target)
        elif spec.kind is InputKind.BUFFER:
            found[_name(spec)] = target, layer.get_buffer(target)
        elif spec.kind is not InputKind.USER_INPUT:
            found[_name(spec)] = "constant", program.constants[target]
    return found


def _name(spec: InputSpec) -> str:
    return str(spec.arg.name)


def _is_nothing(node: fx.Node) -> bool:
    """Whether a node only hands its input on."""
    if node.target is aten.slice.Tensor:
        return (_argument(node, 2, 0), _argument(node, 3, END), _argument(node, 4, 1)) == (0, END, 1)
    return node.target in (aten.contiguous.default, aten.alias.default)


def _argument(node: fx.Node, place: int, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else default


def _numbers(value: Any) -> int:
    if isinstance(value, Tensor):
        return prod(value.shape)
    return sum(map(_numbers, value)) if isinstance(value, list | tuple) else 0


__all__ = ["fold", "resampled"]
