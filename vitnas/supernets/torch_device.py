"""Where torch computes: a device by its name, found on this machine, and told to people."""

from __future__ import annotations

import re
import time

import torch

from vitnas.errors import SettingsError
from vitnas.settings import TORCH_DEVICES

AUTO = "auto"
CPU = torch.device("cpu")


def find_device(name: str, setting: str = "torch_device") -> torch.device:
    """The device that is asked for, which must be here.

    Args:
        name: "cpu", "cuda", one GPU by number such as "cuda:1", "mps", or "auto", which takes the first of CUDA, Apple's
            GPU and the processor that is here.
        setting: that asks, for the message.
    """
    if name == AUTO:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if re.match(TORCH_DEVICES, name) is None:
        raise SettingsError(f"{setting} is '{name}', and must be auto, cpu, cuda, cuda:1 or mps; change it")
    kind, _, number = name.partition(":")
    if int(number or 0) >= _count(kind):
        gpus = [f"cuda:{i}" for i in range(_count("cuda"))] + ["mps"] * _count("mps")
        there, remedy = (", ".join(gpus), "one of these, 'cpu'") if gpus else ("no GPU", "'cpu'")
        raise SettingsError(f"{setting} is '{name}', but torch finds {there} here; choose {remedy} or 'auto'")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Its name, and of a GPU also the model."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


class Stopwatch:
    """What work costs: processor seconds of this process, or seconds of a GPU, which works while the processor goes on."""

    def __init__(self, device: torch.device, wall: bool = False) -> None:
        """Begins.

        Args:
            device: where the work is done.
            wall: how long it takes, on a processor as well.
        """
        self._device, self._wall = device, wall
        self._begun = self._now()

    def seconds(self) -> float:
        """Since it was made, when all that was asked of the device is done."""
        return self._now() - self._begun

    def _now(self) -> float:
        if self._device.type == "cpu":
            return time.perf_counter() if self._wall else time.process_time()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()


def exact(device: torch.device) -> torch.dtype:
    """What sums are kept in there: double precision, where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def _count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(torch.backends.mps.is_available()) if kind == "mps" else 1
