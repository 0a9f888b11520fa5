"""A folded network as Python source that needs nothing but torch and safetensors."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from vitnas.deployment.exporters.exporter import Facts

INFIX = {operator.add: "+", operator.sub: "-", operator.mul: "*", operator.floordiv: "//", operator.truediv: "/"}

ATEN = "aten = torch.ops.aten"
INTEGERS = "\nquantized_decomposed = torch.ops.quantized_decomposed"
INTEGER_IMPORT = "from torch.ao.quantization.fx import _decomposed  # it registers operators on whole numbers\n"

HEAD = '''"""{title}, written by vitnas; needs torch and safetensors, and not vitnas.

    from network import build
    logits = build()(images)

Images are (N, {shape}), float32, each channel (pixel / 255 - mean) / std with
mean {mean} and std {std}.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
{imports}
{operators}


class Layer(nn.Module):
    """Weights of given shapes, and buffers of given shapes and types."""

    def __init__(self, weights, buffers):
        super().__init__()
        for name, shape in weights.items():
            setattr(self, name, nn.Parameter(torch.empty(shape), requires_grad=False))
        for name, (shape, dtype) in buffers.items():
            self.register_buffer(name, torch.empty(shape, dtype=dtype))
'''

TAIL = '''

def build(weights=Path(__file__).with_name("{weights}")):
    """The network with its weights in evaluation mode."""
    network = nn.Sequential(
        OrderedDict(
            [
{layers}
            ]
        )
    )
    network.load_state_dict(load_file(weights))
    return network.eval()
'''


def write_source(network: nn.Module, facts: Facts, weights: str) -> str:
    """One class for each distinct layer, and `build()`, which reads a file of weights that lies beside.

    Args:
        network: a chain of graphs, as `fold` gives them.
        facts: of the network.
        weights: the name of the file of its `state_dict`.
    """
    names: dict[tuple[str, ...], str] = {}
    classes, layers = [], []
    for site, layer in network.named_children():
        assert isinstance(layer, fx.GraphModule)
        body = tuple(_class_body(layer))
        if body not in names:
            kind = getattr(getattr(layer, "spec", None), "kind", "layer")
            stem = "".join(word.capitalize() for word in kind.split("_"))
            taken = set(names.values())
            names[body] = next(n for n in (stem, *(f"{stem}{i}" for i in range(2, 10_000))) if n not in taken)
            key = getattr(getattr(layer, "spec", None), "key", "")
            head = f'class {names[body]}(Layer):\n    """{key}"""\n\n'
            classes.append("\n\n" + head + "\n".join(body) + "\n")
        layers.append(f'                ("{site}", {names[body]}()),')
    integers = any("quantized_decomposed." in line for body in names for line in body)
    head = HEAD.format(
        title=f"Arch {facts.arch_id} of space {facts.space}, trained on {facts.dataset}",
        shape="channels, height, width",
        mean=tuple(round(value, 6) for value in facts.mean),
        std=tuple(round(value, 6) for value in facts.std),
        imports=INTEGER_IMPORT if integers else "",
        operators=ATEN + INTEGERS * integers,
    )
    return head + "".join(classes) + TAIL.format(weights=weights, layers="\n".join(layers))


def _class_body(layer: fx.GraphModule) -> Iterator[str]:
    yield "    def __init__(self):"
    weights = ", ".join(f'"{n}": {tuple(p.shape)}' for n, p in layer.named_parameters())
    buffers = ", ".join(f'"{n}": ({tuple(b.shape)}, {b.dtype})' for n, b in layer.named_buffers())
    yield f"        super().__init__({{{weights}}}, {{{buffers}}})"
    yield ""
    yield "    def forward(self, x):"
    for node in layer.graph.nodes:
        if node.op == "output":
            yield f"        return {_text(node.args[0])}"
        elif node.op == "call_function":
            yield f"        {node.name} = {_call(node)}"


def _call(node: fx.Node) -> str:
    arguments = [_text(argument) for argument in node.args]
    if node.target is operator.getitem:
        return f"{arguments[0]}[{arguments[1]}]"
    if node.target in INFIX:
        return f"{arguments[0]} {INFIX[node.target]} {arguments[1]}"
    named = [f"{key}={_text(value)}" for key, value in node.kwargs.items()]
    return f"{node.target}({', '.join(arguments + named)})"


def _text(value: Any) -> str:
    if isinstance(value, fx.Node):
        return f"self.{value.target}" if value.op == "get_attr" else value.name
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, torch.device):
        return f'torch.device("{value}")'
    assert not isinstance(value, Tensor)
    return repr(value)
