from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.files.test_full_disk import no_file_beyond
from tests.supernets.data.formats.test_webdataset import samples, write_shard
from tests.supernets.data.pictures import encoded, picture, write_folder
from vitnas.errors import SettingsError
from vitnas.supernets.data import Dataset, DataSettings, load_dataset, pictures

STATISTICS = {"mean": (0.5,) * 3, "std": (0.2,) * 3}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path / "cache"))
    write_folder(tmp_path / "pets", {"a": 10, "b": 10}, "jpg", (48, 40))
    return tmp_path / "pets"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files that were decoded rather than known."""
    found: list[bytes] = []
    decode = pictures.decode
    monkeypatch.setattr(pictures, "decode", lambda data, *how: found.append(data) or decode(data, *how))
    return found


def load(place: Path, cache: str | None = "resized", **settings: object) -> Dataset:
    return load_dataset(DataSettings(str(place), cache=cache, **{"image_size": 32, **STATISTICS, **settings}))


def pixels(dataset: Dataset) -> list[torch.Tensor]:
    return [part.pixels(np.arange(len(part)))[0] for part in (dataset.train, dataset.val)]


def same(one: Dataset, other: Dataset) -> bool:
    return all(torch.equal(a, b) for a, b in zip(pixels(one), pixels(other), strict=True))


def files(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache").rglob("*.pixels"))


def test_an_image_is_decoded_once_and_its_pixels_are_those_without_a_cache(folder: Path, decoded: list[bytes]) -> None:
    for _ in range(3):
        assert same(load(folder), load(folder, cache=None))
    assert len(decoded) == 20 + 3 * 20
    assert len(files(folder)) == 1
    assert same(load(folder, seed=3), load(folder, cache=None, seed=3)), "in other splits the images are the same"
    assert len(decoded) == 20 + 4 * 20


@pytest.mark.parametrize("settings", [{"image_size": 24}, {"in_channels": 1, "mean": (0.5,), "std": (0.2,)}])
def test_other_sizes_and_channels_have_files_of_their_own(
    folder: Path, settings: dict[str, object], decoded: list[bytes]
) -> None:
    pixels(load(folder))
    assert same(load(folder, **settings), load(folder, cache=None, **settings))
    assert (len(decoded), len(files(folder))) == (60, 2)


def test_only_what_has_changed_is_decoded_anew(folder: Path, decoded: list[bytes]) -> None:
    dataset = load(folder)
    pixels(dataset)
    (folder / "a" / "004.jpg").write_bytes(encoded(picture(77, (48, 40)), "jpeg"))
    assert same(dataset, load(folder, cache=None)), "also while they are in use"
    assert len(decoded) == 20 + 1 + 20
    (folder / "a" / "0041.jpg").write_bytes(encoded(picture(78, (48, 40)), "jpeg"))
    assert same(load(folder), load(folder, cache=None)), "numbers of images have moved"


def test_other_decoders_have_files_of_their_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels(load(folder))
    monkeypatch.setattr("vitnas.supernets.data.decoding.VERSION", 0)
    pixels(load(folder))
    assert len(files(folder)) == 2


def test_damage_is_met_as_without_a_cache(folder: Path) -> None:
    bad = folder / "b" / "003.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    for _ in range(2):
        one, other = load(folder), load(folder, cache=None)
        assert same(one, other)
        assert one.damaged == other.damaged == ("b/003.jpg",)


def test_a_file_that_was_damaged_or_is_gone_is_made_again(folder: Path, decoded: list[bytes]) -> None:
    pixels(load(folder))
    (file,) = files(folder)
    whole = file.read_bytes()
    for content, anew in ((whole[: len(whole) // 2], 10), (b"", 20), (bytes(x ^ 1 for x in whole), 20)):
        file.write_bytes(content)
        decoded.clear()
        pixels(load(folder))
        assert len(decoded) in (anew, anew + 1)
        assert file.read_bytes() == whole
    file.unlink()
    assert same(load(folder), load(folder, cache=None))


def test_many_fill_it_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: pixels(load(folder)), range(4)))
    expected = pixels(load(folder, cache=None))
    assert all(torch.equal(a, b) for each in found for a, b in zip(each, expected, strict=True))


def write_shards(place: Path) -> None:
    place.mkdir()
    for part in ("train-0.tar", "val-0.tar"):
        write_shard(place / part, samples(range(6)))


def write_table(place: Path) -> None:
    from pyarrow import parquet

    place.mkdir()
    rows = [encoded(picture(i, (48, 40))) for i in range(6)]
    parquet.write_table(pa.table({"image": rows, "label": [i % 2 for i in range(6)]}), place / "train.parquet")


def write_packed(place: Path) -> None:
    rows = [np.frombuffer(encoded(picture(i, (48, 40))), np.uint8) for i in range(6)]
    offsets = np.cumsum([0, *map(len, rows)])
    place.mkdir()
    np.savez(place / "x.npz", jpeg_train=np.concatenate(rows), offset_train=offsets, y_train=np.arange(6) % 2)


@pytest.mark.parametrize("write", [write_shards, write_table, write_packed], ids=lambda write: write.__name__)
def test_images_in_other_files_are_kept_too(
    tmp_path: Path, folder: Path, write: Callable[[Path], None], decoded: list[bytes]
) -> None:
    write(tmp_path / "data")
    place = next((tmp_path / "data").glob("*.npz"), tmp_path / "data")
    assert same(load(place), load(place, cache=None))
    before = len(decoded)
    pixels(load(place))
    assert len(decoded) == before


def test_arrays_are_decoded_by_nobody_and_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"\[data\] cache = 'resized' keeps what is decoded.* dataset 'digits' has none"
    ):
        load_dataset(DataSettings("digits", cache="resized"))


def test_a_disk_with_too_little_room_is_refused_before_anything_is_decoded(folder: Path, decoded: list[bytes]) -> None:
    with pytest.raises(
        SettingsError, match=r"keeps [\d.]+ GB of dataset '.*pets' in '.*resized', where .*VITNAS_CACHE"
    ):
        load(folder, image_size=200_000)
    assert decoded == []


def test_a_disk_that_fills_up_costs_time_and_nothing_else(folder: Path) -> None:
    expected, dataset = pixels(load(folder, cache=None)), load(folder)
    with no_file_beyond(9000), pytest.warns(UserWarning, match="cache keeps no more images") as told:
        found = pixels(dataset)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(load(folder), load(folder, cache=None)), "and is filled later"
