"""Specs and blueprints: plain data whose shapes chain."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import SpaceError
from vitnas.search_spaces import Blueprint, LayerSpec

SCALARS = st.integers(-9, 9) | st.floats(-9, 9) | st.booleans() | st.text(max_size=3)
SHAPES = st.lists(st.integers(1, 99), min_size=1, max_size=3)
SPECS = st.builds(
    lambda kind, before, after, attrs: LayerSpec.of(kind, before, after, **attrs),
    st.sampled_from(["attention", "ffn"]),
    SHAPES,
    SHAPES,
    st.dictionaries(st.sampled_from("abcd"), SCALARS),
)


@given(SPECS)
def test_spec_json_both_ways(spec: LayerSpec) -> None:
    again = LayerSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.key == spec.key


def test_the_key_is_one_line_and_does_not_depend_on_the_order_of_attributes() -> None:
    spec = LayerSpec.of("attention", (5, 48), (5, 64), heads=3, bias=True)
    assert spec.key == "attention 5x48>5x64 bias=True heads=3"
    assert spec == LayerSpec.of("attention", [5, 48], [5, 64], bias=True, heads=3)
    assert spec["heads"] == 3


@given(SPECS, st.sampled_from(["w8a8", "w4", "p4"]))
def test_a_precision_is_carried_where_it_is_not_float_and_shares_weights(spec: LayerSpec, name: str) -> None:
    low = spec.at(name)
    assert low != spec
    assert low.key == f"{spec.key} in {name}"
    assert LayerSpec.from_json(json.loads(json.dumps(low.to_json()))) == low
    assert "precision" not in spec.to_json()
    assert LayerSpec.join([low]) == LayerSpec.join([spec]) == low.at("float") == spec
    assert LayerSpec.join([spec, low]) == spec


def _ffn(width: int, hidden: int, act: str = "gelu", bias: bool = False) -> LayerSpec:
    return LayerSpec.of("ffn", (5, width), (5, width), hidden=hidden, act=act, bias=bias)


def test_join_takes_every_number_at_its_largest() -> None:
    assert LayerSpec.join([_ffn(48, 96), _ffn(32, 128), _ffn(16, 16, bias=True)]) == _ffn(48, 128, bias=True)
    assert LayerSpec.join([_ffn(48, 96)]) == _ffn(48, 96)


@pytest.mark.parametrize(
    "other",
    [
        LayerSpec.of("attention", (5, 48), (5, 48), hidden=96, act="gelu", bias=False),
        LayerSpec.of("ffn", (5, 48), (5, 48), hidden=96),
        LayerSpec.of("ffn", (3, 5, 48), (5, 48), hidden=96, act="gelu", bias=False),
        LayerSpec.of("ffn", (5, 48), (3, 5, 48), hidden=96, act="gelu", bias=False),
    ],
)
def test_join_refuses_layers_that_cannot_share_weights(other: LayerSpec) -> None:
    with pytest.raises(SpaceError, match="one site cannot share weights between .* give them two sites"):
        LayerSpec.join([_ffn(48, 96), other])


def test_a_blueprint_chains() -> None:
    stem = LayerSpec.of("stem", (3, 8, 8), (5, 48))
    blueprint = Blueprint(("stem", "ffn"), (stem, _ffn(48, 96)))
    assert (blueprint.in_shape, blueprint.out_shape, len(blueprint)) == ((3, 8, 8), (5, 48), 2)
    assert list(blueprint.items()) == [("stem", stem), ("ffn", _ffn(48, 96))]
    assert [LayerSpec.from_json(d) for d in json.loads(str(blueprint))] == list(blueprint)
    with pytest.raises(SpaceError, match=r"site 'ffn' takes \(5, 32\), but the layer before it gives \(5, 48\)"):
        Blueprint(("stem", "ffn"), (stem, _ffn(32, 96)))
    assert list(Blueprint.single(stem)) == [stem]
