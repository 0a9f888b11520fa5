"""Test images: kept by a clear rule, seen by nothing that chooses, and none in runs of old."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.supernets.data.pictures import picture, write_folder
from vitnas.deployment.calibration import calibration_images
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import DataError, SettingsError
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.data import Dataset, DataSettings, Pixels, dataset_of, load_dataset, resolved
from vitnas.supernets.data.splits import kept_for_test, usual_test_share
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.settings.distil import Distil
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.loop import TrainingLoop
from vitnas.supernets.training.processes.distributed import World
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.floats(0.01, 0.9), st.integers(0, 99))
def test_a_share_is_kept_and_every_class_can_still_train_and_validate(
    counts: list[int], share: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    back = kept_for_test(labels, share, seed)
    assert np.array_equal(back, kept_for_test(labels, share, seed))
    for label, count in enumerate(counts):
        kept = int(back[labels == label].sum())
        assert kept < share * count + 1
        assert count - kept >= min(count, 2)
    if min(counts) * (1 - share) > 3:
        assert abs(back.sum() - share * len(labels)) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("images", "kept"),
    [(20, 0), (994, 0), (1000, 100), (1797, 180), (50_000, 5000), (100_000, 10_000), (1_281_167, 10_000)],
)
def test_the_usual_share_is_a_tenth_where_that_says_something(images: int, kept: int) -> None:
    assert round(usual_test_share(images) * images) == kept


def test_splits_of_a_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"a": 10, "b": 10})
    write_folder(tmp_path / "test", {"a": 2, "b": 3})
    dataset = load_dataset(str(tmp_path))
    assert [len(each) for each in (dataset.train, dataset.val, dataset.test)] == [16, 4, 5]
    assert (dataset.test.mean, dataset.test.image_size) == (dataset.mean, dataset.task.image_size)
    write_folder(tmp_path / "val", {"a": 1, "b": 1})
    dataset = load_dataset(str(tmp_path))
    assert [len(each) for each in (dataset.train, dataset.val, dataset.test)] == [20, 2, 5]
    # Without a test, what is called so validates where nothing else does, as it did before there were tests.
    none = load_dataset(DataSettings(str(tmp_path), test_share=0.0))
    assert (len(none.train), len(none.val), none.test) == (20, 2, None)


def test_a_folder_of_tests_without_classes_is_none(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"a": 10, "b": 10})
    write_folder(tmp_path, {"test": 3})  # as a competition gives them away
    dataset = load_dataset(str(tmp_path))
    assert (len(dataset.train), len(dataset.val), dataset.test) == (16, 4, None)


def test_test_images_elsewhere(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", {"a": 10, "b": 10})
    write_folder(tmp_path / "yours", {"a": 2, "b": 1})
    where = DataSettings(str(tmp_path / "mine"), test=str(tmp_path / "yours"))
    dataset = load_dataset(where)
    assert [len(each) for each in (dataset.train, dataset.val, dataset.test)] == [16, 4, 3]
    again = load_dataset(resolved(where, dataset))
    assert np.array_equal(again.val.rows, dataset.val.rows)
    for same in ({"test": str(tmp_path / "mine")}, {"val": str(tmp_path / "yours")}):
        with pytest.raises(DataError, match="are those of .*, which are learnt from or choose"):
            load_dataset(replace(where, **same))
    write_folder(tmp_path / "odd", {"a": 2, "c": 1})
    with pytest.raises(DataError, match=r"and test images 2, with classes \['c'\]"):
        load_dataset(replace(where, test=str(tmp_path / "odd")))
    with pytest.raises(SettingsError, match="test_share = 0 keeps no test, but test names"):
        replace(where, test_share=0.0)
    with pytest.raises(SettingsError, match="test_share must be at least 0"):
        DataSettings(test_share=1.0)


def test_a_share_that_leaves_none_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 2})
    with pytest.raises(DataError, match=r"test_share = 0\.3 of 4 images leaves none for the test"):
        load_dataset(DataSettings(str(tmp_path), test_share=0.3))


@pytest.mark.parametrize("share", [None, 0.0, 0.25])
def test_what_a_run_records_divides_the_images_so_again(share: float | None) -> None:
    settings = DataSettings(test_share=share)
    dataset = load_dataset(settings)
    told = resolved(settings, dataset)
    assert told.test_share == {None: 0.1}.get(share, share)
    again = load_dataset(told)
    parts = [
        np.concatenate([each.rows for each in (data.train, data.val, data.test) if each is not None])
        for data in (dataset, again)
    ]
    assert np.array_equal(*parts)
    assert sorted(parts[0].tolist()) == list(range(1797))  # each image in one part
    if share != 0.0:
        labels = dataset.test.labels[dataset.test.rows]
        assert np.ptp(np.bincount(labels)) <= 2  # 174 to 183 of each digit


def test_runs_of_old_keep_their_images(tmp_path: Path) -> None:
    """The split of digits as it was before there were tests, and a test folder that validated."""
    run = RunFolder.create(
        tmp_path / "run", load_space("autoformer-mini"), {"data": {"name": "digits", "val_share": 0.2}}
    )
    old = dataset_of(run)
    assert (len(old.train), len(old.val), old.test) == (1438, 359, None)
    assert old.val.rows[:8].tolist() == OLD_VAL
    write_folder(tmp_path / "pets" / "train", {"a": 10, "b": 10})
    write_folder(tmp_path / "pets" / "test", {"a": 2, "b": 3})
    run.save_config({"data": {"name": str(tmp_path / "pets")}})
    old = dataset_of(run)
    assert (len(old.train), len(old.val), old.test) == (20, 5, None)


OLD_VAL = [5, 9, 12, 14, 16, 17, 19, 23]


def test_a_new_run_says_its_share_and_finds_its_test_again(tmp_path: Path) -> None:
    space = load_space("autoformer-mini")
    run = start_run(tmp_path / "run", space, "digits", TrainSettings(steps=1))
    assert run.config["data"]["test_share"] == 0.1
    assert np.array_equal(dataset_of(run).test.rows, load_dataset("digits").test.rows)


@pytest.mark.heavy
def test_first_weights_that_saw_the_test_are_warned_of(tmp_path: Path) -> None:
    space = load_space("autoformer-mini").restrict(width=(48,), depth=(3,), mlp_ratio=(2.0,), heads=(3, 4))
    settings = TrainSettings(steps=1, threads=1, loggers=())
    for name, share in (("old", 0.0), ("new", 0.1)):
        train(start_run(tmp_path / name, space, DataSettings(test_share=share), settings), progress=False)
    with pytest.warns(
        UserWarning, match=r"of 180 test images of 'digits' were learnt from by run .*test_share = 0 and"
    ):
        start_run(tmp_path / "a", space, "digits", replace(settings, init=str(tmp_path / "old")))
    taught = replace(settings, distil=Distil(teacher=f"run:{tmp_path / 'old'}"))
    with pytest.warns(UserWarning, match="were learnt from"):
        start_run(tmp_path / "b", space, "digits", taught)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start_run(tmp_path / "c", space, "digits", replace(settings, init=str(tmp_path / "new")))
        start_run(tmp_path / "d", space, DataSettings(test_share=0.0), replace(settings, init=str(tmp_path / "old")))


@dataclass(frozen=True, eq=False, kw_only=True)
class Sealed(Pixels):
    """Images that nobody may look at."""

    def pixels(self, indices: np.ndarray) -> Any:
        raise AssertionError("the test was looked at")


def sealed(dataset: Dataset) -> Dataset:
    values = {name: getattr(dataset.test, name) for name in dataset.test.__dataclass_fields__}
    return replace(dataset, test=Sealed(**values))


@pytest.mark.heavy
def test_nothing_that_chooses_looks_at_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = load_space("autoformer-mini").restrict(width=(48,), depth=(3,), mlp_ratio=(2.0,), heads=(3, 4))
    dataset = sealed(load_dataset("digits"))
    settings = TrainSettings(steps=2, batch_size=32, threads=1, loggers=(), evaluate_every=1)
    run = start_run(tmp_path / "run", space, "digits", settings)
    TrainingLoop(run, settings, dataset, World()).finish(show=False)
    monkeypatch.setattr("vitnas.nas.scores.supernet.dataset_of", lambda run: dataset)
    score = SupernetScore.of(run)
    assert 0 <= score(space.smallest())["accuracy"] <= 1
    IMPORTANCES.load("weight_gradient")(num_images=32).table(load_supernet(run), dataset.train)
    calibration_images(ExportSettings(), dataset)
    with pytest.raises(AssertionError, match="looked at"):
        dataset.test.take(np.arange(1))


def test_normalisation_is_not_measured_on_it(tmp_path: Path) -> None:
    x = np.stack([picture(i) for i in range(200)])
    bright = np.full_like(x[:20], 255)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(200) % 2, x_test=bright, y_test=np.arange(20) % 2)
    np.savez(tmp_path / "b.npz", x_train=x, y_train=np.arange(200) % 2)
    a, b = (load_dataset(str(tmp_path / f"{name}.npz")) for name in "ab")
    assert (a.mean, a.std) == (b.mean, b.std)


def test_damage_of_the_test_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", {"a": 10, "b": 10})
    write_folder(tmp_path / "test", {"a": 8, "b": 8})
    file = sorted((tmp_path / "test" / "b").iterdir())[3]
    file.write_bytes(file.read_bytes()[:60])
    dataset = load_dataset(DataSettings(str(tmp_path), max_damaged=0.3))
    dataset.test.all()
    assert dataset.damaged == (f"b/{file.name}",)
    assert "1 of 36 images could not be read" in dataset.damage()
