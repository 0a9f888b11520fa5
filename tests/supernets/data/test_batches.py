from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import SettingsError
from vitnas.supernets.data.batches import Batches, fitting_size


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**40), st.integers(0, 20))
def test_an_epoch_shows_no_image_twice(num_images: int, batch_size: int, seed: int, epoch: int) -> None:
    batches = Batches(num_images, min(batch_size, num_images), seed)
    steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
    seen = np.concatenate([batches[step] for step in steps])
    assert len(set(seen.tolist())) == len(seen) > num_images - batches.batch_size
    assert set(seen.tolist()) <= set(range(num_images))


def test_a_batch_follows_from_seed_and_step() -> None:
    forwards, backwards = Batches(100, 7, 1), Batches(100, 7, 1)
    expected = [forwards[step].tolist() for step in range(50)]
    assert [backwards[step].tolist() for step in reversed(range(50))] == expected[::-1]
    assert Batches(100, 7, 2)[0].tolist() != expected[0]
    assert expected[0] != expected[forwards.per_epoch]


def test_fewer_images_than_a_batch_make_it_smaller() -> None:
    assert fitting_size(64, 64) == 64
    for shares, size in ((1, 60), (7, 56), (60, 60)):
        with pytest.warns(UserWarning, match=rf"batch_size is 64, but there are 60 .*; a step takes {size}"):
            assert fitting_size(64, 60, shares) == size
    with pytest.raises(SettingsError, match="divides into 61 equal shares, but there are 60"):
        fitting_size(64, 60, 61)
    with pytest.raises(SettingsError, match="batch_size is 64, but there are 60 training images"):
        Batches(60, 64, 0)
