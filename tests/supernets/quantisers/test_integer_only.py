"""Whole-number functions against the same arithmetic on Python's integers, and against what they stand for."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from vitnas.supernets.quantisers.integer_only import (
    INTEGER_FUNCTIONS,
    cut_tail,
    exponential,
    in_integers,
    integer_gelu,
    integer_layer_norm,
    integer_softmax,
    whole_root,
)
from vitnas.supernets.quantisers.uniform import UniformQuantiser


def _power(x: int, unit: int, shifts: int) -> int:
    x = max(x + x // 2 - x // 16, -shifts * unit)
    octaves = -x // unit
    return ((x + octaves * unit) // 2 + unit) * 2 ** (shifts - octaves)


@pytest.mark.parametrize("unit", [1, 7, 20, 333])
def test_the_exponential_is_that_of_whole_numbers(unit: int) -> None:
    x = torch.arange(-20 * unit, 1)
    found = exponential(x, unit, 15)
    assert found.tolist() == [_power(value, unit, 15) for value in x.tolist()]
    assert (found.diff() >= 0).all()


def test_the_exponential_is_nearly_one() -> None:
    unit = 4000
    x = torch.arange(-5 * unit, 1)
    share = exponential(x, unit, 15).double() / (unit * 2**15)
    assert (share - torch.exp(x.double() / unit)).abs().max() < 0.05


def test_a_softmax_of_whole_numbers() -> None:
    codes = torch.tensor([[0, 10, 20], [-128, 127, 0]])
    rows = []
    for row in codes.tolist():
        powers = [_power(value - max(row), 20, 15) for value in row]
        rows.append([(power * 128 // sum(powers)) / 128 for power in powers])
    assert integer_softmax(codes, 0.05).tolist() == rows
    x = torch.randn(200, 9) * 2
    found = in_integers("softmax", x, UniformQuantiser.fit(x, 8, symmetric=True, clip=False))
    assert (found - x.softmax(dim=-1)).abs().max() < 0.06
    assert (found.sum(dim=-1) <= 1).all()


def test_a_gelu_of_whole_numbers() -> None:
    x = torch.linspace(-6, 6, 500)
    found = in_integers("gelu", x, UniformQuantiser.fit(x, 8, symmetric=True, clip=False))
    assert (found - F.gelu(x)).abs().max() < 0.12
    unit, codes = 20, [-100, -20, 0, 3, 100]
    expected = []
    for code in codes:
        slope = code + code // 2 + code // 8 + code // 16
        most = max(slope, 0)
        of_x, of_zero = _power(slope - most, unit, 23), _power(-most, unit, 23)
        expected.append(code * (of_x * 128 // (of_x + of_zero)) * 0.05 / 128)
    assert integer_gelu(torch.tensor(codes), 0.05).tolist() == pytest.approx(expected)


def test_a_norm_of_whole_numbers() -> None:
    x = torch.randn(50, 96) * 3 + 1
    quantiser = UniformQuantiser.fit(x, INTEGER_FUNCTIONS["layer_norm"][1], symmetric=True, clip=False)
    assert (in_integers("layer_norm", x, quantiser) - F.layer_norm(x, (96,))).abs().max() < 1e-3
    assert integer_layer_norm(torch.full((2, 8), 5), 0.1).tolist() == [[0.0] * 8] * 2


def test_roots_are_whole() -> None:
    squares = torch.tensor([2**24, 2**24 + 1, 3**20, 10**10, 2**37 - 1, 2**40])
    for square, root in zip(squares.tolist(), whole_root(squares).tolist(), strict=True):
        assert root in (math.isqrt(square), math.isqrt(square) + 1)


def test_a_tail_is_cut_where_answers_lose_least() -> None:
    x = torch.randn(400_000, generator=torch.Generator().manual_seed(3))
    long = torch.cat([x, torch.tensor([60.0])])
    for values, ratio in ((x, 1.0), (long, 0.6)):
        whole = UniformQuantiser.fit(values, 8, symmetric=True, clip=False)
        cut = cut_tail(values, 8)
        errors = [float((in_integers("gelu", values, one) - F.gelu(values)).square().mean()) for one in (cut, whole)]
        assert errors[0] <= ratio * errors[1]
    assert cut_tail(long, 8).scale < 0.9 * whole.scale
