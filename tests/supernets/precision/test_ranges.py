"""Ranges: what is counted, what may be cut off, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.supernets.precision.networks import images, network
from vitnas.errors import DataError
from vitnas.supernets.precision.ranges import Histogram, calibrate
from vitnas.supernets.precision.rounding import rounded_activation, step_and_zero


def error(values: torch.Tensor, ends: tuple[float, float], bits: int) -> float:
    return float((rounded_activation(values, *step_and_zero(*ends, bits), bits) - values).square().mean())


@given(seed=st.integers(0, 1000), bits=st.sampled_from([4, 8]))
def test_ends_are_no_worse_than_all_of_it(seed, bits):
    draws = torch.Generator().manual_seed(seed)
    values = torch.randn(20_000, generator=draws) ** 5
    ends = Histogram.of(values).ends(bits)
    assert ends[0] >= float(values.min())
    assert ends[1] <= float(values.max())
    assert error(values, ends, bits) <= 1.02 * error(values, (float(values.min()), float(values.max())), bits)


def test_an_outlier_is_cut_off_at_few_bits():
    values = torch.cat([torch.linspace(-1, 1, 100_000), torch.tensor([20.0])])
    assert Histogram.of(values).ends(4)[1] < 2


@given(seed=st.integers(0, 1000))
def test_joining_counts_all(seed):
    draws = torch.Generator().manual_seed(seed)
    one, other = torch.randn(1000, generator=draws), 3 * torch.rand(500, generator=draws)
    joined, whole = Histogram.of(one).joined(Histogram.of(other)), Histogram.of(torch.cat([one, other]))
    assert (joined.low, joined.high) == (whole.low, whole.high)
    assert joined.counts.sum() == whole.counts.sum() == 1500
    off = (joined.counts.cumsum(0) - whole.counts.cumsum(0)).abs().max()
    assert off <= 1500 * 0.02


def test_equal_numbers_have_a_range():
    one = Histogram.of(torch.full((10,), 2.0))
    assert one.ends(8) == (0.0, 2.0)
    assert Histogram.of(torch.zeros(3)).ends(8) == (0.0, 0.0)
    assert one.joined(one).counts.sum() == 20


def test_batches_come_to_what_all_at_once_is():
    net, x = network(), images(12)
    whole, parts = calibrate(net, [x]), calibrate(net, x.split(5))
    assert whole.num_images == parts.num_images == 12
    assert list(whole) == list(parts)
    for place in whole:
        a, b = whole.seen[place], parts.seen[place]
        assert (a.low, a.high) == pytest.approx((b.low, b.high), rel=1e-5)
        assert a.counts.sum() == b.counts.sum()


def test_no_images_are_refused():
    with pytest.raises(DataError, match="give at least one"):
        calibrate(network(), [])
