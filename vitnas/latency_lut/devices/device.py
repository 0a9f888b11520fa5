"""Device: a target that says how long networks take there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from vitnas.errors import DeviceError
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import FLOAT, Blueprint, LayerSpec, Precision

INTEGERS = "integers"
"""The term of a fingerprint that figures of layers in integers have, and no others."""
Origin = Literal["measured here", "measured elsewhere", "imported", "estimated"]


class Device(ABC):
    """A machine with a runtime, its precision, threads, batch size and memory layout."""

    name: str
    """How people and files call it; it also names the table's file."""
    origin: Origin = "measured here"
    """Where its figures come from."""
    stated_error: str | None = None
    """How far its figures are off, where that is known before a table says so."""

    @abstractmethod
    def fingerprint(self) -> dict[str, str | int]:
        """All that a latency depends on besides the network; tables of different ones never mix."""

    @abstractmethod
    def time(
        self, blueprints: Sequence[Blueprint], settings: TimingSettings, reference: Blueprint | None = None
    ) -> Iterator[Timing]:
        """Times networks with random weights, in order, each as soon as it is known.

        One layer alone is `Blueprint.single(spec)`. The empty blueprint is a call that computes
        nothing: its time is the overhead of a call.

        Args:
            blueprints: what to time.
            settings: how carefully.
            reference: whose drift tells what happens to the machine meanwhile; by default `reference_network()`.
        """

    def opened(self) -> AbstractContextManager[None]:
        """While a table is measured; a device that somebody has to bring is waited for when it begins."""
        return nullcontext()

    def least_s(self, settings: TimingSettings) -> float:
        """Seconds that timing one network takes at the least; 0 where nothing is known of that."""
        return 0.0

    @property
    def precisions(self) -> tuple[str, ...]:
        """In which a layer may be computed here, and timed; asking may run something."""
        return (FLOAT.name,)

    def why_not(self, precision: str) -> str | None:
        """Why this precision is none of `precisions`, where more is known than that it is not."""
        return None

    def check_precisions(self, names: Iterable[str]) -> None:
        """Refuses precisions in which nothing is computed here."""
        for name in names:
            Precision.of(name)
            if name not in self.precisions:
                raise DeviceError(
                    self.why_not(name)
                    or f"device '{self.name}' computes no '{name}' in integers here; it has {', '.join(self.precisions)}. Add "
                    "--simulate to search it without latency"
                )

    def check_at_hand(self) -> None:
        """Refuses a device that somebody has to bring, for work in which nobody is asked to."""
        if self.origin == "measured elsewhere":
            raise DeviceError(
                f"device '{self.name}' is measured while somebody has its page open, and here nobody is asked to open one; name "
                f"another device, or measure it with `vitnas profile --device {self.name}` and search with its table"
            )

    def fingerprint_of(self, mixed: bool) -> dict[str, str | int]:
        """The fingerprint of figures of layers that are all in float, or of which some are not: these tell what integers are here."""
        told = self.fingerprint()
        return {**told, INTEGERS: ", ".join(name for name in self.precisions if name != FLOAT.name)} if mixed else told

    def missing(self) -> str | None:
        """What keeps the device from being used here, and the remedy; None where nothing does."""
        return None

    def at(self, threads: int, batch: int) -> Device:
        """The same device with other options, under another name."""
        raise DeviceError(f"device '{self.name}' has no options; leave out threads and batch")


def reference_network() -> Blueprint:
    """The small fixed network that layers and single networks are timed beside; never change it."""
    tokens = (17, 64)
    return Blueprint(
        ("stem", "attention", "ffn", "head"),
        (
            LayerSpec.of("patch_embedding", (3, 32, 32), tokens, patch=8),
            LayerSpec.of("attention", tokens, tokens, heads=4, head_width=16, reach=0),
            LayerSpec.of("feed_forward", tokens, tokens, hidden=256),
            LayerSpec.of("classifier", tokens, (10,), pool="class"),
        ),
    )
