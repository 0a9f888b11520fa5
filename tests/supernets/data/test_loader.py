from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.supernets.data.pictures import write_folder
from vitnas.supernets.data import DataSettings, Images, Loader, Pixels, load_dataset
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.data.loader import Batch

NUMBERED = Pixels.of(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.arange(50))


class Slow(Pixels):
    """Takes its time, a different one for each batch, so that threads overtake one another."""

    def pixels(self, indices):
        time.sleep(0.001 * (int(indices[0]) % 4))
        return super().pixels(indices)


class Failing(Pixels):
    """Cannot read image 7."""

    def pixels(self, indices):
        if 7 in indices:
            raise RuntimeError("image 7")
        return super().pixels(indices)


def like(kind: type[Pixels]) -> Pixels:
    return kind(**{name: getattr(NUMBERED, name) for name in NUMBERED.__dataclass_fields__})


def same(one: list[Batch], other: list[Batch]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) and (a[2] == b[2]).all() for a, b in pairs)


def idle() -> bool:
    return not [t for t in threading.enumerate() if t.name.startswith("vitnas-loader")]


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(1, 20), st.integers(0, 5), st.integers(0, 12))
def test_batches_come_in_their_order_from_any_number_of_threads(threads: int, size: int, start: int, n: int) -> None:
    batches = Batches(50, size, 3)
    seen = list(Loader(like(Slow), batches, start, start + n, threads=threads))
    assert len(seen) == n
    for step, (pixels, labels, indices) in enumerate(seen, start):
        assert (indices == batches[step]).all()
        assert labels.tolist() == indices.tolist() == pixels.flatten().tolist()
    assert idle()


def test_files_are_decoded_the_same_by_any_number_of_threads(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 20, "b": 20}, "jpg", (50, 40))
    train = load_dataset(DataSettings(str(tmp_path), image_size=24)).train
    runs = [list(Loader(train, Batches(len(train), 8, 0), 0, 8, threads=threads)) for threads in (1, 2, 5)]
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])


def test_going_on_at_a_step_gives_what_would_have_come() -> None:
    batches = Batches(50, 8, 1)
    assert same(list(Loader(NUMBERED, batches, 5, 20)), list(Loader(NUMBERED, batches, 0, 20))[5:])


def test_a_rank_reads_its_share_only() -> None:
    batches, asked = Batches(50, 8, 1), []

    class Watched(Pixels):
        def pixels(self, indices):
            asked.append(len(indices))
            return super().pixels(indices)

    parts = [
        list(Loader(like(Watched), batches, 0, 6, share=lambda rows, r=r: rows[4 * r : 4 * r + 4])) for r in (0, 1)
    ]
    assert asked == [4] * 12
    for (first, *_), (second, *_), (whole, *_) in zip(*parts, Loader(NUMBERED, batches, 0, 6), strict=True):
        assert torch.equal(torch.cat([first, second]), whole)


def test_what_goes_wrong_in_a_thread_is_raised_where_the_batch_would_have_come() -> None:
    batches = Batches(50, 5, 0)
    bad = next(step for step in range(10) if 7 in batches[step])
    seen = []
    with pytest.raises(RuntimeError, match="image 7"):
        seen.extend(Loader(like(Failing), batches, 0, 10, threads=3))
    assert len(seen) == bad
    assert idle()


def test_leaving_early_ends_the_threads() -> None:
    for _ in Loader(like(Slow), Batches(50, 5, 0), 0, 10_000_000, threads=3):
        break
    assert idle()


def test_no_more_is_read_ahead_than_fits() -> None:
    started: list[int] = []

    class Counted(Pixels):
        def pixels(self, indices):
            started.append(1)
            return super().pixels(indices)

    taken = iter(Loader(like(Counted), Batches(50, 5, 0), 0, 100, threads=2))
    for _ in range(3):
        next(taken)
    time.sleep(0.05)
    assert 3 <= len(started) <= 3 + 2 * 2
    taken.close()


def test_images_can_be_anything_that_gives_pixels() -> None:
    class Counting(Images):
        def pixels(self, indices):
            return torch.from_numpy(indices.astype(np.uint8)).reshape(-1, 1, 1, 1), torch.from_numpy(indices)

    images = Counting(labels=np.arange(9), rows=np.arange(9), image_size=1, channels=1, mean=(0.0,), std=(1.0,))
    assert torch.equal(images.take(np.array([5]))[0], torch.tensor([[[[5 / 255]]]]))
    assert len(list(Loader(images, Batches(9, 3, 0), 0, 3))) == 3


def test_for_a_gpu_batches_wait_where_it_can_copy_from(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[tuple[int, ...]] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tuple(tensor.shape))
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    batches = Batches(50, 10, 0)
    plain = list(Loader(NUMBERED, batches, 0, 3))
    assert not pinned
    found = list(Loader(NUMBERED, batches, 0, 3, pinned=True))
    assert sorted(pinned) == [(10,)] * 3 + [(10, 1, 1, 1)] * 3
    for one, other in zip(plain, found, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
