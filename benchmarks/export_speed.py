"""Do networks built from our blueprints run as fast as timm's own, and how long does an export take?

Both are converted by the same exporter and run by ONNX Runtime on one thread; their calls take turns, and count by the time
that the thread itself worked. The export is of a subnet of 6 million parameters to ONNX and Core ML, verified, card included.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from frame import Results, interleaved_s, run, show
from torch import nn

from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.folding import fold
from vitnas.latency_lut.runtimes.onnx import INPUT, open_session, to_onnx
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.data import Dataset, Pixels
from vitnas.supernets.supernet import build_network
from vitnas.supernets.weights.pretrained.timm_package import import_timm

SIZE = 224
MODELS = {
    "deit_tiny": ("deit", "DeiT-Ti", "deit_tiny_patch16_224"),
    "efficientformer_l1": ("efficientformer", "EfficientFormer-L1", "efficientformer_l1"),
    "efficientformerv2_s0": ("efficientformerv2", "EfficientFormerV2-S0", "efficientformerv2_s0"),
    "nextvit_small": ("nextvit", "Next-ViT-S", "nextvit_small"),
    "tiny_vit_5m": ("tinyvit", "TinyViT-5M", "tiny_vit_5m_224"),
}
"""Model -> our space, our name of the arch, timm's name."""

EXPORTED = ("deit", "DeiT-Ti")
"""The subnet of 6 million parameters whose export is timed."""


def measure(quick: bool) -> Results:
    torch.manual_seed(0)
    rounds = 20 if quick else 60
    rows, results = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for model in list(MODELS)[: 1 if quick else None]:
            ours_s, theirs_s = _medians_s(model, Path(folder), rounds)
            results[f"ratio.{model}"] = ours_s / theirs_s
            rows.append((model, f"{1e3 * ours_s:.2f}", f"{1e3 * theirs_s:.2f}", f"{ours_s / theirs_s:.3f}"))
        show("one image, one thread, milliseconds", ("model", "ours", "timm", "ratio"), rows)
        results["export_s"] = _export_s(Path(folder))
    return results


def _medians_s(model: str, folder: Path, rounds: int) -> tuple[float, float]:
    space, arch, name = MODELS[model]
    loaded = load_space(space)
    network = build_network(loaded.lower(loaded.named(arch))).eval()
    x = torch.zeros(2, 3, SIZE, SIZE)
    ours = _caller(fold(network, x), folder / f"{model}.ours.onnx")
    theirs = _caller(_timm(name), folder / f"{model}.timm.onnx")
    ours_s, theirs_s = interleaved_s([ours, theirs], rounds, time.thread_time)
    return ours_s, theirs_s


def _caller(network: nn.Module, path: Path) -> Callable[[], object]:
    to_onnx(network, torch.zeros(1, 3, SIZE, SIZE), path, dynamic_batch=True)
    session = open_session(path, threads=1)
    x = np.random.default_rng(0).standard_normal((1, 3, SIZE, SIZE), dtype=np.float32)
    return partial(session.run, None, {INPUT: x})


def _timm(name: str) -> nn.Module:
    network: nn.Module = import_timm().create_model(name, pretrained=False).eval()
    return network


def _export_s(folder: Path) -> float:
    """Seconds of an export as the command makes it, from the weights in memory to the folder."""
    name, arch = EXPORTED
    space = load_space(name, Task(image_size=SIZE, num_classes=10, in_channels=3))
    chosen = space.named(arch)
    network = build_network(space.lower(chosen)).eval()
    start = time.perf_counter()
    settings = ExportSettings(formats=("onnx", "coreml"), verify_images=64, measure=False)
    export(space, network, chosen, _noise(), folder / "export", settings)
    return time.perf_counter() - start


def _noise() -> Dataset:
    """Images without meaning: what an export costs does not depend on them."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (192, 3, SIZE, SIZE), dtype=np.uint8)
    mean, std = (0.5,) * 3, (0.25,) * 3
    images = Pixels.of(x, rng.integers(0, 10, len(x)), mean, std)
    train, val = images.only(np.arange(128)), images.only(np.arange(128, 192))
    classes = tuple(f"class {i}" for i in range(10))
    return Dataset("noise", Task(SIZE, 10, 3), train, val, mean, std, classes)


if __name__ == "__main__":
    run(__doc__, measure)
