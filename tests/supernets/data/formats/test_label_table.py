"""Tables of labels: what is read, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitnas.errors import DataError
from vitnas.supernets.data import DataSettings, load_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for i in range(6):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (8, 8, 3)).astype(np.uint8)).save(
            tmp_path / "pictures" / f"{i}.png"
        )
    return tmp_path


def write(folder: Path, *lines: str) -> DataSettings:
    (folder / "labels.csv").write_text("\n".join(lines))
    return DataSettings(str(folder), answer="labels", test_share=0.0)


LINES = [f"pictures/{i}.png,{labels}" for i, labels in enumerate(["cat|dog", "dog", "", "bird", "cat", "bird|dog"])]


def test_labels_are_numbered_by_name_and_an_image_may_have_none(folder: Path) -> None:
    dataset = load_dataset(write(folder, "image,labels", *LINES))
    assert dataset.classes == ("bird", "cat", "dog")
    has = dataset.train.truths(np.arange(6))
    assert has.tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert len(dataset.train) + len(dataset.val) == 6


def test_a_column_tells_the_splits(folder: Path) -> None:
    splits = ["train", "train", "train", "train", "val", "test"]
    lines = [f"{line},{split}" for line, split in zip(LINES, splits, strict=True)]
    settings = write(folder, "image,labels,split", *lines)
    dataset = load_dataset(DataSettings(settings.name, answer="labels"))
    assert dataset.test is not None
    assert [len(part) for part in (dataset.train, dataset.val, dataset.test)] == [4, 1, 1]
    assert dataset.test.truths(np.arange(1)).tolist() == [[1, 0, 1]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,labels", "pictures/0.png,cat"], "needs a line of names with 'image'"),
        (["image,labels", "pictures/0.png,cat", "pictures/../pictures/0.png,dog"], "lines 2 and 3 are of one image"),
        (["image,labels", "pictures/0.png,cat|cat"], "line 2: labels 'cat|cat' name one twice"),
        (["image,labels", "pictures/0.png,cat|"], "line 2: labels 'cat|' name one twice, or an empty one"),
        (["image,labels", "pictures/0.png,", "pictures/1.png,"], "no image has any label"),
        (["image,labels", "pictures/9.png,cat"], "line 2: image 'pictures/9.png' is not there"),
        (["image,cat,dog", "pictures/0.png,1,"], "column 'dog': '' is neither 0 nor 1"),
        (["image,cat,dog", "pictures/0.png,1,0", "pictures/1.png,1,0"], "no image has label 'dog'"),
        (["image,cat,dog", "pictures/0.png,1"], "line 2: has not as many cells"),
        (["image,labels,split", "pictures/0.png,cat,trian"], "no split is called 'trian'"),
        (["image,labels,split", "pictures/0.png,cat,train", "pictures/1.png,cat,"], "line 3: no split"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message.replace("|", r"\|")):
        load_dataset(write(folder, *lines))


def test_data_of_one_class_an_image_tell_no_labels() -> None:
    with pytest.raises(DataError, match="'digits' tells nothing but one class an image"):
        load_dataset(DataSettings("digits", answer="labels"))
