"""Formats of parts: one file for each part of a cascade, with all that it gives by name."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import OrderedDict
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitnas.deployment.exporters import EXPORTERS, Exporter, Facts
from vitnas.deployment.exporters.coreml import CoreML, FromPixels
from vitnas.deployment.exporters.onnx import Onnx, save_with_facts
from vitnas.deployment.exporters.onnx_int8 import Int8
from vitnas.deployment.exporters.timing import median_ms
from vitnas.deployment.folding import fold
from vitnas.errors import ExportError
from vitnas.supernets.cascades.network import IMAGE, PartNetwork

Given = dict[str, Tensor]
"""What a part gives to N inputs, by name."""
BATCH_SIZE = 64


class PartFormat(ABC):
    """Writes and runs parts as an exporter writes and runs whole networks."""

    def __init__(self, exporter: Exporter) -> None:
        self.exporter = exporter

    @abstractmethod
    def write(self, part: PartNetwork, example: Tensor, facts: Facts, folder: Path, number: int) -> Path:
        """The file of a part.

        Args:
            part: folded, in evaluation mode.
            example: ``(N, *input)``, at least two inputs of the part.
            facts: kept inside.
            folder: to write it to.
            number: of the part.
        """

    @abstractmethod
    def run(self, path: Path, x: Tensor) -> Given:
        """What a file gives to inputs of its part."""

    def latency_ms(self, path: Path, x: Tensor) -> float | None:
        """The median time of a call for one input here; None where it does not run as it is deployed."""
        return None


class OnnxParts(PartFormat):
    """Parts for ONNX Runtime, which take ``image`` or ``state`` and give ``logits``, ``sure`` and ``next_state``."""

    exporter: Onnx

    def write(self, part: PartNetwork, example: Tensor, facts: Facts, folder: Path, number: int) -> Path:
        import onnx

        from vitnas.latency_lut.runtimes.onnx import to_onnx

        path = folder / (f"part{number}" + self.exporter.file.removeprefix("model"))
        to_onnx(part, example[:2], path, True, part.source, part.outputs)
        save_with_facts(onnx.load(path), facts, path)
        if isinstance(self.exporter, Int8):
            weights = self.exporter.weights()
            self.exporter.quantise(path, example, reduced=weights is not None and weights.reduced)
        return path

    def run(self, path: Path, x: Tensor) -> Given:
        session, source = _session(path)
        names = [output.name for output in session.get_outputs()]
        batches = [session.run(None, {source: batch.numpy()}) for batch in torch.split(x, BATCH_SIZE)]
        columns = (torch.cat([torch.from_numpy(value) for value in own]) for own in zip(*batches, strict=True))
        return dict(zip(names, columns, strict=True))

    def latency_ms(self, path: Path, x: Tensor) -> float | None:
        session, source = _session(path)
        feed = {source: x[:1].numpy()}
        return median_ms(lambda: session.run(None, feed))


class CoreMLParts(PartFormat):
    """Parts as ML programs in half precision; the first takes pixels, a later one a state or pixels."""

    exporter: CoreML

    def write(self, part: PartNetwork, example: Tensor, facts: Facts, folder: Path, number: int) -> Path:
        from vitnas.latency_lut.runtimes.coreml import convert, quiet, write_package

        with quiet():
            import coremltools as ct
        what, ios = f"part {number} of {facts.arch_id}", self.exporter.minimum_ios(facts.device)
        shape = (1, *example.shape[1:])
        taken = ct.TensorType(name=part.source, shape=shape, dtype=np.float32)
        if part.takes_image:
            part = part_of_pixels(part, example, facts)
            layout = {1: ct.colorlayout.GRAYSCALE, 3: ct.colorlayout.RGB}.get(example.shape[1])
            taken = taken if layout is None else ct.ImageType(name=IMAGE, shape=shape, color_layout=layout)
        given = [ct.TensorType(name=name, dtype=np.float32) for name in part.outputs]
        model = convert(part, example[:1], ios, what=what, inputs=[taken], outputs=given)
        model.user_defined_metadata.update(facts.as_text())
        with quiet():
            model = self.exporter.compress(model)
        path = folder / (f"part{number}" + self.exporter.file.removeprefix("model"))
        write_package(model, path)
        return path

    def run(self, path: Path, x: Tensor) -> Given:
        from vitnas.deployment.coreml_interpreter import MilProgram

        program = MilProgram(path)
        (source,) = program.function.inputs
        if source == IMAGE:
            mean, std = (torch.tensor(json.loads(program.facts[f"vitnas.{n}"]))[:, None, None] for n in ("mean", "std"))
            x = (x * std + mean) * 255
        return program.all_outputs(x)


FORMATS: dict[type[Exporter], type[PartFormat]] = {Onnx: OnnxParts, CoreML: CoreMLParts}
"""What writes parts in the place of an exporter of this kind."""


def part_format(exporter: Exporter) -> PartFormat:
    """The format of parts that goes with an exporter; formats of whole networks alone are refused."""
    for kind, found in FORMATS.items():
        if isinstance(exporter, kind):
            return found(exporter)
    able = [name for name in EXPORTERS if issubclass(EXPORTERS.load(name), tuple(FORMATS))]
    raise ExportError(f"format '{exporter.name}' has no parts of cascades; choose {', '.join(able)}")


def part_of_pixels(part: PartNetwork, example: Tensor, facts: Facts) -> PartNetwork:
    """The same part for pixels in 0..255."""
    found = copy(part)
    found._modules = dict(part._modules)
    name = "trunk" if len(part.trunk) else "branch"
    chain = OrderedDict(getattr(part, name).named_children())
    site, stem = next(iter(chain.items()))
    [chain[site]] = fold(nn.Sequential(OrderedDict(pixels=FromPixels(stem, facts))), torch.zeros_like(example[:2]))
    found._modules[name] = nn.Sequential(chain)
    return found.eval()


def _session(path: Path) -> tuple[Any, str]:
    from vitnas.latency_lut.runtimes.onnx import open_session

    session = open_session(path, threads=torch.get_num_threads())
    return session, session.get_inputs()[0].name


__all__ = ["FORMATS", "CoreMLParts", "OnnxParts", "PartFormat", "part_format"]
