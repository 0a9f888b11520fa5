"""Teachers that are networks: they answer as they would by themselves, or are refused before work starts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from tests.timm_import import import_timm
from vitnas.deployment.export import ExportSettings, export
from vitnas.errors import CheckpointError, DataError, SettingsError
from vitnas.files import read_json, write_json
from vitnas.run import RunFolder
from vitnas.supernets.augment import Augment
from vitnas.supernets.data import Dataset, Pixels, load_dataset
from vitnas.supernets.training.teachers import Distil, LiveTeacher, load_teacher, make_teacher
from vitnas.supernets.training.train import train
from vitnas.supernets.weights.checkpoints import load_supernet


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory, small_run) -> RunFolder:
    made: RunFolder = small_run(tmp_path_factory.mktemp("teacher") / "run", steps=2)
    train(made, progress=False)
    return made


def test_a_run_teaches_with_its_largest_arch_or_one_of_choice(run, digits, tmp_path):
    x, _ = digits.val.take(np.arange(20))
    pixels, _ = digits.val.pixels(np.arange(20))
    supernet = load_supernet(run)
    write_json(tmp_path / "small.json", run.space.smallest().to_json())
    for text, arch in (
        (f"run:{run.path}", run.space.largest()),
        (f"run:{run.path}@{tmp_path / 'small.json'}", run.space.smallest()),
    ):
        teacher = load_teacher(text, digits)
        assert not teacher.training
        assert not any(p.requires_grad for p in teacher.parameters())
        expected = supernet.extract(arch)(x)
        assert torch.allclose(teacher(pixels / 255), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_an_export_teaches(run, digits, tmp_path):
    arch = run.space.smallest()
    export(
        run.space, load_supernet(run), arch, digits, tmp_path / "export", ExportSettings(("onnx",), verify_images=32)
    )
    pixels, _ = digits.val.pixels(np.arange(20))
    expected = load_supernet(run).extract(arch)(digits.val.take(np.arange(20))[0])
    found = load_teacher(f"export:{tmp_path / 'export'}", digits)(pixels / 255)
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)
    report = read_json(tmp_path / "export" / "report.json")
    write_json(tmp_path / "export" / "report.json", {**report, "classes": [*digits.classes[1:], digits.classes[0]]})
    with pytest.raises(DataError, match="calls class 0 '1', dataset 'digits' '0'"):
        load_teacher(f"export:{tmp_path / 'export'}", digits)


def test_a_live_teacher_gives_distributions(run, digits):
    teacher = make_teacher(Distil(teacher=f"run:{run.path}", temperature=0.2), digits, Augment(), 16, 0, 10)
    assert isinstance(teacher, LiveTeacher)
    pixels, _ = digits.val.pixels(np.arange(6))
    said = teacher(pixels / 255, 0, torch.arange(6), 0)
    expected = (load_teacher(f"run:{run.path}", digits)(pixels / 255) / 0.2).softmax(dim=1)
    assert torch.allclose(said, expected, rtol=0, atol=1e-6)
    assert not said.requires_grad
    assert make_teacher(Distil(), digits, Augment(), 16, 0, 10) is None


@pytest.mark.heavy
def test_timm_weights_of_a_file_teach_images_of_another_size(tmp_path):
    timm = import_timm()
    torch.manual_seed(0)
    net = timm.create_model("deit_tiny_patch16_224", num_classes=10).eval()
    path = tmp_path / "deit.safetensors"
    save_file(net.state_dict(), path)
    rng = np.random.default_rng(0)
    colours = coloured(rng, 10)
    teacher = load_teacher(f"timm:deit_tiny_patch16_224@{path}", colours)
    images = torch.from_numpy(rng.random((2, 3, 32, 32), dtype=np.float32))
    large = F.interpolate(images, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(net.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    with torch.no_grad():
        assert torch.allclose(teacher(images), net((large - mean) / std), rtol=0, atol=1e-5)

    gray = load_dataset("digits")
    taught = load_teacher(f"timm:deit_tiny_patch16_224@{path}", gray)
    assert taught(torch.rand(1, 1, 8, 8)).shape == (1, 10), "gray images are shown as colours"

    with pytest.raises(CheckpointError, match=r"cannot be loaded: .*; choose the model, the size and the 7 classes"):
        load_teacher(f"timm:deit_tiny_patch16_224@{path}", coloured(rng, 7))
    with pytest.raises(CheckpointError, match=r"nothing.safetensors' does not exist"):
        load_teacher("timm:deit_tiny_patch16_224@nothing.safetensors", colours)
    with pytest.raises(SettingsError, match=r"no model 'deit_tiny_patch16_225'; did you mean 'deit_tiny_patch16_224'"):
        load_teacher("timm:deit_tiny_patch16_225", colours)


def coloured(rng: np.random.Generator, num_classes: int) -> Dataset:
    labels = np.arange(40) % num_classes
    images = Pixels.of(rng.integers(0, 256, (40, 3, 32, 32), dtype=np.uint8), labels)
    digits = load_dataset("digits")
    task = replace(digits.task, image_size=32, num_classes=num_classes, in_channels=3)
    names = tuple(str(i) for i in range(num_classes))
    return Dataset("coloured", task, images, images, (0.5,) * 3, (0.3,) * 3, names)


def test_a_teacher_that_cannot_teach_these_images_is_refused(run, digits, tmp_path):
    text = f"run:{run.path}"
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="tells 10 classes apart, dataset 'coloured' has 4"):
        load_teacher(text, coloured(rng, 4))
    with pytest.raises(DataError, match="takes images with 1 channel"):
        load_teacher(text, coloured(rng, 10))
    with pytest.raises(DataError, match="calls class 0 '0', dataset 'digits' 'zero'"):
        load_teacher(text, replace(digits, classes=("zero", *digits.classes[1:])))
    with pytest.raises(SettingsError, match=r"expected KIND:NAME.*Did you mean 'timm'"):
        load_teacher("tim:deit", digits)
    with pytest.raises(CheckpointError, match="is no run folder"):
        load_teacher(f"run:{tmp_path}", digits)
    with pytest.raises(DataError, match="report.json' does not exist"):
        load_teacher(f"export:{tmp_path}", digits)
    write_json(Path(tmp_path) / "report.json", {"exports": ["000-a", "001-b"]})
    with pytest.raises(CheckpointError, match=r"holds 2 networks, and one teaches; name its folder: \['000-a'"):
        load_teacher(f"export:{tmp_path}", digits)


def test_settings_that_contradict_themselves_are_refused():
    with pytest.raises(SettingsError, match="give one of the two"):
        Distil(teacher="run:a", logits="b")
    with pytest.raises(SettingsError, match="weight must be more than 0 and at most 1"):
        Distil(weight=1.5)
    with pytest.raises(SettingsError, match="temperature must be from"):
        Distil(temperature=0.0)
