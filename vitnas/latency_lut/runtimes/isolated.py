"""Measuring in a fresh process, so that nothing this one has loaded or runs beside it is in the figures."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields

import msgspec

from vitnas.errors import DeviceError
from vitnas.files.temporary import temporary_folder
from vitnas.latency_lut.devices.device import reference_network
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.runtimes.worker import Answer, Request
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import Blueprint

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def measure_apart(
    runtime: str,
    blueprints: Sequence[Blueprint],
    settings: TimingSettings,
    threads: int = 1,
    batch: int = 1,
    pinned: bool = True,
    reference: Blueprint | None = None,
) -> Iterator[Timing]:
    """Times networks in a process of their own; each timing comes as soon as it is known.

    Args:
        runtime: a subclass of `Runtime`, as ``module:Class``; only the other process imports it.
        blueprints: what to time.
        settings: how carefully.
        threads: that a call may use.
        batch: images a call takes.
        pinned: whether the process keeps to as many cores as threads.
        reference: timed between any two; by default `reference_network()`.
    """
    protocol = TimingSettings(**{f.name: getattr(settings, f.name) for f in fields(TimingSettings)})
    networks = [blueprint.to_json() for blueprint in blueprints]
    beside = (reference_network() if reference is None else reference).to_json()
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    with temporary_folder() as folder, tempfile.TemporaryFile() as notes:
        request = Request(runtime, threads, batch, pinned, protocol, networks, beside, str(folder))
        process = subprocess.Popen(
            [sys.executable, "-m", "vitnas.latency_lut.runtimes.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=notes,
            env=environment,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with suppress(BrokenPipeError), process.stdin as lines:  # one that died already says so below
                lines.write(msgspec.json.encode(request) + b"\n")
            for number in range(len(blueprints)):
                line = process.stdout.readline()
                if not line:
                    notes.seek(0)
                    last = notes.read().decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                    raise DeviceError(
                        f"the process that measures with {runtime} ended with code {process.wait()} before network "
                        f"{number + 1} of {len(blueprints)}: {last[0]}. What was measured is kept; run the same "
                        "command again to go on, with fewer threads or a smaller batch if memory ran out"
                    )
                answer = msgspec.json.decode(line, type=Answer)
                if answer.timing is None:
                    raise DeviceError(answer.error or f"{runtime} gave no timing")
                yield answer.timing
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
