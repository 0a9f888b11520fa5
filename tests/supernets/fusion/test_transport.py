"""Transport of uniform masses: its marginals, and that no other plan is better."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitnas.supernets.fusion.transport import _sinkhorn, transport

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))


def drawn(places: int, channels: int, seed: int) -> torch.Tensor:
    return torch.randn(places, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def check_masses(plan: torch.Tensor) -> None:
    places, channels = plan.shape
    assert float(plan.min()) >= 0
    torch.testing.assert_close(plan.sum(1), torch.ones(places, dtype=plan.dtype))
    torch.testing.assert_close(plan.sum(0), torch.full((channels,), places / channels, dtype=plan.dtype))


@given(sizes)
def test_every_place_is_filled_and_every_channel_goes_somewhere(size: tuple[int, int, int]) -> None:
    similarity = drawn(*size)
    for plan in (transport(similarity), _sinkhorn(similarity)):
        check_masses(plan)


@given(st.integers(1, 5), st.integers(0, 1000))
def test_equal_numbers_are_exchanged_in_the_best_way(size: int, seed: int) -> None:
    similarity = drawn(size, size, seed)
    plan = transport(similarity)
    assert set(plan.flatten().tolist()) <= {0.0, 1.0}
    best = max(sum(float(similarity[i, j]) for i, j in enumerate(order)) for order in permutations(range(size)))
    assert float((plan * similarity).sum()) == pytest.approx(best)


@given(sizes)
def test_what_is_assigned_is_no_worse_than_what_the_iteration_finds(size: tuple[int, int, int]) -> None:
    similarity = drawn(*size)
    exact, near = (float((plan * similarity).sum()) for plan in (transport(similarity), _sinkhorn(similarity)))
    assert exact >= near - 1e-9


def test_large_numbers_without_a_common_divisor_are_nearly_assigned() -> None:
    similarity = drawn(60, 61, 0)
    plan = transport(similarity)  # of 3,660 parts of mass
    check_masses(plan)
    best = similarity.max(dim=1).values.sum()
    assert 0.9 * float(best) < float((plan * similarity).sum()) <= float(best) + 1e-9
    assert float(plan.max(dim=1).values.mean()) > 0.7, "hardly blurred"


def test_channels_that_are_all_alike_stay_in_their_masses() -> None:
    check_masses(_sinkhorn(torch.ones(4, 6)))
    assert transport(torch.eye(5)).equal(torch.eye(5, dtype=torch.float64))
