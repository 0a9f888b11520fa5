from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.supernets.data.pictures import picture, write_folder
from vitnas.errors import DataError, SettingsError, UnknownNameError
from vitnas.run import RunFolder
from vitnas.search_spaces import LayerSpec, Task, load_space
from vitnas.settings import make_settings
from vitnas.supernets.data import FORMATS, DataSettings, Format, dataset_of, load_dataset, resolved
from vitnas.supernets.data.splits import held_back


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=6),
    st.floats(0.05, 0.95),
    st.integers(0, 99),
    st.randoms(use_true_random=False),
)
def test_a_share_of_every_class_is_held_back(counts: list[int], share: float, seed: int, order) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    order.shuffle(labels)
    y = np.array(labels)
    back = held_back(y, share, seed)
    assert np.array_equal(back, held_back(y, share, seed))
    for label, count in enumerate(counts):
        kept = int(back[y == label].sum())
        assert abs(kept - share * count) <= 1
        assert 0 < kept < count or count == 1
    # A class is divided alike whatever the others are.
    assume(counts[0] > 1)
    assert np.array_equal(back[y == 0], held_back(y[y == 0], share, seed))


def test_another_seed_is_another_split() -> None:
    y = np.repeat(np.arange(3), 50)
    assert not np.array_equal(held_back(y, 0.2, 0), held_back(y, 0.2, 1))


def test_normalisation_is_measured_on_training_images_only(tmp_path: Path) -> None:
    x = np.stack([picture(i) for i in range(200)])
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(200) % 2)
    dataset = load_dataset(str(tmp_path / "a.npz"))
    pixels = dataset.train.pixels(np.arange(len(dataset.train)))[0].double() / 255
    assert dataset.mean == pytest.approx(pixels.mean(dim=(0, 2, 3)).tolist(), rel=1e-9)
    assert dataset.std == pytest.approx(pixels.std(dim=(0, 2, 3), correction=0).tolist(), rel=1e-9)
    assert dataset.val.mean == dataset.mean
    given_statistics = load_dataset(DataSettings(str(tmp_path / "a.npz"), mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0)))
    assert given_statistics.val.std == (1.0, 2.0, 3.0)
    with pytest.raises(DataError, match="mean and std have 1 numbers, but images have 3 channels"):
        load_dataset(DataSettings(str(tmp_path / "a.npz"), mean=(0.1,), std=(1.0,)))


def test_digits_can_be_larger() -> None:
    dataset = load_dataset(DataSettings(image_size=32, in_channels=3))
    assert dataset.task == Task(32, 10, 3)
    assert dataset.train.sample(5).all()[0].shape == (5, 3, 32, 32)


def test_a_run_finds_its_images_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "here" / "pets", {"a": 8, "b": 8})
    monkeypatch.chdir(tmp_path / "here")
    settings = DataSettings("pets", image_size=8, in_channels=1)
    dataset = load_dataset(settings)
    run = RunFolder.create(
        tmp_path / "run",
        load_space("autoformer-mini", dataset.task),
        {"data": asdict(resolved(settings, dataset)), "train": {}},
    )
    monkeypatch.chdir(tmp_path)
    again = dataset_of(run)
    assert (again.task, again.classes, again.mean, again.std) == (dataset.task, ("a", "b"), dataset.mean, dataset.std)
    assert (again.val.sample(4).all()[0] == dataset.val.sample(4).all()[0]).all()
    assert again.name == "pets"


def test_runs_of_old_have_a_name_only(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", load_space("autoformer-mini"), {"data": {"name": "digits"}})
    assert dataset_of(run).name == "digits"


@pytest.mark.parametrize("name", FORMATS.names())
def test_formats_know_what_is_not_theirs(name: str, tmp_path: Path) -> None:
    form = FORMATS.load(name)()
    assert isinstance(form, Format)
    (tmp_path / "readme.txt").write_text("nothing")
    assert not form.recognises(str(tmp_path))
    assert not form.recognises(str(tmp_path / "readme.txt"))
    assert not form.recognises(str(tmp_path / "absent"))


def test_places_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere' does not exist; check the path, or name a data set: digits"):
        load_dataset(str(tmp_path / "nowhere"))
    with pytest.raises(UnknownNameError, match="no such path.*Did you mean 'digits'"):
        load_dataset("digit")
    with pytest.raises(DataError, match="never opens"):
        load_dataset(str(tmp_path / "a.pkl"))
    with pytest.raises(UnknownNameError, match="no data format named 'array'.*Did you mean 'arrays'"):
        load_dataset(DataSettings(str(tmp_path), format="array"))
    with pytest.raises(DataError, match="looks like none of"):
        load_dataset(DataSettings(val=str(tmp_path)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": ""}, "name must be a name or a path"),
        ({"val_share": 0.0}, "val_share must be more than 0 and less than 1"),
        ({"image_size": 0}, "image_size must be one whole number of at least 1"),
        ({"in_channels": 2}, "in_channels must be 1 or 3"),
        ({"mean": [0.5]}, "give mean and std together"),
        ({"mean": [0.5], "std": [0.0]}, r"std\[0\] must be more than 0"),
        ({"mean": [0.5], "std": [0.1, 0.2]}, "one number a channel each"),
        ({"max_damaged": 1.0}, "max_damaged must be at least 0 and less than 1"),
        ({"image_sise": 3}, "unknown key 'image_sise'.*Did you mean 'image_size'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_settings(DataSettings, values, "[data]")


def test_images_smaller_than_the_patch_are_refused() -> None:
    dataset = load_dataset("digits")
    space = load_space("autoformer-mini")
    stem = LayerSpec.of("patch_embedding", (1, 8, 8), (1, 48), patch=16)

    class Coarse(type(space)):
        def lower(self, arch):
            return (stem,)

    coarse = Coarse(**{name: getattr(space, name) for name in space.__dataclass_fields__})
    with pytest.raises(DataError, match=r"8x8 are too small for space .*patch=16.*larger image_size"):
        dataset.check(coarse)
    dataset.check(space)
    with pytest.raises(DataError, match="built for"):
        replace(dataset, task=Task(16, 10, 1)).check(space)
