"""What the settings of training do to a real run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vitnas.errors import SettingsError
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, Task, load_space
from vitnas.settings import make_settings
from vitnas.supernets.data import DataSettings
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import checkpoint_folders, load_supernet

MakeRun = Callable[..., RunFolder]


def weights(run: RunFolder, file: str = "supernet.safetensors") -> dict[str, torch.Tensor]:
    return load_file(checkpoint_folders(run)[-1] / file)


def trained(make: MakeRun, path: Path, **options: Any) -> RunFolder:
    settings = make_settings(TrainSettings, {"sampler": "uniform", "steps": 3, **options}, "[train]")
    run = make(path, **{name: getattr(settings, name) for name in {"sampler", "steps", *options}})
    train(run, progress=False)
    return run


@pytest.mark.parametrize("sampler", ["uniform", "multi"])
def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path, small_run: MakeRun, sampler: str) -> None:
    options = {"optimizer": "sgd", "sampler": sampler, "sampler_options": {"warmup": 0.0} if sampler == "multi" else {}}
    whole, shared = (weights(trained(small_run, tmp_path / str(n), accumulate=n, **options)) for n in (1, 4))
    for name, weight in whole.items():
        torch.testing.assert_close(shared[name], weight, rtol=0, atol=1e-6)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "options",
    [
        {"average": 0.9},
        {"experts": {"num": 2}, "average": 0.9},
        {"sharpness": 0.05, "drop_path": 0.2},
        {"conflict": "project", "sampler": "sandwich", "sampler_options": {"label_share": 0, "num_random": 1}},
        {"precision": "bf16", "optimizer": "nadam", "channels_last": True},
        {"augment": {"mixup": 0.4, "rand_augment": 1, "erase": 0.5}, "sampler": "performance"},
        {"resolution": {"progressive": [[0.5, 4.0]]}, "sampler": "multi", "optimizer": "sgd"},
    ],
    ids=lambda options: "-".join(options),
)
def test_interrupted_it_ends_with_the_same_bits(tmp_path: Path, small_run: MakeRun, options: dict[str, Any]) -> None:
    undisturbed = trained(small_run, tmp_path / "undisturbed", steps=4, checkpoint_every=1, **options)
    run = trained(small_run, tmp_path / "run", steps=4, checkpoint_every=1, **options)
    newest = checkpoint_folders(run)[-1]
    expected = {f.name: f.read_bytes() for f in newest.iterdir()}
    for folder in checkpoint_folders(run)[-2:]:
        (folder / "state.json").write_text("{}")  # as if they had never been whole
    with pytest.warns(UserWarning, match="skipped damaged checkpoint"):
        train(run, progress=False)
    assert {f.name: f.read_bytes() for f in checkpoint_folders(run)[-1].iterdir()} == expected
    assert weights(run).keys() == weights(undisturbed).keys()
    for name, weight in weights(undisturbed).items():
        assert torch.equal(weight, weights(run)[name]), name
    load_supernet(run)


def test_a_run_is_judged_by_the_average_of_its_weights(tmp_path: Path, small_run: MakeRun) -> None:
    run = trained(small_run, tmp_path / "run", average=0.9)
    average, last = weights(run, "average.safetensors"), weights(run)
    assert any(not torch.equal(average[name], last[name]) for name in average)
    for name, weight in load_supernet(run).named_parameters():
        assert torch.equal(weight, average[name])


@pytest.mark.heavy
def test_an_outside_teacher_takes_the_place_of_the_labels(tmp_path: Path, small_run: MakeRun) -> None:
    teacher = trained(small_run, tmp_path / "teacher")
    taught, untaught, half = (
        weights(trained(small_run, tmp_path / name, **options))
        for name, options in {
            "taught": {"distil": {"teacher": f"run:{teacher.path}"}},
            "untaught": {},
            "half": {"distil": {"teacher": f"run:{teacher.path}", "weight": 0.5}},
        }.items()
    )
    assert any(not torch.equal(taught[name], untaught[name]) for name in taught)
    assert any(not torch.equal(taught[name], half[name]) for name in taught)


def test_first_weights_come_from_another_run(tmp_path: Path, small_run: MakeRun) -> None:
    source = trained(small_run, tmp_path / "source")
    run = trained(small_run, tmp_path / "run", init=str(source.path), steps=1, learning_rate=1e-12)
    for name, weight in weights(source).items():
        torch.testing.assert_close(weights(run)[name], weight, rtol=0, atol=1e-9)


def test_smallest_middle_and_largest_are_shown(tmp_path: Path, small_run: MakeRun) -> None:
    run = trained(small_run, tmp_path / "run", steps=1)
    lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert {"smallest", "middle", "largest"} <= set(lines[-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 10, "accumulate": 3}, "10, which does not divide into 3 equal shares"),
        ({"resolution": {"sizes": [5]}}, "cannot look at images of 5"),
        ({"sampler_options": {"num_arch": 1}}, "no option 'num_arch'"),
        ({"precision": "fp16", "torch_device": "cpu"}, "fp16 is for torch_device"),
        ({"optimizer": "adam"}, "optimizer cannot be .adam.; have .*adamw"),
        ({"compile": True, "drop_path": 0.1}, "compile must be false with drop_path"),
        ({"augment": {"flipp": 0.5}}, "unknown key 'flipp'"),
        ({"distil": {"teacher": "run:nowhere"}}, "nowhere"),
        ({"init": "nowhere.safetensors"}, "nowhere"),
        (
            {"sampler": "multi", "sampler_options": {"num_archs": 4}, "batch_size": 3},
            "among 4 archs.*choose at least 4",
        ),
        ({"batch_size": 1}, "'multi' divides a batch among 2 archs, .*is 1 images .*; choose at least 2$"),
        ({"batch_size": 4, "accumulate": 4}, r"is 1 images \(1 processes, accumulate 4\); choose at least 8$"),
        (
            {"conflict": "project"},
            r"conflict is 'project', but in \d+ steps sampler 'multi' has no lesson that another one teaches; choose",
        ),
        ({"conflict": "project", "sampler": "sandwich"}, "sampler 'sandwich' has no lesson.*label_share below 1"),
        (
            {"conflict": "project", "sampler": "pareto", "steps": 5, "sampler_options": {"label_steps": 5}},
            "in 5 steps sampler 'pareto' has no lesson.*label_steps below 5",
        ),
        ({"sampler": "multi", "sampler_options": {"warmup": 2.0}}, "warmup must be from 0 to 1"),
        ({"sampler": "sandwich", "sampler_options": {"num_random": -1}}, "num_random must be at least 0"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_work_is_refused_before_a_folder_is_made(
    tmp_path: Path, small_space: SearchSpace, options: dict[str, Any], message: str
) -> None:
    path = tmp_path / "run"
    with pytest.raises(Exception, match=message) as caught:
        start_run(path, small_space, "digits", make_settings(TrainSettings, options, "[train]"))
    assert isinstance(caught.value, SettingsError) or "nowhere" in message
    assert not path.exists()


def test_the_default_learns_from_as_few_images_as_there_are_archs(tmp_path: Path) -> None:
    """Four images make a batch for two shares of two archs; three do not, and what does is told."""
    space = load_space("autoformer-mini", Task(image_size=8, num_classes=2, in_channels=1))
    settings = TrainSettings(steps=2, accumulate=2, threads=1, loggers=())
    with pytest.warns(UserWarning, match="there are 4 training images; a step takes 4"):
        run = start_run(tmp_path / "run", space, few_images(tmp_path, 4), settings)
    train(run, progress=False)
    load_supernet(run)
    three = few_images(tmp_path, 3)
    with (
        pytest.warns(UserWarning, match="a step takes 2"),
        pytest.raises(SettingsError, match="; the 3 training images allow sampler 'uniform', or fewer processes and"),
    ):
        start_run(tmp_path / "other", space, three, settings)
    with (
        pytest.warns(UserWarning, match="a step takes 2"),
        pytest.raises(SettingsError, match=r"is 1 images \(2 processes, accumulate 1\)"),
    ):
        start_run(tmp_path / "other", space, three, TrainSettings(steps=2), workers=2)
    assert not (tmp_path / "other").exists()


def few_images(folder: Path, num_images: int) -> DataSettings:
    """Noise to train on, and twenty other images to judge by."""
    x = np.random.default_rng(0).integers(0, 256, (num_images + 20, 8, 8, 1), dtype=np.uint8)
    y = np.arange(len(x)) % 2
    file = folder / f"{num_images}.npz"
    np.savez(file, x_train=x[20:], y_train=y[20:], x_val=x[:20], y_val=y[:20])
    return DataSettings(str(file), test_share=0.0)
