"""The process that measures: it imports one runtime, keeps to its cores, and answers one line a network.

The request is one line of JSON on standard input. Each answer is a line of JSON on what standard
output was; whatever libraries print goes to standard error.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from vitnas.errors import DeviceError, VitnasError
from vitnas.latency_lut.protocol import Timing, measure
from vitnas.latency_lut.runtimes.energy import energy_meter
from vitnas.latency_lut.runtimes.runtime import Runtime
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import Blueprint, LayerSpec


class Request(msgspec.Struct):
    """What to measure.

    Attributes:
        runtime: a subclass of `Runtime`, as ``module:Class``.
        threads: that a call may use.
        batch: images a call takes.
        pinned: whether to keep to as many cores as threads.
        settings: how carefully.
        networks: blueprints, as their `to_json` writes them.
        reference: another, timed between any two.
        folder: for files, of whoever asks: this process may be killed, and then cleans up nothing.
    """

    runtime: str
    threads: int
    batch: int
    pinned: bool
    settings: TimingSettings
    networks: list[list[dict[str, Any]]]
    reference: list[dict[str, Any]]
    folder: str


class Answer(msgspec.Struct):
    """A timing, or the message of what went wrong."""

    timing: Timing | None = None
    error: str | None = None


def main() -> None:
    # The answers keep the real standard output; what libraries print to it joins standard error.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        for timing in timings(request):
            answers.write(msgspec.json.encode(Answer(timing)) + b"\n")
    except VitnasError as error:
        answers.write(msgspec.json.encode(Answer(error=str(error))) + b"\n")
    except BrokenPipeError:  # whoever asked has gone
        os._exit(1)


def _end_with(parent: int) -> None:
    """Ends this process with whoever asked, however that ended; else it would disturb who measures next."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def timings(request: Request) -> Iterator[Timing]:
    """Measures in this process, a group of networks at a time."""
    if request.pinned:
        pin(request.threads)
    module, _, name = request.runtime.partition(":")
    make: Callable[[Path, int, int], Runtime] = getattr(importlib.import_module(module), name)
    energy = energy_meter()
    runtime = make(Path(request.folder), request.threads, request.batch)
    reference = runtime.load(_blueprint(request.reference)).stopwatch
    waiting = iter(request.networks)
    while group := [_blueprint(data) for data in itertools.islice(waiting, request.settings.group)]:
        loaded = [runtime.load(blueprint) for blueprint in group]
        found = measure([network.stopwatch for network in loaded], reference, request.settings, energy)
        for network, timing in zip(loaded, found, strict=True):
            yield replace(timing, peak_bytes=network.peak_bytes)


def pin(threads: int) -> None:
    """Keeps this process to its quietest cores; where the system has no such call, nothing happens."""
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = os.sched_getaffinity(0)
    if len(allowed) < threads:
        raise DeviceError(
            f"{threads} threads need as many cores, but this process may use {len(allowed)}; ask for fewer threads"
        )
    busy = _busy_ticks()
    time.sleep(0.1)
    later = _busy_ticks()
    quiet = sorted(allowed, key=lambda core: (later.get(core, 0) - busy.get(core, 0), core))
    os.sched_setaffinity(0, quiet[:threads])


def _busy_ticks() -> dict[int, int]:
    """What each core has worked so far."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, *ticks = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system = map(int, ticks[:3])
            found[int(name[3:])] = user + nice + system
    return found


def _blueprint(data: Sequence[dict[str, Any]]) -> Blueprint:
    return Blueprint(tuple(entry["site"] for entry in data), tuple(LayerSpec.from_json(entry) for entry in data))


if __name__ == "__main__":
    main()
