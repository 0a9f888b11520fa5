"""Layers and networks through LiteRT (TensorFlow Lite) on a processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from vitnas.latency_lut.protocol import process_clock, wall_clock
from vitnas.latency_lut.runtimes.litert_files import LiteRTFiles
from vitnas.latency_lut.runtimes.memory import peak_of
from vitnas.latency_lut.runtimes.runtime import Loaded, Runtime
from vitnas.search_spaces import Blueprint


class LiteRT(Runtime):
    """fp32 on XNNPACK, LiteRT's default on processors."""

    def __init__(self, folder: Path, threads: int, batch: int) -> None:
        super().__init__(folder, threads, batch)
        self.files = LiteRTFiles(folder, batch)
        # Its delegate works in threads of its own, so the clock must be the whole process's.
        self.clock = process_clock if threads == 1 else wall_clock

    def load(self, blueprint: Blueprint) -> Loaded:
        path = self.files.file(blueprint)
        interpreter = Interpreter(model_path=str(path), num_threads=self.threads)
        path.unlink()  # it is mapped into memory by now
        interpreter.allocate_tensors()
        (first,) = interpreter.get_input_details()
        values = np.random.default_rng(0).standard_normal(first["shape"], dtype=np.float32)
        interpreter.set_tensor(first["index"], values)
        _, peak_bytes = peak_of(interpreter.invoke)
        return Loaded(self.clock(interpreter.invoke), peak_bytes)
