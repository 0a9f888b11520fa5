"""Images that are decoded once in a training, because all of them fit in memory."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.supernets.data.kept.test_resized import decoded, load, pixels, same
from tests.supernets.data.pictures import write_folder
from vitnas.supernets.data.kept import remembered

__all__ = ["decoded"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "pets", {"a": 10, "b": 10}, "jpg", (48, 40))
    return tmp_path / "pets"


def test_an_image_is_decoded_once_and_its_pixels_are_those_without(folder: Path, decoded: list[bytes]) -> None:
    plain, kept = load(folder, "off"), load(folder, None)
    for _ in range(3):
        assert same(plain, kept)
    assert len(decoded) == 3 * 20 + 20


def test_many_threads_may_read(folder: Path) -> None:
    expected, kept = pixels(load(folder, "off"))[0], load(folder, None).train
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: kept.pixels(np.arange(len(kept)))[0], range(16)))
    assert all(torch.equal(one, expected) for one in found)


def test_a_damaged_image_is_replaced_by_the_same_one_each_time(folder: Path) -> None:
    (folder / "a" / "003.jpg").write_bytes(b"no image")
    plain, kept = load(folder, "off", max_damaged=0.1), load(folder, None, max_damaged=0.1)
    assert all(same(plain, kept) for _ in range(2))


def test_what_does_not_fit_is_decoded_each_time(
    folder: Path, decoded: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "MOST_BYTES", 20 * 3 * 32 * 32 - 1)
    dataset = load(folder, None)
    for _ in range(2):
        pixels(dataset)
    assert len(decoded) == 2 * 20


def test_a_copy_in_another_process_begins_with_nothing(folder: Path) -> None:
    kept = load(folder, None).train
    expected = kept.pixels(np.arange(len(kept)))[0]
    travelled = pickle.dumps(kept)
    assert len(travelled) < expected.numel() / 4
    assert torch.equal(pickle.loads(travelled).pixels(np.arange(len(kept)))[0], expected)
