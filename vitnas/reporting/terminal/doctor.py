"""What this machine has, and what each missing piece would add."""

from __future__ import annotations

import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.markup import escape

from vitnas import __version__
from vitnas.extras import CORE, EXTRAS, installed
from vitnas.latency_lut.runtimes.saturation import onnx_runtime_test, openvino_test, weight_range
from vitnas.reporting.terminal.tables import console, print_table
from vitnas.run import processor

LEAST_FREE_GB = 2.0


def examine(folder: Path = Path()) -> dict[str, Any]:
    """Versions, processor, memory, GPU, disk, and sentences on what is missing."""
    packages = {name: _version(name) for name in CORE}
    extras = [
        {
            "package": extra.distribution,
            "version": _version(extra.distribution),
            "extra": extra.name,
            "adds": extra.adds,
        }
        for extra in EXTRAS.values()
    ]
    free = shutil.disk_usage(folder).free / 1e9
    return {
        "vitnas": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        **_torch(),
        "int8": _int8(),
        "memory_gb": _memory_gb(),
        "free_disk_gb": round(free, 1),
        "packages": packages,
        "extras": extras,
        "problems": [
            *(
                f"package {name} is missing; `pip install vitnas` brings it"
                for name, version in packages.items()
                if not version
            ),
            *(
                [f"only {free:.1f} GB are free here; a run takes up to {LEAST_FREE_GB:g}"]
                if free < LEAST_FREE_GB
                else []
            ),
        ],
    }


def print_examination(found: dict[str, Any]) -> None:
    """The machine, the packages, and what would add what."""
    out = console()
    threads = f", torch takes {found['threads']}" if found["threads"] else ""
    gpu = ", ".join(found["gpus"]) or "none that torch can use"
    lines = {
        "vitnas": f"{found['vitnas']} on Python {found['python']}, {found['system']}",
        "processor": f"{found['processor']}, {found['cores']} cores for this process{threads}",
        "int8": "; ".join(found["int8"].values()) or "no runtime to test",
        "memory": f"{found['memory_gb']} GB" if found["memory_gb"] else "unknown",
        "GPU": gpu,
        "free disk": f"{found['free_disk_gb']} GB here",
        "packages": ", ".join(f"{name} {version}" for name, version in found["packages"].items() if version),
    }
    for name, text in lines.items():
        out.print(f"{name:<10} {text}", markup=False, soft_wrap=True)
    out.print()
    rows = [
        (extra["package"], extra["version"] or escape(f"pip install 'vitnas[{extra['extra']}]'"), extra["adds"])
        for extra in found["extras"]
    ]
    print_table(("extra", "version", "adds"), (), rows)
    for problem in found["problems"]:
        out.print(f"problem: {problem}", markup=False)
    if not found["problems"]:
        out.print("\nReady. `vitnas devices` says what can be measured here.", markup=False)


def _int8() -> dict[str, str]:
    """How wide the weights of int8 files should be here, by runtime, and why."""
    found = {}
    for name, test in {"onnxruntime": onnx_runtime_test, "openvino": openvino_test}.items():
        if _version(name):
            try:
                found[name] = f"{weight_range('auto', test())} ({test().runtime})"
            except Exception as error:  # a broken installation is what this command is there to show
                found[name] = f"the self-test of {name} failed: {error}"
    return found


def _torch() -> dict[str, Any]:
    if not installed("torch"):
        return {"threads": None, "gpus": []}
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"threads": torch.get_num_threads(), "gpus": gpus}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError, AttributeError):
        return None
