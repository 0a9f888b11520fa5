"""LiteRT (TensorFlow Lite): written by litert-torch in a Python environment of its own, run by ai-edge-litert."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from vitnas.deployment.exporters.exporter import Exporter, Facts


class LiteRT(Exporter):
    """One ``.tflite`` file in fp32 for one image at a time."""

    name = "litert"

    def missing(self) -> str | None:
        from vitnas.latency_lut.devices.litert import LiteRT as Device

        return Device().missing()

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        from vitnas.latency_lut.runtimes.litert_files import LiteRTFiles

        path = folder / "model.tflite"
        LiteRTFiles(folder).convert(network, (1, *example.shape[1:]), path, f"arch {facts.arch_id}")
        return path

    def run(self, path: Path, x: Tensor) -> Tensor:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(path), num_threads=torch.get_num_threads())
        interpreter.allocate_tensors()
        (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
        found = []
        for image in x:
            interpreter.set_tensor(taken["index"], image[None].numpy())
            interpreter.invoke()
            found.append(torch.from_numpy(interpreter.get_tensor(given["index"])))
        return torch.cat(found)
