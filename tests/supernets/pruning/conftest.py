"""A small vision transformer that was trained alone for a few seconds, as a supernet of what may be pruned of it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vitnas.search_spaces import load_space
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.supernet import Supernet


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset(DataSettings("digits"))


@pytest.fixture(scope="session")
def trained(digits: Dataset) -> Supernet:
    """Not to be changed: take a deep copy."""
    space = load_space("autoformer-mini", digits.task).restrict(
        width=(48, 64), depth=(3,), heads=(2, 3, 4), mlp_ratio=(2.0, 3.0, 4.0)
    )
    net, arch = Supernet(space, seed=0), space.largest()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    for epoch in range(6):
        for x, y in digits.train.shuffled(epoch).batches(64):
            optimizer.zero_grad()
            F.cross_entropy(net(x, arch), y).backward()
            optimizer.step()
    optimizer.zero_grad()
    return net.eval()
