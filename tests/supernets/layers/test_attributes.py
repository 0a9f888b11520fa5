"""Attributes of layers: what a kind declares is what a spec may hold, and what is wrong is told with a remedy."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import Annotated, Literal, get_args

import pytest
from msgspec import Meta

from tests.contracts.layer_examples import EXAMPLES, KINDS
from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.search_spaces.blueprint import Scalar
from vitnas.settings import about
from vitnas.supernets.layers import LAYERS, build
from vitnas.supernets.layers.activation import ACTIVATIONS
from vitnas.supernets.layers.attributes import Activation, Attributes, Numbers, OddKernel, Stride, declared_by


@dataclass(frozen=True)
class Made(Attributes):
    heads: Annotated[int, about("attention heads", ge=1)]
    kernel: OddKernel
    stride: Stride
    patch: Annotated[int, Meta(ge=2, multiple_of=2)]
    pool: Literal["class", "mean"]
    kernels: Annotated[Numbers, about("one a step")]
    registers: Annotated[int, Meta(ge=0)] = 0
    bias: bool = False


GOOD: dict[str, Scalar] = {"heads": 3, "kernel": 5, "stride": 2, "patch": 4, "pool": "mean", "kernels": "7.13"}


def _read(**attrs: Scalar) -> Made:
    return Made.of(LayerSpec.of("made", (1,), (1,), **attrs))


def test_what_fits_is_read_and_what_may_be_left_out_has_its_default() -> None:
    assert _read(**GOOD) == Made(3, 5, 2, 4, "mean", "7.13", 0, False)
    assert _read(**GOOD, registers=2, bias=True) == Made(3, 5, 2, 4, "mean", "7.13", 2, True)
    with pytest.raises(FrozenInstanceError):
        _read(**GOOD).heads = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("heads", 0, "heads must be a whole number of at least 1, got 0"),
        ("heads", "3", "heads must be a whole number of at least 1, got '3'"),
        ("heads", True, "heads must be a whole number of at least 1, got True"),
        ("heads", 2.5, "heads must be a whole number of at least 1, got 2.5"),
        ("heads", 4.0, "heads must be a whole number of at least 1, got 4.0; write // for a division without a rest"),
        ("kernel", 4, "kernel must be an odd whole number of at least 1, got 4"),
        ("kernel", -1, "kernel must be an odd whole number of at least 1, got -1"),
        ("stride", 3, "stride must be a whole number from 1 to 2, got 3"),
        ("patch", 3, "patch must be a whole number of at least 2 and a multiple of 2, got 3"),
        ("pool", "max", "pool must be one of class, mean, got 'max'"),
        ("kernels", "7,3", "kernels must be text such as '7.3.3', got '7,3'"),
        ("bias", 1, "bias must be true or false, got 1"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: Scalar, message: str) -> None:
    with pytest.raises(SpaceError, match="layer kind 'made'") as caught:
        _read(**{**GOOD, name: value})
    assert message in str(caught.value)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpaceError, match="no attribute 'head'; .*Did you mean 'heads'"):
        _read(**GOOD, head=3)


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(SpaceError, match=rf"layer kind 'made' needs the attribute '{name}', .*; given: "):
        _read(**{key: value for key, value in GOOD.items() if key != name})


def test_a_kind_that_declares_none_takes_none() -> None:
    with pytest.raises(SpaceError, match="layer kind 'patch_merging' has no attribute 'heads'; it takes none"):
        build(LayerSpec.of("patch_merging", (4, 4, 4), (8, 2, 2), heads=2))


def test_a_declaration_knows_what_it_says() -> None:
    declared = declared_by(Made)
    assert list(declared) == [*GOOD, "registers", "bias"]
    assert declared["heads"].kind.about == "attention heads"
    assert declared["kernels"].kind.about == "one a step"
    assert [declared[name].default for name in ("heads", "registers", "bias")] == [None, 0, False]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_explains_its_attributes(kind: str) -> None:
    for name, declared in declared_by(LAYERS.load(kind).Attrs).items():
        assert declared.kind.about, f"give '{name}' a description"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.label)
def test_layers_of_all_spaces_hold_what_their_specs_say(example) -> None:  # type: ignore[no-untyped-def]
    for spec in (*example.specs, example.largest):
        attrs = LAYERS.load(spec.kind).Attrs.of(spec)
        assert {name: getattr(attrs, name) for name, _ in spec.attrs} == dict(spec.attrs)


def test_activations_are_those_that_there_are() -> None:
    names = get_args(get_args(Activation)[0])
    assert set(names) == set(ACTIVATIONS)


@pytest.mark.parametrize(
    ("strides", "widths"), [("22", {}), ("22", {"width0": 8, "width1": 8}), ("2112", {"width0": 8, "width2": 8})]
)
def test_a_stacked_stem_needs_a_width_after_each_convolution_but_the_last(strides: str, widths: dict[str, int]) -> None:
    attrs: dict[str, Scalar] = {"act": "relu", "act_last": True, "bias": True, "strides": strides, **widths}
    with pytest.raises(SpaceError, match=f"with strides '{strides}' the widths after the first"):
        build(LayerSpec.of("stacked_stem", (3, 16, 16), (8, 4, 4), **attrs))
