"""Teachers that are networks: from timm, from a run of our own, or from an export."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.errors import CheckpointError, DataError, SettingsError, suggest
from vitnas.files import read_json
from vitnas.image_size import ImageSize, height_and_width
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Task
from vitnas.search_spaces.answers import CLASS
from vitnas.settings import make_settings
from vitnas.supernets.data import Dataset, dataset_of
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.torch_device import CPU
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.exported import REPORT, read_report, rebuild
from vitnas.supernets.weights.pretrained.timm_package import import_timm


@dataclass(frozen=True, eq=False)
class Found:
    """A network and what it was trained for; `classes` are empty where only their number is known."""

    network: nn.Module
    image_size: ImageSize
    in_channels: int
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...] = ()
    answer: str = CLASS


class TeacherNetwork(nn.Module):
    """A network that takes images in 0..1 of any size, and brings them to its own size, channels and normalisation."""

    mean: Tensor
    std: Tensor

    def __init__(self, found: Found) -> None:
        super().__init__()
        self.network, self.image_size, self.in_channels = found.network, found.image_size, found.in_channels
        self.register_buffer("mean", torch.tensor(found.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(found.std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) for images (N, C, H, W) in 0..1."""
        size = height_and_width(self.image_size)
        if tuple(images.shape[2:]) != size:
            images = F.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)
        if images.shape[1] != self.in_channels:
            images = images.expand(-1, self.in_channels, -1, -1)
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


def load_teacher(text: str, dataset: Dataset, device: torch.device = CPU) -> TeacherNetwork:
    """A network to learn from, in evaluation mode; refuses one that cannot teach these images.

    Args:
        text: "timm:NAME" with timm's own weights, "timm:NAME@FILE.safetensors" with those of a file,
            "run:FOLDER" for the largest arch of a supernet, "run:FOLDER@ARCH.json" for another of its archs, or
            "export:FOLDER" for a network that `vitnas export` wrote.
        dataset: what it shall teach.
        device: where it works.
    """
    kind, _, rest = text.partition(":")
    if kind not in _KINDS or not rest:
        raise SettingsError(
            f"teacher '{text}': expected KIND:NAME, such as timm:deit_small_patch16_224 or run:runs/digits; {suggest(kind, _KINDS)}"
        )
    found = _KINDS[kind](rest, dataset)
    task = dataset.task
    if found.answer != task.answer:
        raise DataError(
            f"teacher '{text}' answers '{found.answer}', dataset '{dataset.name}' asks for '{task.answer}'; choose a teacher that "
            "was trained to answer that"
        )
    if len(task.answer_shape) > 1 and found.image_size != task.image_size:
        raise DataError(
            f"teacher '{text}' answers for each pixel of images of {found.image_size}, dataset '{dataset.name}' has images of "
            f"{task.image_size}; choose a teacher for images of that size"
        )
    if found.num_classes != task.num_classes:
        raise DataError(
            f"teacher '{text}' tells {found.num_classes} classes apart, dataset '{dataset.name}' has "
            f"{task.num_classes}; choose a teacher that was trained on these classes"
        )
    if found.classes and found.classes != dataset.classes:
        first = next(i for i, (a, b) in enumerate(zip(found.classes, dataset.classes, strict=True)) if a != b)
        raise DataError(
            f"teacher '{text}' calls class {first} '{found.classes[first]}', dataset '{dataset.name}' "
            f"'{dataset.classes[first]}'; choose a teacher that was trained on these classes in this order"
        )
    if found.in_channels != task.in_channels and task.in_channels != 1:
        raise DataError(
            f"teacher '{text}' takes images with {found.in_channels} channel(s), dataset '{dataset.name}' has "
            f"{task.in_channels}; choose a teacher for such images"
        )
    return TeacherNetwork(found).to(device).eval().requires_grad_(False)


def _timm(rest: str, dataset: Dataset) -> Found:
    name, _, file = rest.partition("@")
    timm: Any = import_timm()
    if not timm.is_model(name):
        raise SettingsError(f"timm has no model '{name}'; {_nearest(name, timm.list_models())}")
    try:
        if file:
            state = load_file(file)
            first = timm.get_pretrained_cfg(name).first_conv
            stem = state.get(f"{first if isinstance(first, str) else first[0]}.weight")
            channels = 3 if stem is None else stem.shape[1]
            network = timm.create_model(name, num_classes=dataset.task.num_classes, in_chans=channels)
            network.load_state_dict(state)
        else:
            network = timm.create_model(name, pretrained=True)
            channels = network.pretrained_cfg["input_size"][0]
    except FileNotFoundError:
        raise CheckpointError(f"teacher 'timm:{rest}': '{file}' does not exist; check the path") from None
    except Exception as error:  # whatever timm, its hub and the network in between raise
        reason = " ".join(str(error).split())[:300]
        remedy = (
            f"choose the model, the size and the {dataset.task.num_classes} classes that the file was trained for"
            if file
            else f"download it elsewhere and name the file, timm:{name}@FILE.safetensors"
        )
        raise CheckpointError(f"teacher 'timm:{rest}' cannot be loaded: {reason}; {remedy}") from None
    config = network.pretrained_cfg
    mean, std = (tuple(config[key])[:channels] if channels <= 3 else (0.5,) * channels for key in ("mean", "std"))
    return Found(network, config["input_size"][-1], channels, network.num_classes, mean, std)


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else "timm.list_models() names them"


def _run(rest: str, dataset: Dataset) -> Found:
    folder, _, file = rest.partition("@")
    run = RunFolder.open(Path(folder))
    supernet = load_supernet(run)
    arch = run.space.check(Arch.from_json(read_json(Path(file)))) if file else run.space.largest()
    taught = dataset_of(run)
    network = supernet.extract(arch)
    recalibrate(network, taught.train)
    task = run.space.task
    return Found(
        network,
        task.image_size,
        task.in_channels,
        task.num_classes,
        taught.mean,
        taught.std,
        taught.classes,
        task.answer,
    )


def _export(rest: str, dataset: Dataset) -> Found:
    folder = Path(rest)
    report = read_report(folder)
    if "exports" in report:
        raise CheckpointError(
            f"'{folder}' holds {len(report['exports'])} networks, and one teaches; name its folder: {report['exports'][:3]}"
        )
    task, norm = make_settings(Task, report["task"], f"'{folder / REPORT}', task"), report["normalisation"]
    mean, std = tuple(norm["mean"]), tuple(norm["std"])
    classes = tuple(report["classes"])
    network = rebuild(folder, report)[1]
    return Found(network, task.image_size, task.in_channels, task.num_classes, mean, std, classes, task.answer)


_KINDS: dict[str, Callable[[str, Dataset], Found]] = {"timm": _timm, "run": _run, "export": _export}
