"""Core ML: the one converter from modules to ``.mlpackage`` folders. It runs on Linux; running packages takes a Mac."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from vitnas.errors import ExportError
from vitnas.files import Ours, new_folder
from vitnas.files.temporary import temporary_folder
from vitnas.search_spaces import Blueprint
from vitnas.supernets.supernet import deployed_network

INPUT, OUTPUT = "image", "logits"
"""The names of a package's input and output, in layers as in whole networks."""

IOS = 16
"""The oldest iOS that packages are made for: it has fp16 programs, and every iPhone since the 8 runs it."""

IDLE = (1, 64, 8, 8)
"""The input of the network that stands for none."""

Precision = Literal["fp16", "fp32"]


def to_coreml(
    module: nn.Module, example: Tensor, path: Path, ios: int = IOS, precision: Precision = "fp16", what: str = ""
) -> None:
    """Writes a module as an ML program, weights included.

    Args:
        module: takes and gives one tensor; it is exported in evaluation mode and left as it was.
        example: an input ``(B, ...)``; only its shape matters, and the package takes no other.
        path: the ``.mlpackage`` folder to write, which must not be there.
        ios: the oldest iOS that runs it. From 18 on attention stays one operator.
        precision: of weights and of arithmetic; input and output are fp32 in either case.
        what: is converted, for messages; by default the name of the file.
    """
    write_package(convert(module, example, ios, precision, what or path.stem), path)


def write_package(model: Any, path: Path) -> None:
    """Writes a `coremltools.models.MLModel` as a ``.mlpackage`` folder; one that is there is refused."""
    with new_folder(path, _nothing, with_list=False) as draft, temporary_folder() as folder:
        written = folder / "model.mlpackage"
        with quiet():
            model.save(str(written))
        (written / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)  # of no use to who runs it
        for part in written.iterdir():
            shutil.move(part, draft / part.name)


def _nothing(package: Path) -> Ours:
    """The files of an older package that may go: nothing tells who wrote them."""
    return {}


def convert(
    module: nn.Module,
    example: Tensor,
    ios: int = IOS,
    precision: Precision = "fp16",
    what: str = "module",
    **options: Any,
) -> Any:
    """The `coremltools.models.MLModel` of a module, not yet written; see `to_coreml`.

    `options` of `coremltools.convert` take the place of plain tensors as input and output.
    """
    with quiet():
        import coremltools as ct
    target = getattr(ct.target, f"iOS{ios}", None)
    if target is None or ios < 15:
        raise ExportError(f"coremltools {ct.__version__} makes no programs for iOS {ios}; choose one from 15 to 18")
    were_training = {part for part in module.modules() if part.training}
    module.eval()
    try:
        with quiet(), torch.no_grad():
            plain_order = example.new_zeros(
                example.shape
            )  # gray images may lie in memory in a way that Core ML refuses
            program = torch.export.export(module, (plain_order,)).run_decompositions({})
            plain = {
                "inputs": [ct.TensorType(name=INPUT, shape=tuple(example.shape), dtype=np.float32)],
                "outputs": [ct.TensorType(name=OUTPUT, dtype=np.float32)],
            }
            model = ct.convert(
                program,
                convert_to="mlprogram",
                **(options or plain),
                compute_precision=ct.precision.FLOAT16 if precision == "fp16" else ct.precision.FLOAT32,
                minimum_deployment_target=target,
                skip_model_load=True,
            )
    except Exception as error:  # coremltools and torch.export raise bare exceptions of many types
        first = " ".join(str(error).split())[:300]
        raise ExportError(
            f"Core ML has no '{what}': coremltools {ct.__version__} cannot convert it: {first}; leave this kind of layer "
            "out of the space (`restrict`), or write its operator another way"
        ) from error
    finally:
        for part in were_training:
            part.training = True
    return model


class CoreMLFiles:
    """Packages of blueprints with random weights, for measuring; a network is converted as a whole."""

    def __init__(self, folder: Path, batch: int = 1, seed: int = 0, ios: int = IOS) -> None:
        self.folder = folder
        self.batch = batch
        self.seed = seed
        self.ios = ios
        self._count = 0

    def file(self, blueprint: Blueprint) -> Path:
        """The package of a blueprint; the empty blueprint gives one that computes next to nothing."""
        self._count += 1
        path = self.folder / f"{self._count}.mlpackage"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = deployed_network(blueprint) if len(blueprint) else _next_to_nothing()
        kinds = ", ".join(dict.fromkeys(spec.kind for spec in blueprint)) or "the empty network"
        shape = (self.batch, *blueprint.in_shape) if len(blueprint) else IDLE
        to_coreml(network, torch.zeros(shape), path, self.ios, what=kinds)
        return path


def _next_to_nothing() -> nn.Module:
    """A convolution that every compute unit takes and none is busy with: what a call costs where networks run.

    A graph that only hands its input on would stay on the processor, and not cost the way to the Neural Engine.
    """
    return nn.Conv2d(64, 64, 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what coremltools says about itself (versions it was not tested with, parts that only a Mac has) from users."""
    log = logging.getLogger("coremltools")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
