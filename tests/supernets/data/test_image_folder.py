from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.supernets.data.pictures import chw, encoded, picture, write_folder
from vitnas.errors import DataError
from vitnas.supernets.data import DataSettings, load_dataset


def test_a_folder_gives_its_pictures(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets", {"cat": 10, "ant": 5})
    (tmp_path / "pets" / "notes.txt").write_text("by me")
    (tmp_path / "pets" / ".cache").mkdir()
    dataset = load_dataset(str(tmp_path / "pets"))
    assert (dataset.name, dataset.classes, dataset.task.image_size) == ("pets", ("ant", "cat"), 16)
    assert (len(dataset.train), len(dataset.val)) == (12, 3)
    found = {}
    for images in (dataset.train, dataset.val):
        pixels, labels = images.pixels(np.arange(len(images)))
        found.update({x.numpy().tobytes(): y for x, y in zip(pixels, labels.tolist(), strict=True)})
    # Cats were written first, and ants are the first class.
    assert found == {np.ascontiguousarray(chw(picture(i))).tobytes(): int(i < 10) for i in range(15)}


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_splits_of_the_folder_are_kept(tmp_path: Path, val: str) -> None:
    write_folder(tmp_path / "train", {"a": 3, "b": 4})
    write_folder(tmp_path / val, {"a": 1, "b": 1})
    dataset = load_dataset(str(tmp_path))
    assert (len(dataset.train), len(dataset.val), dataset.classes) == (7, 2, ("a", "b"))
    assert dataset.val.pixels(np.arange(2))[1].tolist() == [0, 1]


def test_validation_images_elsewhere(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", {"a": 3, "b": 4})
    write_folder(tmp_path / "yours", {"a": 2, "b": 1})
    dataset = load_dataset(DataSettings(str(tmp_path / "mine"), val=str(tmp_path / "yours")))
    assert (len(dataset.train), len(dataset.val)) == (7, 3)
    write_folder(tmp_path / "odd", {"a": 2, "c": 1})
    with pytest.raises(DataError, match=r"have 2 classes.*'c'.* that training lacks"):
        load_dataset(DataSettings(str(tmp_path / "mine"), val=str(tmp_path / "odd")))
    write_folder(tmp_path / "fewer", {"b": 2})
    with pytest.raises(DataError, match=r"2 classes, and validation images 1, with no class \['a'\]"):
        load_dataset(DataSettings(str(tmp_path / "mine"), val=str(tmp_path / "fewer")))


def test_pictures_of_many_sizes_become_224(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 3, "b": 3}, "jpg", (300, 200))
    assert load_dataset(str(tmp_path)).task.image_size == 224
    small = load_dataset(DataSettings(str(tmp_path), image_size=32, in_channels=1))
    assert small.train.sample(2).all()[0].shape == (2, 1, 32, 32)


def test_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a/left": 2, "a/right": 2, "b": 2})
    dataset = load_dataset(str(tmp_path))
    assert dataset.classes == ("a", "b")
    assert np.bincount(dataset.train.labels).tolist() == [4, 2]


def test_folders_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(encoded(picture(0)))
    with pytest.raises(DataError, match="has no classes: it needs one subfolder a class"):
        load_dataset(str(tmp_path / "flat"))
    write_folder(tmp_path / "one", {"cat": 3})
    with pytest.raises(DataError, match=r"one class, \['cat'\]"):
        load_dataset(str(tmp_path / "one"))
    write_folder(tmp_path / "hollow", {"cat": 3, "dog": 0})
    with pytest.raises(DataError, match=r"no images in \['dog'\]"):
        load_dataset(str(tmp_path / "hollow"))
    write_folder(tmp_path / "single", {"cat": 1, "dog": 1})
    with pytest.raises(DataError, match="no images are left for validation"):
        load_dataset(str(tmp_path / "single"))
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="looks like none of"):
        load_dataset(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="has no classes"):
        load_dataset(DataSettings(str(tmp_path / "nothing"), format="image-folder"))
