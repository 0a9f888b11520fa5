"""Where networks are trained, and how many at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from vitnas.supernets.torch_device import find_device


@dataclass(frozen=True)
class Lanes:
    """The threads of the processor, of which a training takes one or several, or GPUs, of which it takes one.

    Attributes:
        number: of threads or GPUs.
        torch_device: what they are of.
        now: seconds, by which planning is taken off the time. Trainings are planned in processor seconds, so on a processor
            that others share `time.process_time` counts both alike; a phone that is waited for is then free.
    """

    number: int = 1
    torch_device: str = "cpu"
    now: Callable[[], float] = time.monotonic

    @classmethod
    def here(cls, torch_device: str) -> Lanes:
        """What this machine has of the device that is asked for."""
        device = find_device(torch_device, "[auto] torch_device")
        if device.type == "cpu":
            return cls(torch.get_num_threads())
        all_of_them = device.type == "cuda" and device.index is None
        return cls(torch.cuda.device_count() if all_of_them else 1, str(device))

    @property
    def widest(self) -> int:
        """How many one training can take."""
        return self.number if self.torch_device == "cpu" else 1
