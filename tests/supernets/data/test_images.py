from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import DataError, UnknownNameError
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.data import DATASETS, Dataset, load_dataset


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_dataset_is_what_its_task_says(name: str) -> None:
    dataset = load_dataset(name)
    size, channels = dataset.task.image_size, dataset.task.in_channels
    for images in (dataset.train, dataset.val):
        assert images.x.shape == (len(images), channels, size, size)
        assert images.x.dtype == torch.float32
        assert images.y.dtype == torch.int64
        assert set(images.y.tolist()) == set(range(dataset.task.num_classes))
    assert len(dataset.mean) == len(dataset.std) == channels
    again = load_dataset(name)
    assert torch.equal(again.train.x, dataset.train.x)
    assert torch.equal(again.val.y, dataset.val.y)


@given(st.integers(2, 40), st.integers(2, 5), st.floats(0.1, 0.5), st.integers(0, 99))
def test_split_is_stratified_and_loses_nothing(per_class: int, num_classes: int, share: float, seed: int) -> None:
    labels = np.repeat(np.arange(num_classes), per_class)
    # The pixel of an image is its own number, so that it can be recognised after normalisation.
    pixels = np.arange(len(labels), dtype=np.float64)[:, None, None, None] / len(labels)
    dataset = Dataset.from_pixels("numbered", pixels, labels, share, seed)
    found = []
    for images in (dataset.train, dataset.val):
        raw = images.x[:, 0, 0, 0].double() * dataset.std[0] + dataset.mean[0]
        numbers = (raw * len(labels)).round().long()
        assert (torch.from_numpy(labels)[numbers] == images.y).all()
        found += numbers.tolist()
    assert sorted(found) == list(range(len(labels)))
    assert (torch.bincount(dataset.val.y, minlength=num_classes) == round(share * per_class)).all()


def test_only_training_images_are_measured() -> None:
    rng = np.random.default_rng(0)
    dataset = Dataset.from_pixels("noise", rng.random((200, 3, 4, 4)), np.arange(200) % 2)
    assert dataset.train.x.mean(dim=(0, 2, 3)) == pytest.approx(torch.zeros(3), abs=1e-6)
    assert dataset.train.x.std(dim=(0, 2, 3), correction=0) == pytest.approx(torch.ones(3), abs=1e-6)
    assert dataset.val.x.mean(dim=(0, 2, 3)).abs().min() > 1e-6


def test_batches_give_each_image_once() -> None:
    images = load_dataset("digits").val
    parts = [x for x, _ in images.batches(100)]
    assert [len(p) for p in parts] == [100, 100, 100, len(images) - 300]
    assert torch.equal(torch.cat(parts), images.x)


def test_a_space_for_another_task_is_refused() -> None:
    dataset = load_dataset("digits")
    dataset.check(load_space("autoformer-mini"))
    with pytest.raises(DataError, match=r"'digits' holds 8x8 images with 1 channel.* 10 classes, but .*32x32"):
        dataset.check(load_space("autoformer-mini", Task(32, 10, 1)))


def test_unusable_pixels_are_refused() -> None:
    with pytest.raises(DataError, match="pixels are all equal"):
        Dataset.from_pixels("blank", np.zeros((4, 1, 2, 2)), np.arange(4) % 2)
    with pytest.raises(DataError, match="square images, each with one label"):
        Dataset.from_pixels("odd", np.zeros((4, 1, 2, 2)), np.arange(3))


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        load_dataset("digit")
