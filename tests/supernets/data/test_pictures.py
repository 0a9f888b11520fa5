from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.supernets.data.pictures import chw, encoded, picture, write_folder
from vitnas.errors import DataError
from vitnas.supernets.data import Dataset, DataSettings, Loader, decoding, load_dataset
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.data.pictures import number


def spoil(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 4 // 5])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "pets", {"a": 20, "b": 20}, "jpg", (64, 64))
    return tmp_path / "pets"


def load(folder: Path, max_damaged: float = 0.2) -> Dataset:
    statistics = {"mean": (0.5,) * 3, "std": (0.2,) * 3}
    return load_dataset(DataSettings(str(folder), max_damaged=max_damaged, **statistics))


def test_a_damaged_picture_is_replaced_by_the_next_good_one_of_its_split(folder: Path) -> None:
    good = load(folder)
    rows = good.train.rows
    before, labels = good.train.pixels(np.arange(len(rows)))
    assert good.damaged == ()
    assert good.damage() is None
    for position in (4, 5, len(rows) - 1):
        spoil(folder / good.train.files.name(int(rows[position])))
    dataset = load(folder)
    after, seen = dataset.train.pixels(np.arange(len(rows)))
    stand_ins = [*range(4), 6, 6, *range(6, len(rows) - 1), 0]
    assert torch.equal(after, before[stand_ins])
    assert torch.equal(seen, labels[stand_ins])
    assert dataset.train.damaged == tuple(good.train.files.name(int(rows[p])) for p in (4, 5, len(rows) - 1))
    assert dataset.val.damaged == ()
    assert "3 of 40 images could not be read and were replaced by the next: a/" in (dataset.damage() or "")


def test_threads_do_not_matter_for_what_replaces_what(folder: Path) -> None:
    names = sorted(folder.rglob("*.jpg"))
    for file in names[3:30:9]:
        spoil(file)
    expected = None
    for threads in (1, 4):
        train = load(folder).train
        seen = list(Loader(train, Batches(len(train), 8, 0), 0, 9, threads=threads))
        expected = expected or seen
        for one, other in zip(seen, expected, strict=True):
            assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(one, other, strict=True))
        assert len(train.damaged) >= 1


def test_a_picture_that_is_too_large_is_damage_that_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST_PIXELS", 80 * 80)
    (folder / "a" / "100.png").write_bytes(encoded(picture(1, (90, 90))))
    dataset = load(folder)
    for images in (dataset.train, dataset.val):
        images.all()
    assert dataset.damaged == ("a/100.png (8,100 pixels, more than the 6,400 that are decoded; make it smaller)",)
    assert "1 of 41 images could not be read and were replaced by the next: a/100.png (8,100 pixels" in (
        dataset.damage() or ""
    )


def test_a_file_that_vanishes_is_damage(folder: Path) -> None:
    dataset = load(folder)
    name = dataset.val.files.name(int(dataset.val.rows[0]))
    (folder / name).unlink()
    dataset.val.pixels(np.array([0]))
    assert dataset.damaged == (name,)


def test_too_much_damage_is_an_error_that_names_some(folder: Path) -> None:
    for file in sorted(folder.rglob("*.jpg"))[:6]:
        spoil(file)
    dataset = load(folder, max_damaged=0.1)
    with pytest.raises(
        DataError, match=r"5 images cannot be read, more than the limit of 4; among them a/0.*max_damaged"
    ):
        [images.sample(40).all() for images in (dataset.train, dataset.val)]


def test_it_is_noticed_before_training_where_normalisation_is_measured(folder: Path) -> None:
    for file in folder.rglob("*.jpg"):
        spoil(file)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(str(folder))


def test_nothing_but_noise_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the images looked at can be read"):
        load_dataset(str(tmp_path))


def test_a_picture_of_another_size_fits_in(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "wide.png").write_bytes(encoded(picture(9, (48, 16))))
    dataset = load_dataset(DataSettings(str(tmp_path), image_size=16))
    pixels = torch.cat([images.pixels(np.arange(len(images)))[0] for images in (dataset.train, dataset.val)]).numpy()
    middle = chw(picture(9, (48, 16)))[:, :, 16:32]
    assert any(np.array_equal(x, middle) for x in pixels)


def test_classes_by_name_are_in_order() -> None:
    assert number(["b", "a", "b"])[1] == ("a", "b")
    labels, classes = number(["10", "9", "10"])
    assert (labels.tolist(), classes) == ([1, 0, 1], ("9", "10"))
