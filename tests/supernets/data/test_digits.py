from __future__ import annotations

import numpy as np

from vitnas.search_spaces import Task
from vitnas.supernets.data import load_dataset


def test_digits_are_the_embedded_ones() -> None:
    dataset = load_dataset("digits")
    assert dataset.task == Task(image_size=8, num_classes=10, in_channels=1)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (1293, 324, 180)
    assert dataset.classes == tuple("0123456789")
    # Raw data counts to 16; 17 shades of the 256 are used, from black to white.
    pixels, _ = dataset.train.pixels(np.arange(len(dataset.train)))
    assert pixels.unique().tolist() == [round(shade * 255 / 16) for shade in range(17)]
