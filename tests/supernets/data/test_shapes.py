from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from vitnas.run import RunFolder
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.data import DataSettings, dataset_of, load_dataset
from vitnas.supernets.data.shapes import drawings
from vitnas.supernets.data.shapes.drawings import Drawings, shapes
from vitnas.supernets.data.shapes.rendering import NOISE, covered, patterned, render
from vitnas.supernets.data.shapes.scenes import CLASSES, OUTLINES, PATTERNS, Scenes, draw
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet

SUMS = {
    "train": "a85b3a18bfd89579f1c6fea2fa27feca45c36a5b59e59533dd64cf5169f48190",
    "val": "50ba0eb81f955f6f329e801ecb3fa222e3f64fa7e26aed8777f1033949cde7d4",
    "test": "d4112f7f7185d98d090271cba93007a0e07ea66e11e15febc836903ce87c2140",
}


def digest(x: object) -> str:
    return sha256(np.ascontiguousarray(x).tobytes()).hexdigest()


def test_there_are_as_many_as_one_likes_and_every_class_has_its_share() -> None:
    dataset = load_dataset("shapes")
    assert dataset.task == Task(image_size=32, num_classes=10, in_channels=3)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (6000, 2000, 4000)
    assert dataset.classes == CLASSES
    for images in (dataset.train, dataset.val, dataset.test):
        assert np.bincount(images.labels[images.rows]).tolist() == [len(images) // 10] * 10
    few = shapes(train=25, val=10, test=11)
    assert [len(images) for images in (few.train, few.val, few.test)] == [25, 10, 11]
    assert np.bincount(few.train.labels).tolist() == [3] * 5 + [2] * 5


def test_they_are_the_same_on_every_machine() -> None:
    """A change of these sums is another data set: accuracies measured before it can no longer be compared."""
    sums = {name: digest(getattr(shapes(), name).sample(100).pixels(np.arange(100))[0]) for name in SUMS}
    assert sums == SUMS


def test_no_drawing_is_in_two_splits() -> None:
    found = shapes(300, 200, 200)
    sums = [
        digest(picture)
        for part in (found.train, found.val, found.test)
        for picture in part.pixels(np.arange(len(part)))[0]
    ]
    assert len(set(sums)) == 700


def test_more_begin_with_the_same() -> None:
    few, many = draw(30, seed=5), draw(70, seed=5)
    assert np.array_equal(render(few, 16), render(many, 16)[:30])
    assert not np.array_equal(render(few, 16), render(draw(30, seed=6), 16))


def test_a_picture_follows_from_its_scene_alone() -> None:
    """Neither who else is asked for, nor how often, nor in how many threads."""
    expected = torch.from_numpy(render(draw(200, seed=0), 32))
    images = Drawings.of(200, seed=0)
    asked = [np.random.default_rng(k).permutation(200)[:70] for k in range(8)]
    with ThreadPoolExecutor(4) as threads:
        for indices, (pixels, labels) in zip(asked, threads.map(images.pixels, asked), strict=True):
            assert torch.equal(pixels, expected[indices])
            assert labels.tolist() == (indices % 10).tolist()
    assert torch.equal(images.only(np.array([7, 3])).pixels(np.array([1, 1, 0]))[0], expected[[3, 3, 7]])


def test_what_would_fill_the_memory_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, fresh = Drawings.of(20, seed=0), Drawings.of(20, seed=0)
    expected = kept.pixels(np.arange(20))[0]
    monkeypatch.setattr(drawings, "MOST_KEPT", expected.numel() - 1)
    assert torch.equal(fresh.pixels(np.arange(20))[0], expected)
    assert (len(kept.painted), len(fresh.painted)) == (1, 0)


@pytest.mark.parametrize("size", [16, 48, 96])
def test_a_larger_picture_shows_the_same_scene_in_more_detail(size: int) -> None:
    dataset = load_dataset(DataSettings("shapes", image_size=size, in_channels=1))
    assert dataset.task == Task(size, 10, 1)
    assert dataset.train.sample(5).pixels(np.arange(5))[0].shape == (5, 1, size, size)
    scenes = draw(50, seed=0)
    fine = covered(scenes, 4 * size).reshape(50, size, 4, size, 4).mean(axis=(2, 4))
    assert np.abs(covered(scenes, size) - fine).mean() < 0.01


def test_figures_lie_within_the_picture_and_are_half_pattern() -> None:
    scenes = draw(500, seed=0)
    mask = covered(scenes, 64)
    assert mask.min(axis=(1, 2)).max() == 0
    edge = np.concatenate([mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]], axis=1)
    assert edge.mean() < 0.02
    share = (patterned(scenes, 64) * mask).sum(axis=(1, 2)) / mask.sum(axis=(1, 2))
    for pattern in range(len(PATTERNS)):
        assert share[scenes.pattern == pattern].mean() == pytest.approx(0.5, abs=0.03)


def test_a_mask_is_where_the_figure_is() -> None:
    """What is painted differs from the ground inside it alone, but for the noise."""
    scenes = draw(20, seed=0)
    mask = covered(scenes, 32)[:, None]
    more = render(scenes, 32) / 255 - np.clip(scenes.ground, 0, 1)[:, :, None, None]
    assert np.abs(more[np.broadcast_to(mask == 0, more.shape)]).max() <= NOISE + 1 / 255
    assert more.mean(axis=(1, 2, 3), where=mask == 1).min() > NOISE


def test_a_scene_is_one_entry_of_each_array() -> None:
    scenes = draw(40, seed=3)
    assert {len(getattr(scenes, f.name)) for f in fields(Scenes)} == {len(scenes)} == {40}
    assert scenes.only(np.array([12])).labels.tolist() == [2]
    assert CLASSES[scenes.labels[12]] == f"{PATTERNS[scenes.pattern[12]]} {OUTLINES[scenes.outline[12]]}"


@pytest.mark.heavy
def test_the_command_trains_on_them(tmp_path: Path) -> None:
    words = (
        "train-supernet --data shapes --space autoformer-mini --sampler uniform --steps 2 --image-size 8 --threads 1"
    )
    command = [sys.executable, "-m", "vitnas.cli", *words.split(), "--out", str(tmp_path / "run")]
    subprocess.run(command, check=True, timeout=250)
    dataset = dataset_of(RunFolder(tmp_path / "run"))
    assert (dataset.name, len(dataset.train), dataset.task.image_size) == ("shapes", 6000, 8)


@pytest.mark.heavy
def test_the_smallest_network_learns_at_once(tmp_path: Path) -> None:
    """Figures differ in area, which a network sees in its first steps; without such a cue it stays at chance for epochs."""
    space = load_space("autoformer-mini", Task(32, 10, 3))
    settings = TrainSettings(sampler="single", steps=60, threads=1, evaluate_every=1000, loggers=())
    run = start_run(tmp_path / "run", space.alone(space.smallest()), "shapes", settings)
    train(run)
    dataset = dataset_of(run)
    few = dataset.val.sample(500)
    result = evaluate(load_supernet(run).extract(space.smallest()), few)
    assert result.accuracy > 0.15
