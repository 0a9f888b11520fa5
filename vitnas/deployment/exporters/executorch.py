"""ExecuTorch with XNNPACK: written and run in a Python environment of its own, for it needs a torch of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vitnas.deployment.exporters import executorch_worker
from vitnas.deployment.exporters.exporter import Exporter, Facts
from vitnas.deployment.exporters.torch import save_program
from vitnas.errors import ExportError
from vitnas.files.temporary import temporary_folder

PYTHON = "VITNAS_EXECUTORCH_PYTHON"
"""The environment variable that names a Python with executorch."""


class ExecuTorch(Exporter):
    """One ``.pte`` file in fp32 for one image at a time."""

    name = "executorch"

    def missing(self) -> str | None:
        if not _python():
            return (
                "the package 'executorch' is not installed, and it needs a PyTorch of its own: make another environment, "
                f"`pip install executorch` there, and set {PYTHON} to its Python"
            )
        return None

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        path = folder / "model.pte"
        with temporary_folder() as scratch:
            program = scratch / "model.pt2"
            save_program(network, example, program)
            _work("write", program, path)
        return path

    def run(self, path: Path, x: Tensor) -> Tensor:
        with temporary_folder() as scratch:
            inputs, outputs = scratch / "x.npy", scratch / "y.npy"
            np.save(inputs, x.numpy())
            _work("run", path, inputs, outputs)
            return torch.from_numpy(np.load(outputs))


def _python() -> str:
    return os.environ.get(PYTHON) or (sys.executable if util.find_spec("executorch") else "")


def _work(*words: object) -> None:
    command = [_python(), executorch_worker.__file__, *map(str, words)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ExportError(f"{PYTHON}={command[0]} cannot be run: {error.strerror}; name a Python") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ExportError(
            f"ExecuTorch with {command[0]} failed: {last}; leave the operator that it names out of the space, or choose "
            "another format"
        )
