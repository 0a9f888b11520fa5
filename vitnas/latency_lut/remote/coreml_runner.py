"""Times the Core ML packages of a bundle, on a Mac or on an iPhone that is cabled to it.

    python -m vitnas.latency_lut.remote.coreml_runner BUNDLE RESULTS.json
    python -m vitnas.latency_lut.remote.coreml_runner BUNDLE RESULTS.json --device iphone --model "iPhone 12" --team TEAM

coremltools builds and installs a small app on the phone for this, so Xcode must be there. After a kill the same
command goes on where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vitnas.errors import DeviceError, VitnasError
from vitnas.latency_lut.protocol import Stopwatch, measure
from vitnas.latency_lut.remote.manifest import Item, Manifest, digest, read_manifest
from vitnas.latency_lut.remote.progress import GrowingResults
from vitnas.latency_lut.settings import TimingSettings
from vitnas.settings import make_settings

NAME = "vitnas coreml runner 1"
UNITS = {"all": "ALL", "neural-engine": "CPU_AND_NE", "gpu": "CPU_AND_GPU", "cpu": "CPU_ONLY"}
"""What may be used, and coremltools' name for it; where an operator then runs is for Core ML to decide."""
PLACES = {
    "MLNeuralEngineComputeDevice": "neural_engine",
    "MLGPUComputeDevice": "gpu",
    "MLCPUComputeDevice": "cpu",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Times the Core ML packages of a bundle.")
    parser.add_argument("bundle", type=Path, help="folder with manifest.json")
    parser.add_argument("results", type=Path, help="JSON file to write")
    parser.add_argument(
        "--device", choices=("mac", "iphone"), default="mac", help="this Mac, or the phone at its cable"
    )
    parser.add_argument("--model", default="", help='what Apple calls the phone, such as "iPhone 12"')
    parser.add_argument("--units", choices=tuple(UNITS), default="all", help="compute units that may be used")
    parser.add_argument("--team", default="", help="Apple developer team that signs the app on the phone")
    options = parser.parse_args(arguments)
    try:
        run(options.bundle, options.results, options.device, options.model, options.units, options.team)
    except VitnasError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(bundle: Path, results: Path, device: str = "mac", model: str = "", units: str = "all", team: str = "") -> None:
    """Times what is missing, a group at a time, and writes the results after each."""
    manifest = read_manifest(bundle)
    if manifest.runtime != "coreml":
        raise DeviceError(f"'{bundle}' is a bundle for {manifest.runtime}; use the runner that belongs to it")
    for item in manifest.items:
        if not (bundle / item.file).exists() or digest(bundle / item.file) != item.sha256:
            raise DeviceError(
                f"'{item.file}' in '{bundle}' is missing or not what the manifest says; copy the bundle again"
            )
    if platform.system() != "Darwin":
        raise DeviceError(
            f"Core ML runs on Apple's systems, and this is {platform.system()}; copy '{bundle}' to a Mac with `pip install "
            "vitnas` and run the same command there"
        )
    if device == "iphone" and not (model and team):
        raise DeviceError("a phone needs --model, what Apple calls it, and --team, who signs the app that is put on it")
    loop = asyncio.new_event_loop()
    try:
        _measure(loop, manifest, bundle, results, _Machine(device, model, units, team))
    finally:
        loop.close()


@dataclass(frozen=True)
class _Machine:
    device: str
    model: str
    units: str
    team: str


def _measure(
    loop: asyncio.AbstractEventLoop, manifest: Manifest, bundle: Path, results: Path, machine: _Machine
) -> None:
    import coremltools as ct
    from coremltools.models.ml_program.experimental.perf_utils import MLModelBenchmarker

    phone = loop.run_until_complete(_phone(machine.team)) if machine.device == "iphone" else None
    unit = getattr(ct.ComputeUnit, UNITS[machine.units])

    def load(item: Item) -> Any:
        package = ct.models.MLModel(str(bundle / item.file), compute_units=unit, skip_model_load=phone is not None)
        return MLModelBenchmarker(package, device=phone)

    def stopwatch(benchmarker: Any) -> Stopwatch:
        def milliseconds(runs: int) -> float:
            return float(sum(loop.run_until_complete(benchmarker.benchmark_predict(iterations=runs)).samples))

        return milliseconds

    growing = GrowingResults(results, manifest, NAME, _fingerprint(manifest, machine, phone, ct.__version__))
    settings = make_settings(TimingSettings, manifest.settings, "manifest.json, settings")
    waiting = growing.waiting
    reference = stopwatch(load(next(item for item in manifest.items if item.kind == "reference")))
    for start in range(0, len(waiting), settings.group):
        group = [(item, load(item)) for item in waiting[start : start + settings.group]]
        timings = measure([stopwatch(benchmarker) for _, benchmarker in group], reference, settings)
        rows = []
        for (item, benchmarker), timing in zip(group, timings, strict=True):
            row = {k: v for k, v in asdict(timing).items() if v is not None and k != "provenance"}
            rows.append({"id": item.id, **row, "placement": _placement(loop, benchmarker)})
        growing.add(rows)
        print(f"{len(growing)}/{len(manifest.items)} {rows[-1]['id']}", flush=True)


async def _phone(team: str) -> Any:
    """The cabled iPhone, with the app on it that runs models."""
    from coremltools.models.ml_program.experimental.remote_device import AppSigningCredentials, Device, DeviceType

    found = Device.get_connected_devices(DeviceType.IPHONE)
    if len(found) != 1:
        raise DeviceError(
            f"{len(found)} iPhones are connected, one is needed; unlock it, trust this Mac and turn on its developer mode"
        )
    return await found[0].prepare_for_model_debugging(credentials=AppSigningCredentials(development_team=team))


def _placement(loop: asyncio.AbstractEventLoop, benchmarker: Any) -> dict[str, int] | None:
    """How many operators Core ML plans for each unit, where the system tells (iOS 17.4, macOS 14.4 and later)."""
    try:
        operators = loop.run_until_complete(benchmarker.benchmark_operation_execution(iterations=1))
    except Exception:  # whatever an older system raises, the timing stands without it
        return None
    usages = [op.compute_device_usage for op in operators if op.compute_device_usage is not None]
    return dict(Counter(PLACES.get(type(usage.preferred_compute_device).__name__, "other") for usage in usages))


def _fingerprint(manifest: Manifest, machine: _Machine, phone: Any, version: str) -> dict[str, str | int]:
    return {
        "model": machine.model or _ask("sysctl", "-n", "hw.model"),
        "system": f"iOS {phone.os_version} ({phone.os_build_number})" if phone else f"macOS {platform.mac_ver()[0]}",
        "processor": "" if phone else _ask("sysctl", "-n", "machdep.cpu.brand_string"),
        "runtime": f"coreml, coremltools {version}",
        "compute_units": machine.units,
        "precision": "fp16",
        "threads": 0,
        "batch": manifest.batch,
    }


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
