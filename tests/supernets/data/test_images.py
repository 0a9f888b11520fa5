from __future__ import annotations

import numpy as np
import pytest
import torch

from vitnas.errors import DataError, UnknownNameError
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.data import DATASETS, Pixels, load_dataset


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_dataset_is_what_its_task_says(name: str) -> None:
    dataset = load_dataset(name)
    size, channels = dataset.task.image_size, dataset.task.in_channels
    assert dataset.test is not None
    for images in (dataset.train, dataset.val, dataset.test):
        pixels, labels = images.pixels(np.arange(len(images)))
        assert pixels.shape == (len(images), channels, size, size)
        assert pixels.dtype == torch.uint8
        assert labels.dtype == torch.int64
        assert set(labels.tolist()) == set(range(dataset.task.num_classes))
    assert len(dataset.mean) == len(dataset.std) == channels
    assert len(dataset.classes) == dataset.task.num_classes
    again = load_dataset(name)
    assert torch.equal(again.train.sample(50).all()[0], dataset.train.sample(50).all()[0])
    assert torch.equal(again.val.sample(50).all()[1], dataset.val.sample(50).all()[1])


def test_taking_is_normalising_the_pixels() -> None:
    images = load_dataset("digits").val
    chosen = np.array([5, 3, 3])
    pixels, labels = images.pixels(chosen)
    x, y = images.take(chosen)
    assert torch.equal(y, labels)
    torch.testing.assert_close(x.double(), (pixels / 255.0 - images.mean[0]).double() / images.std[0])


def test_batches_give_each_image_once() -> None:
    images = load_dataset("digits").val
    parts = [x for x, _ in images.batches(100)]
    assert [len(p) for p in parts] == [100, 100, 100, len(images) - 300]
    assert torch.equal(torch.cat(parts), images.all()[0])


def test_a_space_for_another_task_is_refused() -> None:
    dataset = load_dataset("digits")
    dataset.check(load_space("autoformer-mini"))
    with pytest.raises(DataError, match=r"'digits' holds 8x8 images with 1 channel.* 10 classes, but .*32x32"):
        dataset.check(load_space("autoformer-mini", Task(32, 10, 1)))


def test_unusable_pixels_are_refused() -> None:
    with pytest.raises(DataError, match="one label each"):
        Pixels.of(np.zeros((4, 1, 2, 2), np.uint8), np.arange(3))
    with pytest.raises(DataError, match="got int64"):
        Pixels.of(np.zeros((4, 1, 2, 2), np.int64), np.arange(4))


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        load_dataset("digit")
