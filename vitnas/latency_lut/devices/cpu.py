"""This machine's processor through ONNX Runtime, in fp32."""

from __future__ import annotations

import itertools
import platform
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from vitnas.latency_lut.devices.device import Device, reference_network
from vitnas.latency_lut.protocol import Stopwatch, Timing, TimingSettings, measure, thread_clock, wall_clock
from vitnas.latency_lut.runtimes.onnx import INPUT, BlueprintFiles, open_session
from vitnas.run import processor
from vitnas.search_spaces import Blueprint


class CPU(Device):
    """Sessions run in this process: with no training beside them nothing else uses its threads."""

    def __init__(self, name: str = "cpu", threads: int = 1, batch: int = 1) -> None:
        self.name = name
        self.threads = threads
        self.batch = batch
        # One thread does everything itself, so its own clock leaves out what other processes take.
        self._clock = thread_clock if threads == 1 else wall_clock

    def fingerprint(self) -> dict[str, str | int]:
        return {
            "runtime": f"onnxruntime {metadata.version('onnxruntime')}",
            "converter": f"torch {metadata.version('torch')}",
            "precision": "fp32",
            "threads": self.threads,
            "batch": self.batch,
            "clock": self._clock.__name__,
            "processor": processor(),
            "system": f"{platform.system()} {platform.machine()}",
        }

    def time(self, blueprints: Sequence[Blueprint], settings: TimingSettings) -> Iterator[Timing]:
        with tempfile.TemporaryDirectory(prefix="vitnas-") as folder:
            files = BlueprintFiles(Path(folder), self.batch)
            reference = self._stopwatch(files, reference_network())
            waiting = iter(blueprints)
            while group := list(itertools.islice(waiting, settings.group)):
                yield from measure([self._stopwatch(files, b) for b in group], reference, settings)

    def _stopwatch(self, files: BlueprintFiles, blueprint: Blueprint) -> Stopwatch:
        session = open_session(files.file(blueprint), self.threads)
        shape = (self.batch, *blueprint.in_shape) if len(blueprint) else (1,)
        feed = {INPUT: np.random.default_rng(0).standard_normal(shape, dtype=np.float32)}
        return self._clock(lambda: session.run(None, feed))
