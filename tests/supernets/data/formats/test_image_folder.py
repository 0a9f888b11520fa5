from __future__ import annotations

import os
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


def test_hidden_and_foreign_folders_are_no_classes(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat": 10, "ant": 5})
    for junk in (
        "__MACOSX",
        "@eaDir",
        "lost+found",
        "$RECYCLE.BIN",
        "System Volume Information",
        ".Trash-0",
        "Thumbs.db",
    ):
        (tmp_path / junk).mkdir()
        (tmp_path / "cat" / junk).mkdir()
        (tmp_path / "cat" / junk / "0.png").write_bytes(encoded(picture(0)))
    (tmp_path / "__MACOSX" / "._0.png").write_bytes(b"Mac OS X")
    for junk in ("._000.png", "Thumbs.db", "desktop.ini", ".DS_Store"):
        (tmp_path / "ant" / junk).write_bytes(b"junk")
    dataset = load_dataset(str(tmp_path))
    assert (dataset.classes, len(dataset.train) + len(dataset.val)) == (("ant", "cat"), 15)
    assert dataset.damage() is None


@pytest.mark.parametrize("loops", [("self",), ("self", "again"), ("self", "again", "more")])
def test_a_link_to_a_folder_above_adds_nothing(tmp_path: Path, loops: tuple[str, ...]) -> None:
    write_folder(tmp_path, {"a": 6, "b": 6})
    for loop in loops:
        (tmp_path / "a" / loop).symlink_to(".")
    with pytest.warns(UserWarning, match=rf"{len(loops)} links lead to what is there already, such as \['a/"):
        dataset = load_dataset(str(tmp_path))
    assert np.bincount(dataset.train.labels).tolist() == [6, 6]


def test_a_link_out_of_the_folder_is_followed(tmp_path: Path) -> None:
    write_folder(tmp_path / "else", {"cats": 4, "dogs": 3})
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "cat").symlink_to(tmp_path / "else" / "cats")
    (tmp_path / "pets" / "dog").mkdir()
    for image in (tmp_path / "else" / "dogs").iterdir():
        (tmp_path / "pets" / "dog" / image.name).symlink_to(image)
    dataset = load_dataset(str(tmp_path / "pets"))
    assert (dataset.classes, np.bincount(dataset.train.labels).tolist()) == (("cat", "dog"), [4, 3])


def test_an_image_that_a_class_has_twice_counts_once(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 6, "b": 6})
    (tmp_path / "a" / "hard.png").hardlink_to(tmp_path / "a" / "000.png")
    (tmp_path / "a" / "0.png").symlink_to("001.png")
    (tmp_path / "a" / "lost.png").symlink_to("nowhere.png")
    with pytest.warns(UserWarning, match="2 links lead to what is there already"):
        dataset = load_dataset(DataSettings(str(tmp_path), mean=(0.0,) * 3, std=(1.0,) * 3))
    assert np.bincount(dataset.train.labels).tolist() == [7, 6]
    for images in (dataset.train, dataset.val):
        images.pixels(np.arange(len(images)))
    assert dataset.damaged == ("a/lost.png",)


@pytest.mark.parametrize("way", ["folder", "image", "hard", "above"])
def test_an_image_of_two_classes_is_refused(tmp_path: Path, way: str) -> None:
    write_folder(tmp_path, {"a": 3, "b": 3})
    if way == "folder":
        (tmp_path / "c").symlink_to("a")
    elif way == "image":
        (tmp_path / "b" / "x.png").symlink_to("../a/000.png")
    elif way == "hard":
        (tmp_path / "b" / "x.png").hardlink_to(tmp_path / "a" / "000.png")
    else:
        (tmp_path / "a" / "up").symlink_to("..")
    with pytest.raises(DataError, match="are one file, by a link, but two classes"):
        load_dataset(str(tmp_path))


@pytest.mark.parametrize("way", ["split", "class", "image", "hard", "val"])
def test_an_image_of_two_splits_is_refused(tmp_path: Path, way: str) -> None:
    write_folder(tmp_path / "train", {"a": 3, "b": 3})
    if way == "split":
        (tmp_path / "val").symlink_to("train")
    elif way != "val":
        write_folder(tmp_path / "val", {"a": 1, "b": 1})
    if way == "class":
        (tmp_path / "train" / "a" / "more").symlink_to("../../val/a")
    elif way == "image":
        (tmp_path / "val" / "b" / "x.png").symlink_to("../../train/b/000.png")
    elif way == "hard":
        (tmp_path / "val" / "b" / "x.png").hardlink_to(tmp_path / "train" / "b" / "000.png")
    val = str(tmp_path / "train") if way == "val" else None
    with pytest.raises(
        DataError, match=r"two splits share \d files, such as 'a/|two splits share \d files, such as 'b/"
    ):
        load_dataset(DataSettings(str(tmp_path), val=val))


def test_what_validates_cannot_test(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"a": 3, "b": 3})
    write_folder(tmp_path / "val", {"a": 1, "b": 1})
    (tmp_path / "test").symlink_to("val")
    with pytest.raises(DataError, match="two splits share 2 files"):
        load_dataset(str(tmp_path))


def test_what_is_no_file_is_no_image(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 3, "b": 3})
    os.mkfifo(tmp_path / "a" / "pipe.png")
    (tmp_path / "a" / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "a" / "folder.png").mkdir()
    dataset = load_dataset(str(tmp_path))
    assert np.bincount(dataset.train.labels).tolist() == [3, 3]


def test_a_class_of_one_image_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 5, "b": 1, "c": 1})
    with pytest.warns(UserWarning, match=r"2 of 3 classes have one image, such as \['b', 'c'\].*never judged"):
        dataset = load_dataset(str(tmp_path))
    assert (len(dataset.train), len(dataset.val)) == (6, 1)


def test_a_file_too_large_for_an_image_counts_as_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitnas.supernets.data.formats.folders.LARGEST_FILE", 10_000)
    write_folder(tmp_path, {"a": 6, "b": 6})
    with (tmp_path / "a" / "999.png").open("wb") as file:
        file.truncate(10_001)
    dataset = load_dataset(DataSettings(str(tmp_path), mean=(0.0,) * 3, std=(1.0,) * 3))
    for images in (dataset.train, dataset.val):
        images.pixels(np.arange(len(images)))
    assert dataset.damaged == ("a/999.png",)
