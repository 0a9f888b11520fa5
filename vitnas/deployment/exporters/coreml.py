"""Core ML: packages that take images and answer with class labels, or logits, in half precision or with compressed weights."""

from __future__ import annotations

import json
import platform
from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from vitnas.deployment.compressed.coreml_weights import IOS, for_coreml, register, strays_of
from vitnas.deployment.compressed.qdq import BITS, precision_of, precisions_of
from vitnas.deployment.exporters.exporter import Exporter, Facts, Tolerance
from vitnas.deployment.folding import fold
from vitnas.errors import ExportError
from vitnas.search_spaces.precision import FLOAT, Precision

IMAGE = "image"
DEFAULT_IOS = 16
"""The first iOS whose programs may hold compressed weights; every iPhone since the 8 runs it."""
IOS_OF = {"iphone12": 18, "iphone13": 18, "iphone14": 18}
"""The newest iOS known to coremltools that a device runs: from 18 on attention is one operator."""

PIXEL_UNIT = 64
"""Pixels are divided by this power of two, which half precision does exactly."""
PREDICTIONS_AGREE = 0.97
"""On a Mac, the share of images for which Core ML must predict what the evaluated program does."""


class CoreML(Exporter):
    """An ML program in half precision: takes pixels, normalises them itself, answers with the label and all probabilities, or logits."""

    name = "coreml"
    file: ClassVar[str] = "model.mlpackage"
    limits = Tolerance(max_difference=1e-2, top1_agreement=0.99, accuracy_drop=0.01, mean_difference=3e-3)
    """Weights in half precision alone move the logits of a deep network by 1e-3 in the mean."""
    most_flips = 0.25
    needs_ios: ClassVar[int] = 15

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        from vitnas.latency_lut.runtimes.coreml import convert, quiet, write_package

        ios = self.minimum_ios(facts.device)
        what = f"arch {facts.arch_id}"
        if precisions_of(network):
            ios = self.minimum_ios(facts.device, IOS)
            register()
            network = for_coreml(network)  # type: ignore[arg-type]
        if facts.labels:
            model = convert(
                from_pixels(network, example, facts), example[:1], ios, what=what, **_of_pictures(example, facts)
            )
        else:  # a layer alone
            model = convert(network, example[:1], ios, what=what)
        model.user_defined_metadata.update(facts.as_text())
        model.short_description = f"Arch {facts.arch_id} of space {facts.space}, trained on {facts.dataset}"
        with quiet():
            model = self.compress(model)
        path = folder / self.file
        write_package(model, path)
        return path

    def compress(self, model: Any) -> Any:
        """What becomes of the weights."""
        return model

    def run(self, path: Path, x: Tensor) -> Tensor:
        from vitnas.deployment.coreml_interpreter import MilProgram

        program = MilProgram(path)
        facts = {name: json.loads(program.facts.get(f"vitnas.{name}", "[]")) for name in ("mean", "std", "labels")}
        if not facts["labels"]:
            return program(x)
        mean, std = (torch.tensor(facts[name])[:, None, None] for name in ("mean", "std"))
        pixels = (x * std + mean) * 255
        logits = program(pixels)
        if platform.system() == "Darwin" and "vitnas.answer" not in program.facts:
            _check_predictions(path, pixels, [facts["labels"][best] for best in logits.argmax(dim=1).tolist()])
        return logits

    def usage(self, file: str, shape: tuple[int, ...]) -> str:
        return (
            "import coremltools, PIL.Image  # on a Mac\n"
            f'model = coremltools.models.MLModel("{file}")\n'
            f'found = model.predict({{"{IMAGE}": PIL.Image.open("photo.jpg").resize(({shape[2]}, {shape[1]}))}})'
        )

    def minimum_ios(self, device: str | None, needed: int = 0) -> int:
        """The iOS that a package is made for: the newest that a known device runs, or what the package needs."""
        newest, needed = IOS_OF.get(device or ""), max(needed, self.needs_ios)
        if newest is not None and newest < needed:
            raise ExportError(
                f"format '{self.name}' needs iOS {needed}, and '{device}' runs up to {newest}; choose 'coreml-8bit'"
            )
        return max(newest or DEFAULT_IOS, needed)

    def refuses(self, precision: Precision) -> str | None:
        if type(self) is not CoreML:
            return "it compresses every weight in one way, whatever the arch says"
        if precision.integer and precision.activation_bits != BITS:
            return f"Core ML multiplies no integers of {precision.activation_bits} bits; they can be simulated only"
        return None

    def strays(self, path: Path, network: nn.Module) -> dict[str, str]:
        return strays_of(path, network)  # type: ignore[arg-type]


class EightBit(CoreML):
    """Weights in 8 bits, one scale for every output channel."""

    name = "coreml-8bit"
    file = "model-8bit.mlpackage"
    limits = Tolerance(max_difference=0.25, top1_agreement=0.97, accuracy_drop=0.01, mean_difference=2e-2)

    def compress(self, model: Any) -> Any:
        from coremltools.optimize import coreml as opt

        settings = opt.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8")
        return opt.linear_quantize_weights(model, opt.OptimizationConfig(global_config=settings))


class FourBit(CoreML):
    """Weights in 4 bits, one scale for every block of 32."""

    name = "coreml-4bit"
    file = "model-4bit.mlpackage"
    limits = Tolerance(max_difference=2.0, top1_agreement=0.85, accuracy_drop=0.05)
    needs_ios = 18

    def compress(self, model: Any) -> Any:
        from coremltools.optimize import coreml as opt

        settings = opt.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=32
        )
        return opt.linear_quantize_weights(model, opt.OptimizationConfig(global_config=settings))


class Palettised(CoreML):
    """Every weight as one of 64 values, found by k-means for each tensor."""

    name = "coreml-palette"
    file = "model-palette.mlpackage"
    limits = Tolerance(max_difference=0.5, top1_agreement=0.95, accuracy_drop=0.02)

    def compress(self, model: Any) -> Any:
        from coremltools.optimize import coreml as opt

        settings = opt.OpPalettizerConfig(mode="kmeans", nbits=6)
        return opt.palettize_weights(model, opt.OptimizationConfig(global_config=settings))


def from_pixels(network: nn.Module, x: Tensor, facts: Facts) -> nn.Sequential:
    """The same network for pixels in 0..255, with probabilities as its answer where that is one class, else with logits.

    In half precision a subtraction of 123.675 or a factor of 0.01712 would be off by more than all of the network. So means are
    subtracted in two steps, and the deviations become part of the first convolution.
    """
    stem, *others = network.children()
    pixels = FromPixels(stem, facts)
    end = () if facts.answer else (nn.Softmax(dim=-1),)
    if precision_of(stem) != FLOAT:  # folding would make numbers of whole numbers
        return nn.Sequential(pixels, *others, *end).eval()
    folded = fold(nn.Sequential(OrderedDict(pixels=pixels)), torch.zeros_like(x[:2]))
    return nn.Sequential(*folded, *others, *end).eval()


class FromPixels(nn.Module):
    """What a stem answers to pixels in 0..255."""

    whole: Tensor
    rest: Tensor
    scale: Tensor

    def __init__(self, stem: nn.Module, facts: Facts) -> None:
        super().__init__()
        self.stem = stem
        mean, std = (torch.tensor(values)[:, None, None] for values in (facts.mean, facts.std))
        self.register_buffer("whole", (255 * mean).round())
        self.register_buffer("rest", 255 * mean - (255 * mean).round())
        self.register_buffer("scale", PIXEL_UNIT / (255 * std))

    def forward(self, pixels: Tensor) -> Tensor:
        centred: Tensor = (pixels - self.whole - self.rest) * (1 / PIXEL_UNIT)
        answer: Tensor = self.stem(centred * self.scale)
        return answer


def _of_pictures(example: Tensor, facts: Facts) -> dict[str, Any]:
    """What makes a package take pictures and, where one class is asked, answer with its name."""
    from vitnas.latency_lut.runtimes.coreml import quiet

    with quiet():
        import coremltools as ct

    shape, layouts = (1, *example.shape[1:]), {1: ct.colorlayout.GRAYSCALE, 3: ct.colorlayout.RGB}
    layout = layouts.get(example.shape[1])
    image = (
        ct.TensorType(name=IMAGE, shape=shape, dtype=np.float32)
        if layout is None
        else ct.ImageType(name=IMAGE, shape=shape, color_layout=layout)
    )
    if facts.answer:
        return {"inputs": [image]}
    return {"inputs": [image], "classifier_config": ct.ClassifierConfig(list(facts.labels))}


def _check_predictions(path: Path, pixels: Tensor, labels: list[str]) -> None:
    """On a Mac: what Core ML itself predicts, against the same program evaluated with torch."""
    import coremltools as ct
    from PIL import Image

    model = ct.models.MLModel(str(path))
    images = pixels.round().clamp(0, 255).byte().permute(0, 2, 3, 1).squeeze(-1).numpy()
    found = [model.predict({IMAGE: Image.fromarray(image)})["classLabel"] for image in images]
    agree = sum(map(str.__eq__, found, labels)) / len(labels)
    if agree < PREDICTIONS_AGREE:
        raise ExportError(
            f"Core ML predicts the class that the same program gives in fp32 for {agree:.1%} of {len(labels)} images, "
            f"under the limit of {PREDICTIONS_AGREE:.0%}; the network may leave the range of half precision: export another arch"
        )
