"""LiteRT files of blueprints, written by litert-torch in a Python environment of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import torch

from vitnas.errors import DeviceError, ExportError
from vitnas.latency_lut.devices.litert import CONVERTER
from vitnas.latency_lut.runtimes import litert_worker
from vitnas.search_spaces import Blueprint
from vitnas.supernets.supernet import deployed_network


class LiteRTFiles:
    """Files of blueprints with random weights, for measuring; a network is converted as a whole."""

    def __init__(self, folder: Path, batch: int = 1, seed: int = 0) -> None:
        self.folder = folder
        self.batch = batch
        self.seed = seed
        self._count = 0
        self._python = _python()
        self._worker = _start(self._python)
        self._end = weakref.finalize(self, self._worker.kill)
        self._answer("the converter")

    def file(self, blueprint: Blueprint) -> Path:
        """The file of a blueprint; the empty blueprint gives one that computes next to nothing."""
        self._count += 1
        path = self.folder / f"{self._count}.tflite"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = deployed_network(blueprint) if len(blueprint) else torch.nn.ReLU()
        shape = (self.batch, *blueprint.in_shape) if len(blueprint) else (1, 1)
        what = ", ".join(dict.fromkeys(spec.kind for spec in blueprint)) or "the empty network"
        self.convert(network.eval(), shape, path, what)
        return path

    def convert(self, network: torch.nn.Module, shape: Sequence[int], path: Path, what: str) -> None:
        """Writes a network in evaluation mode for inputs of one shape; `what` names it in messages."""
        program = path.with_suffix(".pt2")
        with torch.no_grad():
            torch.export.save(torch.export.export(network, (torch.zeros(tuple(shape)),)), program)
        job = {"program": str(program), "shape": list(shape), "file": str(path)}
        assert self._worker.stdin is not None
        self._worker.stdin.write(json.dumps(job) + "\n")
        self._worker.stdin.flush()
        self._answer(what)
        program.unlink()

    def _answer(self, what: str) -> None:
        assert self._worker.stdout is not None
        line = self._worker.stdout.readline()
        if not line:
            raise DeviceError(
                f"the converter to LiteRT ended with code {self._worker.wait()}; try `{self._python} -c 'import "
                f"litert_torch'`, and name another Python in {CONVERTER} if it fails"
            )
        error = json.loads(line)["error"]
        if error and what == "the converter":
            raise DeviceError(_missing(error))
        if error:
            raise ExportError(
                f"LiteRT has no '{what}': litert-torch cannot convert it: {error}; leave this kind of layer out of the space "
                "(`restrict`), or write its operator another way"
            )


def _python() -> str:
    python = os.environ.get(CONVERTER) or (sys.executable if importlib.util.find_spec("litert_torch") else "")
    if not python:
        raise DeviceError(_missing("it is not installed beside vitnas"))
    return python


def _start(python: str) -> subprocess.Popen[str]:
    with tempfile.TemporaryFile() as notes:
        try:
            return subprocess.Popen(
                [python, litert_worker.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=notes, text=True
            )
        except OSError as error:
            raise DeviceError(_missing(f"'{python}' cannot be started: {error.strerror}")) from None


def _missing(why: str) -> str:
    return (
        f"no litert-torch to write LiteRT files with: {why}; make an environment of its own with `python3 -m venv litert && "
        f"litert/bin/pip install litert-torch` and set {CONVERTER}=litert/bin/python"
    )
