"""Devices of this machine: networks run here, in a process that has nothing else to do."""

from __future__ import annotations

import platform
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import ClassVar

from vitnas.errors import DeviceError
from vitnas.latency_lut.devices.device import Device
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.runtimes.isolated import measure_apart
from vitnas.latency_lut.runtimes.saturation import EXACT, SelfTest
from vitnas.latency_lut.settings import TimingSettings
from vitnas.run import processor
from vitnas.search_spaces import FLOAT, Blueprint

WHOLE, REDUCED = "w8a8", "w7a8"
"""Integers that a processor multiplies, and those where the sums of two such products saturate."""
ABSENT = "absent"
"""The version of a package that is not installed."""
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


class MeasuredHere(Device):
    """A runtime of this machine at one precision. Subclasses are a few names; options are part of the name."""

    base: ClassVar[str]
    """The name without options."""
    runtime: ClassVar[str]
    """A subclass of `Runtime`, as ``module:Class``; it is imported where it measures."""
    distribution: ClassVar[str]
    """The package that runs the networks; its version is part of the device."""
    module: ClassVar[str]
    """How that package is imported."""
    extra: ClassVar[str] = ""
    """The extra of vitnas that installs the package, if vitnas alone does not."""
    converter: ClassVar[str] = "torch"
    """The package that writes networks for the runtime."""
    precision: ClassVar[str] = "fp32"
    layout: ClassVar[str] = "NCHW"
    clock: ClassVar[str] = "thread_clock"
    """What times a single thread; more than one are timed by the wall clock."""
    pinned: ClassVar[bool] = True

    def __init__(self, threads: int = 1, batch: int = 1) -> None:
        for label, value in (("threads", threads), ("batch", batch)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise DeviceError(f"device '{self.base}': {label} must be a whole number above zero, got {value!r}")
        self.threads = threads
        self.batch = batch
        options = [f"-{threads}threads"] * (threads != 1) + [f"-batch{batch}"] * (batch != 1)
        self.name = "".join((self.base, *options))

    def fingerprint(self) -> dict[str, str | int]:
        return {
            "runtime": f"{self.distribution} {version(self.distribution)}",
            "converter": f"{self.converter} {version(self.converter)}",
            "precision": self.precision,
            "layout": self.layout,
            "threads": self.threads,
            "batch": self.batch,
            "affinity": "pinned" if self.pinned else "free",
            "clock": self.clock if self.threads == 1 else "wall_clock",
            "processor": processor(),
            "governor": _governor(),
            "system": f"{platform.system()} {platform.machine()}",
        }

    def time(
        self, blueprints: Sequence[Blueprint], settings: TimingSettings, reference: Blueprint | None = None
    ) -> Iterator[Timing]:
        missing = self.missing()
        if missing:
            raise DeviceError(f"device '{self.name}' cannot be used here: {missing}")
        self.check_precisions(dict.fromkeys(spec.precision for blueprint in blueprints for spec in blueprint))
        return measure_apart(self.runtime, blueprints, settings, self.threads, self.batch, self.pinned, reference)

    def least_s(self, settings: TimingSettings) -> float:
        """By the protocol: the warm-up, and each block beside one of the reference."""
        return (settings.warmup_ms + 2 * settings.blocks * settings.block_ms) / 1e3

    def missing(self) -> str | None:
        if util.find_spec(self.module.partition(".")[0]) is None:
            remedy = f'pip install "vitnas[{self.extra}]"' if self.extra else f"pip install {self.distribution}"
            return f"the package '{self.distribution}' is not installed; {remedy}"
        return None

    def at(self, threads: int, batch: int) -> MeasuredHere:
        return type(self)(threads, batch)


class MixedHere(MeasuredHere):
    """A runtime in which each layer may be computed in float or in integers, with weights as wide as the processor allows."""

    @abstractmethod
    def self_test(self) -> SelfTest:
        """Whether products saturate here; runs where the package is installed."""

    @property
    def precisions(self) -> tuple[str, ...]:
        if self.missing() is not None:
            return super().precisions
        return (REDUCED if self.self_test().saturates else WHOLE, FLOAT.name)

    def why_not(self, precision: str) -> str | None:
        if precision != WHOLE or self.missing() is not None:
            return None
        found = max(self.self_test().sums.values(), key=lambda total: abs(total - EXACT))
        return f"'{WHOLE}' saturates on this processor: {found:.0f} for {EXACT}; use '{REDUCED}'"


class Int8Here(MixedHere):
    """A runtime that multiplies integers in all layers; how wide its weights are is part of the device."""

    precision = "int8"

    @property
    def precisions(self) -> tuple[str, ...]:
        return (FLOAT.name,)  # a layer in float is what the device quantises

    def why_not(self, precision: str) -> str | None:
        return f"device '{self.name}' computes all layers in integers; search precisions on '{self.base.removesuffix('-int8')}'"

    def fingerprint(self) -> dict[str, str | int]:
        terms = super().fingerprint()
        if self.missing() is not None:
            return {**terms, "int8_range": "unknown"}
        return {**terms, "int8_range": "reduced" if self.self_test().saturates else "full"}


def version(distribution: str) -> str:
    """Of an installed package, or `ABSENT`."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ABSENT


def _governor() -> str:
    try:
        return GOVERNOR.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
