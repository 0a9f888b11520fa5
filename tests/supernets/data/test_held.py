"""Images that lie on a device are those that they were read from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitnas.supernets.data import held, load_dataset
from vitnas.supernets.data.held import Held, hold
from vitnas.supernets.torch_device import CPU


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits").val


@given(seed=st.integers(0, 1000), n=st.integers(1, 300))
def test_batches_are_the_same(digits, seed, n):
    ours = hold(digits, CPU)
    assert isinstance(ours, Held)
    chosen = np.random.default_rng(seed).integers(0, len(digits), n)
    for theirs, found in zip(digits.take(chosen), ours.take(chosen), strict=True):
        assert torch.equal(theirs, found)
    few = digits.sample(n, seed).shuffled(seed)
    for theirs, found in zip(few.all(), ours.sample(n, seed).shuffled(seed).all(), strict=True):
        assert torch.equal(theirs, found)


def test_they_keep_to_their_device(digits):
    ours = hold(digits.sample(40), torch.device("meta"))
    x, y = ours.take(np.arange(3))
    assert (x.device.type, y.device.type) == ("meta", "meta")
    assert (x.shape, x.dtype) == ((3, 1, 8, 8), torch.float32)


def test_too_many_stay_where_they_are(digits, monkeypatch):
    monkeypatch.setattr(held, "MOST_BYTES", 1000)
    assert hold(digits, CPU) is digits
