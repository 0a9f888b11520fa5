"""Runtime: what executes networks inside the process that measures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from vitnas.latency_lut.protocol import Stopwatch
from vitnas.search_spaces import Blueprint


@dataclass(frozen=True)
class Loaded:
    """A network ready to be called.

    Attributes:
        stopwatch: times its calls.
        peak_bytes: what loading it and calling it once took at most; None where that is not known.
    """

    stopwatch: Stopwatch
    peak_bytes: int | None = None


class Runtime(ABC):
    """One way of executing networks with random weights, in a process of its own."""

    def __init__(self, folder: Path, threads: int, batch: int) -> None:
        """Prepares the runtime.

        Args:
            folder: an empty folder for files that are needed meanwhile.
            threads: that a call may use.
            batch: images a call takes.
        """
        self.folder = folder
        self.threads = threads
        self.batch = batch

    @abstractmethod
    def load(self, blueprint: Blueprint) -> Loaded:
        """Loads a network; an empty blueprint computes nothing."""

    def shape(self, blueprint: Blueprint) -> tuple[int, ...]:
        """Of the input of a network."""
        return (self.batch, *blueprint.in_shape) if len(blueprint) else (1,)
