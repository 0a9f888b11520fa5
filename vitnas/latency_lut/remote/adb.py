"""An Android phone over adb: LiteRT's benchmark_model times the networks of a bundle there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitnas.errors import DeviceError
from vitnas.latency_lut.remote.board import call, check_cores, discard, last_line, waiting_bundle
from vitnas.latency_lut.remote.bundle import LAYERS, RESULTS, Bundle, check_name
from vitnas.latency_lut.remote.manifest import Item
from vitnas.latency_lut.remote.progress import GrowingResults
from vitnas.latency_lut.remote.results import import_results, read_results
from vitnas.latency_lut.settings import ProfileSettings, TimingSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.progress import Bar
from vitnas.search_spaces import SearchSpace
from vitnas.settings import make_settings

ROUNDS = 5
"""Starts of benchmark_model for each network; what the phone does meanwhile differs between them."""
FOLDER = "/data/local/tmp/vitnas"
RUN_S = 600.0


def profile_over_adb(
    space: SearchSpace,
    device: str,
    benchmark: Path,
    path: Path,
    settings: ProfileSettings = ProfileSettings(),
    layers: int = LAYERS,
    threads: int = 1,
    cores: str = "",
    serial: str = "",
    progress: bool = True,
) -> LatencyTable:
    """Measures layers and networks of a space on a phone and writes the table to `path`.

    The bundle and what is measured stay beside the table until all is there; the same call then goes on.

    Args:
        space: its layers and some of its networks are measured.
        device: what the table is to be called.
        benchmark: the benchmark_model program for the phone.
        path: the parquet file to write.
        settings: how carefully, and how many networks.
        layers: as many are measured, the others interpolated.
        threads: that a call may use.
        cores: that the network keeps to, such as 4,5; by default as Android decides.
        serial: which phone, as `adb devices` lists them; needed when there are several.
        progress: shows bars on standard error.
    """
    check_name(device)
    if not benchmark.is_file():
        raise DeviceError(f"'{benchmark}' does not exist; give LiteRT's benchmark_model as it is built for the phone")
    phone = _Phone(serial, threads, check_cores(cores, threads))
    fingerprint = phone.describe()
    bundle = waiting_bundle(space, device, path, settings, "tflite", layers, threads, progress)
    measured = bundle.folder / RESULTS
    _measure(phone, bundle, benchmark, fingerprint, measured, progress)
    table = import_results(space, read_results(measured, bundle.folder), path)
    discard(bundle)
    return table


@dataclass(frozen=True)
class _Phone:
    serial: str
    threads: int
    cores: tuple[int, ...]

    def adb(self, *arguments: str, purpose: str, timeout_s: float = 60.0) -> str:
        """What adb prints."""
        done = call(["adb", *(("-s", self.serial) if self.serial else ()), *arguments], timeout_s)
        if done.returncode:
            raise DeviceError(
                f"adb could not {purpose}: {last_line(done.stderr or done.stdout)}; check with `adb devices` that the phone is "
                "there and trusts this computer, and set ANDROID_SERIAL if there are several"
            )
        return done.stdout

    def describe(self) -> dict[str, str | int]:
        """All that a timing depends on besides the network."""

        def ask(name: str) -> str:
            return self.adb("shell", "getprop", name, purpose="reach the phone").strip()

        return {
            "model": f"{ask('ro.product.manufacturer')} {ask('ro.product.model')}",
            "system": f"Android {ask('ro.build.version.release')}",
            "processor": ask("ro.soc.model") or ask("ro.board.platform"),
            "runtime": "litert benchmark_model",
            "compute_units": f"cpu {','.join(map(str, self.cores))}" if self.cores else "cpu",
            "precision": "fp32",
            "threads": self.threads,
            "batch": 1,
        }

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Holds the clocks, where the phone can; they are let go again in any case."""
        switch = ("shell", "cmd", "power", "set-fixed-performance-mode-enabled")
        try:
            call(["adb", *(("-s", self.serial) if self.serial else ()), *switch, "true"])
            yield
        finally:
            call(["adb", *(("-s", self.serial) if self.serial else ()), *switch, "false"])

    def block(self, file: str, settings: TimingSettings) -> tuple[float, int | None]:
        """Milliseconds of a call and the bytes it took, from one start of benchmark_model."""
        command = [f"{FOLDER}/benchmark_model", f"--graph={FOLDER}/{file}", f"--num_threads={self.threads}"]
        command += ["--num_runs=10", f"--min_secs={settings.blocks * settings.block_ms / 1e3 / ROUNDS:g}"]
        command += ["--warmup_runs=10", f"--warmup_min_secs={settings.warmup_ms / 1e3:g}"]
        mask = f"{sum(1 << core for core in self.cores):x}"
        pinned = ["taskset", mask, *command] if self.cores else command
        done = call(["adb", *(("-s", self.serial) if self.serial else ()), "shell", *pinned], RUN_S)
        return parse(file, done.stdout + done.stderr)


def parse(file: str, output: str) -> tuple[float, int | None]:
    """The mean of a call in milliseconds and the peak memory in bytes, from what benchmark_model prints."""
    match = re.search(r"Inference timings in us:.*?Inference \(avg\):\s*([-+.\deE]+|nan|inf)", output, re.DOTALL)
    if match is None:
        raise DeviceError(
            f"benchmark_model gave no timing of '{file}': {last_line(output)}; check that the program is built for this phone"
        )
    mean_ms = float(match[1]) / 1e3
    if not 0 < mean_ms < np.inf:
        raise DeviceError(
            f"benchmark_model says that a call of '{file}' takes {match[1]} us, which no call can; measure it again"
        )
    memory = re.search(r"overall=(\d+(?:\.\d+)?)", output)
    return mean_ms, round(float(memory[1]) * 2**20) if memory else None


def _measure(
    phone: _Phone, bundle: Bundle, benchmark: Path, fingerprint: dict[str, str | int], path: Path, progress: bool
) -> None:
    """Fills the results of a bundle, some networks at a time, and keeps what is known through a kill."""
    manifest = bundle.manifest
    settings = make_settings(TimingSettings, manifest.settings, "manifest.json, settings")
    growing = GrowingResults(path, manifest, "vitnas adb 1", fingerprint)
    waiting = growing.waiting
    shown = Bar(f"on {fingerprint['model']}", len(manifest.items), progress, done=len(growing), passing=True)
    with phone.steady(), shown as bar:
        phone.adb("shell", "mkdir", "-p", FOLDER, purpose="make a folder on the phone")
        phone.adb("push", str(benchmark), f"{FOLDER}/benchmark_model", purpose="copy benchmark_model", timeout_s=RUN_S)
        phone.adb("shell", "chmod", "755", f"{FOLDER}/benchmark_model", purpose="make benchmark_model executable")
        try:
            reference = next(item for item in manifest.items if item.kind == "reference")
            for start in range(0, len(waiting), settings.group):
                group = waiting[start : start + settings.group]
                for item in {i.file: i for i in (reference, *group)}.values():
                    source = str(bundle.folder / item.file)
                    phone.adb("push", source, f"{FOLDER}/{item.file}", purpose=f"copy '{item.file}'", timeout_s=RUN_S)
                growing.add(_in_turns(phone, group, reference, settings))
                for item in group:
                    phone.adb("shell", "rm", "-f", f"{FOLDER}/{item.file}", purpose="clean up")
                bar.update(done=len(growing))
        finally:
            call(["adb", *(("-s", phone.serial) if phone.serial else ()), "shell", "rm", "-rf", FOLDER])


def _in_turns(phone: _Phone, group: Sequence[Item], reference: Item, settings: TimingSettings) -> list[dict[str, Any]]:
    blocks: dict[str, list[float]] = {item.id: [] for item in group}
    peaks: dict[str, int] = {}
    drift = []
    for _ in range(ROUNDS):
        drift.append(phone.block(reference.file, settings)[0])
        for item in group:
            mean_ms, peak = phone.block(item.file, settings)
            blocks[item.id].append(mean_ms)
            if peak is not None:
                peaks[item.id] = max(peak, peaks.get(item.id, 0))
    reference_ms = float(np.median(drift))
    return [
        {"id": name, "blocks_ms": found, "reference_ms": reference_ms, "peak_bytes": peaks.get(name)}
        for name, found in blocks.items()
    ]
