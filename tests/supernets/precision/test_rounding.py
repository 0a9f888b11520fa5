"""Rounded numbers are few, stay when they are rounded again, keep their order, and are what they are by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.supernets.precision.rounding import (
    BLOCK,
    rounded_activation,
    rounded_weight,
    step_and_zero,
    weight_step,
)

NAMES = ("w8a8", "w7a8", "w4a4", "w2a8", "w8", "w4", "p8", "p4", "p2")


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) ** 3


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000))
def test_weights(name, seed):
    precision, weight = Precision.of(name), drawn(seed, 3, 40)
    found = rounded_weight(weight, precision)
    assert torch.allclose(rounded_weight(found, precision), found, rtol=1e-6, atol=0)
    parts = [found] if precision.palette else found
    if name == "w4":
        parts = [part for row in found for part in row.split(BLOCK)]
    for part in parts:
        assert len(part.unique()) <= 2**precision.weight_bits
    if precision.palette or name != "w4":
        rows = [(weight.flatten(), found.flatten())] if precision.palette else zip(weight, found, strict=True)
        for before, after in rows:
            assert bool((after[before.argsort()].diff() >= 0).all())


def test_float_is_the_same_tensor():
    weight = drawn(0, 2, 3)
    assert rounded_weight(weight, FLOAT) is weight


def test_by_hand():
    weight = torch.tensor([[7.0, -3.4, 0.6, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert torch.equal(
        rounded_weight(weight, Precision.of("w4a8")), torch.tensor([[7.0, -3.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    )
    values = torch.tensor([[0.0, 1.0, 10.0, 12.0, 100.0, 104.0, 108.0, 109.0]])
    found = rounded_weight(values, Precision.of("p2"))
    assert torch.allclose(found, torch.tensor([[0.5, 0.5, 11.0, 11.0, 102.0, 102.0, 108.5, 108.5]]))


def test_blocks_have_steps_of_their_own():
    weight = torch.cat([drawn(0, 2, BLOCK), 100 * drawn(1, 2, 5)], dim=1)
    assert weight_step(weight, Precision.of("w4")).shape == (2, 2)
    assert weight_step(weight, Precision.of("w4a8")).shape == (2, 1)
    assert weight_step(weight, Precision.of("w8")).shape == (2, 1)
    assert weight_step(weight.view(2, 37, 1, 1), Precision.of("w4")).shape == (2, 1)


@given(low=st.floats(-100, 50), span=st.floats(0, 100), bits=st.sampled_from([2, 4, 8]))
def test_activations(low, span, bits):
    scale, zero = step_and_zero(low, low + span, bits)
    assert isinstance(zero, int)
    assert 0 <= zero < 2**bits
    x = torch.linspace(low - 1, low + span + 1, 2000)
    found = rounded_activation(x, scale, zero, bits)
    assert len(found.unique()) <= 2**bits
    assert bool((found.diff() >= 0).all())
    assert torch.equal(rounded_activation(found, scale, zero, bits), found)
    assert rounded_activation(torch.zeros(1), scale, zero, bits) == 0
    inside = (x >= scale * (0.5 - zero)) & (x <= scale * (2**bits - 1.5 - zero))
    assert bool(((found - x).abs()[inside] <= 0.5001 * scale).all())


def test_gradients_pass_where_nothing_is_cut_off():
    weight = torch.tensor([[0.9, -7.2, 7.0]], requires_grad=True)
    rounded_weight(weight, Precision.of("w4a8"), torch.tensor([[1.0]])).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[1.0, 0.0, 1.0]]
