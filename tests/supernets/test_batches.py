from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vitnas.supernets.batches import Batches


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
