"""Layers and networks through LiteRT (TensorFlow Lite) on a processor.

The converter, litert-torch, needs a PyTorch of its own. `VITNAS_LITERT_PYTHON` names the Python of an
environment that has it together with vitnas; it is called once for each network that is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from vitnas.errors import DeviceError
from vitnas.latency_lut.protocol import process_clock, wall_clock
from vitnas.latency_lut.runtimes.memory import peak_of
from vitnas.latency_lut.runtimes.runtime import Loaded, Runtime
from vitnas.search_spaces import Blueprint, LayerSpec

CONVERTER = "VITNAS_LITERT_PYTHON"
"""The environment variable that names the converter's Python."""


class LiteRT(Runtime):
    """fp32 on XNNPACK, LiteRT's default on processors."""

    def __init__(self, folder: Path, threads: int, batch: int) -> None:
        super().__init__(folder, threads, batch)
        # Its delegate works in threads of its own, so the clock must be the whole process's.
        self.clock = process_clock if threads == 1 else wall_clock

    def load(self, blueprint: Blueprint) -> Loaded:
        if not len(blueprint):  # a graph without operators is none; this is what any call pays
            return self.load(Blueprint.single(LayerSpec.of("patch_embedding", (1, 1, 1), (2, 1), patch=1)))
        path = self.folder / "network.tflite"
        convert(blueprint, self.batch, path)
        interpreter = Interpreter(model_path=str(path), num_threads=self.threads)
        interpreter.allocate_tensors()
        (first,) = interpreter.get_input_details()
        values = np.random.default_rng(0).standard_normal(first["shape"], dtype=np.float32)
        interpreter.set_tensor(first["index"], values)
        _, peak_bytes = peak_of(interpreter.invoke)
        return Loaded(self.clock(interpreter.invoke), peak_bytes)


def convert(blueprint: Blueprint, batch: int, path: Path) -> None:
    """Writes a .tflite file of a network with random weights, in the converter's environment."""
    python = os.environ.get(CONVERTER, sys.executable)
    request = json.dumps({"network": blueprint.to_json(), "batch": batch, "path": str(path)})
    command = [python, "-m", "vitnas.latency_lut.runtimes.litert_converter"]
    try:
        done = subprocess.run(command, input=request, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DeviceError(f"{CONVERTER}={python} cannot be run: {error.strerror}; name a Python") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise DeviceError(
            f"converting for LiteRT with {python} failed: {last}; it needs 'litert-torch', which wants an environment "
            f"of its own: install it there beside vitnas and set {CONVERTER} to that environment's Python"
        )
