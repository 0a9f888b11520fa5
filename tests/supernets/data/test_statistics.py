from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.supernets.data.pictures import encoded, picture, write_folder
from vitnas.supernets.data import DataSettings, load_dataset, statistics


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path / "cache"))
    write_folder(tmp_path / "pets", {"a": 20, "b": 20}, "bmp", size=(24, 24))
    return tmp_path / "pets"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were measured, each time that some were."""
    found: list[int] = []
    measure = statistics._measure
    monkeypatch.setattr(statistics, "_measure", lambda few: found.append(len(few)) or measure(few))
    return found


def kept(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache" / "statistics").glob("*"))


def measured(folder: Path, **settings: object) -> tuple[tuple[float, ...], tuple[float, ...]]:
    dataset = load_dataset(DataSettings(str(folder), **settings))
    return dataset.mean, dataset.std


def test_they_are_those_of_the_pixels(folder: Path) -> None:
    train = load_dataset(str(folder)).train
    x = train.pixels(np.arange(len(train)))[0].double().numpy() / 255
    assert measured(folder) == (pytest.approx(x.mean((0, 2, 3))), pytest.approx(x.std((0, 2, 3))))


def test_the_second_time_nothing_is_measured(folder: Path, looks: list[int]) -> None:
    first = measured(folder)
    assert measured(folder) == first
    assert (looks, len(kept(folder))) == ([32], 1)


@pytest.mark.parametrize("change", ["content", "file", "size", "channels", "seed", "decoder"])
def test_other_pixels_are_measured_anew(
    folder: Path, looks: list[int], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measured(folder)
    settings: dict[str, object] = {}
    if change == "content":  # of as many bytes and as old as the one before
        for file in folder.rglob("*.bmp"):
            before = file.stat()
            file.write_bytes(encoded(picture(int(file.stem) + 60, (24, 24)), "bmp"))
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert file.stat().st_size == before.st_size
    elif change == "file":
        for file in folder.rglob("*.bmp"):
            other = file.with_suffix(".tmp")
            other.write_bytes(encoded(picture(int(file.stem) + 50, (24, 24)), "bmp"))
            other.replace(file)
    elif change == "decoder":
        monkeypatch.setattr("vitnas.supernets.data.decoding.VERSION", 0)
    else:
        settings = {"size": {"image_size": 16}, "channels": {"in_channels": 1}, "seed": {"seed": 5}}[change]
    second = measured(folder, **settings)
    assert len(looks) == 2
    assert (second == first) == (change == "decoder")


def test_damage_is_met_every_time(folder: Path, looks: list[int]) -> None:
    train = load_dataset(str(folder)).train
    name = train.files.name(int(train.rows[0]))
    (folder / name).write_bytes(b"no image")
    for _ in range(2):
        assert load_dataset(str(folder)).damaged == (name,)
    assert (looks, len(kept(folder))) == ([32, 32, 32], 1)


@pytest.mark.parametrize("spoilt", [b"", b"{}", b'{"mean": [1.0], "std": [1.0]}', b'{"mean": 1, "std": 2}', b"\xff"])
def test_a_file_that_says_nothing_is_written_anew(folder: Path, looks: list[int], spoilt: bytes) -> None:
    first = measured(folder)
    (file,) = kept(folder)
    good = file.read_bytes()
    for content in (spoilt, good.replace(b"0.", b"1.", 1)):
        file.write_bytes(content)
        assert measured(folder) == first
        assert file.read_bytes() == good
    assert len(looks) == 3


def test_where_nothing_can_be_kept_it_is_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measured(folder)
    monkeypatch.setenv("VITNAS_CACHE", str(next(folder.rglob("*.bmp"))))
    assert measured(folder) == first
