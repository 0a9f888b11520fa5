"""What a pruned space may remove from a layer, held against the layers: less of it is the rest with zeros in its place."""

from __future__ import annotations

import pytest
import torch

from tests.contracts.layer_examples import Example, examples_of
from vitnas.search_spaces import LayerSpec
from vitnas.search_spaces.pruned.prunable import RESIDUAL, SHRINKS, can_be_left_out, shrinking
from vitnas.supernets.layers import LAYERS, build, outline

PAIRS = [(kind, name) for kind, names in SHRINKS.items() for name in names]


def _smallest(kind: str, name: str) -> LayerSpec:
    """An example of a kind, the smallest that has something to remove."""
    found = [s for e in examples_of(kind) for s in (*e.specs, e.largest) if s[name] > 1 and name in shrinking(s)]
    return min(found, key=lambda spec: sum(spec.in_shape) + sum(spec.out_shape) + spec[name])


@torch.no_grad()
def _difference(spec: LayerSpec, name: str) -> tuple[float, float]:
    """How far the layer with half of an attribute is from the whole one with zeros for the rest, and how far from the whole."""
    torch.manual_seed(0)
    half = LayerSpec.of(spec.kind, spec.in_shape, spec.out_shape, **dict(spec.attrs) | {name: spec[name] // 2})
    layer, x = build(spec).eval(), torch.randn(2, *spec.in_shape)
    for parameter in layer.parameters():
        parameter.normal_(0, 2 * (parameter[0].numel() if parameter.ndim > 1 else 4) ** -0.5)
    whole, small = layer(x), layer.narrow(half)
    kept = {n: torch.zeros_like(p, dtype=torch.bool) for n, p in layer.named_parameters()}
    numbered = build(spec)
    for parameter in numbered.parameters():
        parameter.copy_(torch.arange(parameter.numel()).view_as(parameter))
    for n, p in numbered.narrow(half).named_parameters():
        kept[n].view(-1)[p.flatten().long()] = True
    for n, p in layer.named_parameters():
        p[~kept[n]] = 0
    scale = float(whole.abs().max())
    return float((layer(x) - small(x)).abs().max()) / scale, float((whole - small(x)).abs().max()) / scale


@pytest.mark.parametrize(("kind", "name"), PAIRS, ids=[f"{kind}.{name}" for kind, name in PAIRS])
def test_less_of_an_attribute_is_the_given_layer_with_zeros(kind: str, name: str) -> None:
    to_zeros, to_whole = _difference(_smallest(kind, name), name)
    assert to_zeros < 1e-5 < 1e-3 < to_whole


def test_what_changes_the_function_of_the_rest_does_not_pass() -> None:
    spec = LayerSpec.of("attention", (7, 8), (7, 8), heads=2, head_width=4, reach=0)
    assert _difference(spec, "head_width")[0] > 1e-3  # the scores are divided by another root


@pytest.mark.parametrize("kind", sorted(RESIDUAL))
def test_what_can_be_left_out_is_residual(kind: str) -> None:
    def left_out(example: Example) -> list[LayerSpec]:
        return [spec for spec in example.specs if can_be_left_out(spec)]

    found = [spec for example in examples_of(kind) for spec in left_out(example)]
    assert LAYERS.load(kind).residual
    assert found
    assert all(outline(spec).is_residual() for spec in found)


@pytest.mark.parametrize("kind", sorted(set(LAYERS.names()) - RESIDUAL))
def test_what_is_not_residual_stays(kind: str) -> None:
    """A residual kind that cannot be left out is a choice; one that is none must not be left out."""
    assert not any(can_be_left_out(spec) for example in examples_of(kind) for spec in example.specs)
