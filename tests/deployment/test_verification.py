"""Parity is measured as stated, and limits hold or break exactly where they should."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitnas.deployment.exporters import Tolerance
from vitnas.deployment.verification import compare

LIMITS = Tolerance(max_difference=1e-4, top1_agreement=0.99, accuracy_drop=0.01)


def random_logits(seed: int, scale: float = 1.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, scale, (40, 7)))


@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), noise=st.floats(1e-6, 0.5))
@pytest.mark.heavy
def test_differences_are_in_units_of_the_logits(seed, scale, noise):
    expected = random_logits(seed, scale)
    found = expected + random_logits(seed + 1, noise * scale)
    parity = compare(expected, found, torch.zeros(40, dtype=torch.int64))
    unit = math.sqrt(float(np.mean(expected.numpy() ** 2)))
    by_hand = np.abs(expected.numpy() - found.numpy()) / unit
    assert parity.max_difference == pytest.approx(by_hand.max())
    assert parity.mean_difference == pytest.approx(by_hand.mean())
    assert bool(parity.breaches(LIMITS)) >= (by_hand.max() > 1e-4)


def test_shares_are_counted_over_images():
    labels = torch.tensor([0, 1, 2, 3])
    expected = torch.eye(4)[[0, 1, 2, 0]]  # three right
    found = torch.eye(4)[[0, 1, 3, 0]]  # two right, three as before
    parity = compare(expected, found, labels)
    assert (parity.before, parity.after, parity.top1_agreement) == (0.75, 0.5, 0.75)
    assert len(parity.breaches(LIMITS)) == 3
    assert "75.00% of 4 images" in parity.breaches(LIMITS)[1]


def test_equal_logits_break_nothing():
    logits = random_logits(0)
    assert compare(logits, logits.clone(), logits.argmax(1)).breaches(LIMITS) == []
    assert compare(logits * 0, logits * 0, logits.argmax(1)).breaches(LIMITS) == []


@pytest.mark.parametrize("wrong", [random_logits(0) * torch.nan, random_logits(0)[:5], random_logits(0)[:, :5]])
def test_answers_that_are_no_answers_break_every_limit(wrong):
    logits = random_logits(0)
    parity = compare(logits, wrong, logits.argmax(1))
    assert len(parity.breaches(LIMITS)) == 3
    assert parity.after == 0.0
