from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.supernets.data.pictures import chw, encoded, picture
from vitnas.errors import DataError
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.data.webdataset import expand


def write_shard(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def samples(numbers: range, folder: str = "", kind: str = "png") -> dict[str, bytes]:
    members = {}
    for i in numbers:
        members[f"{folder}{i:04}.{kind}"] = encoded(picture(i), "png" if kind.endswith("png") else kind, lossless=True)
        members[f"{folder}{i:04}.cls"] = str(i % 2).encode()
    return members


def check(dataset: Dataset, num_train: int, num_val: int) -> None:
    assert (dataset.classes, dataset.task.image_size) == (("0", "1"), 16)
    assert (len(dataset.train), len(dataset.val)) == (num_train, num_val)
    found = {}
    for images in (dataset.train, dataset.val):
        pixels, labels = images.pixels(np.arange(len(images)))
        found.update({x.numpy().tobytes(): y for x, y in zip(pixels, labels.tolist(), strict=True)})
    total = num_train + num_val
    assert found == {np.ascontiguousarray(chw(picture(i))).tobytes(): i % 2 for i in range(total)}


def test_shards_of_a_folder(tmp_path: Path) -> None:
    write_shard(tmp_path / "web" / "a-000.tar", samples(range(4)))
    write_shard(tmp_path / "web" / "a-001.tar", samples(range(4, 10), "deep/down/", "webp"))
    check(load_dataset(str(tmp_path / "web")), 8, 2)


def test_a_pattern_of_shards(tmp_path: Path) -> None:
    for i in range(3):
        write_shard(tmp_path / f"a-{i:02}.tar", samples(range(4 * i, 4 * i + 4)))
    dataset = load_dataset(str(tmp_path / "a-{00..01}.tar"))
    check(dataset, 6, 2)
    assert dataset.name == "a"
    check(load_dataset(str(tmp_path / "a-00.tar")), 2, 2)
    with pytest.raises(DataError, match="a-03.tar' does not exist; check the path or the numbers in braces"):
        load_dataset(str(tmp_path / "a-{00..03}.tar"))


def test_a_pattern_counts_with_zeros_and_lists() -> None:
    assert expand("a{08..10}.tar") == ["a08.tar", "a09.tar", "a10.tar"]
    assert expand("{x,y}-{0..1}") == ["x-0", "x-1", "y-0", "y-1"]
    assert expand("plain.tar") == ["plain.tar"]


@pytest.mark.parametrize(("train", "val"), [("train-0.tar", "val-0.tar"), ("train/0.tar", "valid/0.tar")])
def test_splits(tmp_path: Path, train: str, val: str) -> None:
    write_shard(tmp_path / train, samples(range(6)))
    write_shard(tmp_path / val, samples(range(6, 10)))
    check(load_dataset(str(tmp_path)), 6, 4)
    write_shard(tmp_path / train.replace("train", "test"), samples(range(10, 13)))
    assert len(load_dataset(str(tmp_path)).test) == 3


def test_labels_in_json_and_longer_endings(tmp_path: Path) -> None:
    members = {}
    for i in range(8):
        members[f"{i}.left.png"] = encoded(picture(i))
        members[f"{i}.json"] = json.dumps({"label": i % 2, "breed": ["pug", "lab", "pom", "cur"][i % 4]}).encode()
        members[f"{i}.pkl"] = b"never opened"
    write_shard(tmp_path / "a.tar", members)
    check(load_dataset(str(tmp_path / "a.tar")), 6, 2)
    breeds = load_dataset(DataSettings(str(tmp_path / "a.tar"), label_column="breed", val_share=0.5))
    assert breeds.classes == ("cur", "lab", "pom", "pug")


def test_samples_without_image_or_label_are_left_out(tmp_path: Path) -> None:
    lone = {"90.png": encoded(picture(90)), "91.cls": b"1", "92.png": encoded(picture(92)), "92.json": b"{broken"}
    write_shard(tmp_path / "a.tar", {**samples(range(10)), **lone})
    check(load_dataset(str(tmp_path / "a.tar")), 8, 2)
    write_shard(tmp_path / "b.tar", lone)
    with pytest.raises(DataError, match="no sample has both an image"):
        load_dataset(str(tmp_path / "b.tar"))


def test_shards_that_cannot_be_indexed_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", samples(range(4)), "w:gz")
    with pytest.raises(DataError, match="cannot be read.*shards must be plain tar"):
        load_dataset(str(tmp_path / "a.tar"))


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    members = samples(range(12))
    members["0003.png"] = members["0003.png"][:-30]
    write_shard(tmp_path / "a.tar", members)
    dataset = load_dataset(DataSettings(str(tmp_path / "a.tar"), max_damaged=0.2))
    dataset.train.sample(12).all(), dataset.val.sample(12).all()
    assert dataset.damaged == ("a.tar:0003",)
