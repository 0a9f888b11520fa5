from __future__ import annotations

from vitnas.search_spaces import Task
from vitnas.supernets.data import load_dataset


def test_digits_are_the_embedded_ones() -> None:
    dataset = load_dataset("digits")
    assert dataset.task == Task(image_size=8, num_classes=10, in_channels=1)
    assert len(dataset.train) + len(dataset.val) == 1797
    # The lowest pixel of raw data is 0 and the highest 16 of 16.
    raw = dataset.train.x * dataset.std[0] + dataset.mean[0]
    assert abs(raw.min().item()) < 1e-6
    assert abs(raw.max().item() - 1) < 1e-6
