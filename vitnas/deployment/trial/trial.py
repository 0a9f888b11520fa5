"""A page that classifies photographs with the ONNX file of an export, in the browser that opens it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from vitnas.deployment.exporters.onnx import Onnx
from vitnas.deployment.judged import metric_in, title_in
from vitnas.errors import DeviceError, ExportError
from vitnas.files import as_listed
from vitnas.latency_lut.browser.device import PAGE
from vitnas.latency_lut.browser.onnxruntime_web import SCRIPTS, missing, runtime_files
from vitnas.latency_lut.browser.server import PageServer, ServedFiles
from vitnas.search_spaces import Task
from vitnas.supernets.judgement import ACCURACY
from vitnas.supernets.weights.exported import input_shape, read_report

HERE = Path(__file__).parent
NETWORK = "network.onnx"
"""How the page asks for it."""


class TryPage(PageServer):
    """Serves one export; photographs stay in the browser."""

    def __init__(self, folder: Path, say: Callable[[str], None], lan: bool = False, port: int = 0) -> None:
        """Listens from now on.

        Args:
            folder: of one network, as `vitnas export` writes it, with format onnx among its formats.
            say: told before ONNX Runtime Web is fetched.
            lan: whether other machines of the network may open the page.
            port: 0 takes any that is free.
        """
        report = read_report(folder)
        network = _network(folder, report)
        if why := missing("wasm"):
            raise DeviceError(f"'{folder}' cannot be tried in a browser: {why}")
        files: dict[str, bytes | Path] = dict(runtime_files("wasm", say))
        files |= {name: PAGE / name for name in ("facts.js", "worker.js", "page.css")}
        files |= {"index.html": HERE / "try.html"}
        files |= {name: HERE / name for name in ("try.js", "pixels.js", "resample.js")}
        files |= {NETWORK: network, "facts.json": json.dumps(_facts(report)).encode()}
        super().__init__(ServedFiles(files, {}), lan, port)


def _network(folder: Path, report: dict[str, Any]) -> Path:
    """The ONNX file, as it was written."""
    if "exports" in report:
        names = ", ".join(report["exports"])
        raise ExportError(f"'{folder}' holds several exports; name the folder of one of them: {names}")
    if metric_in(report) != ACCURACY:
        raise ExportError(
            f"'{folder}' is judged by {title_in(report)}, and the page shows one class an image; run its files as its README.md shows"
        )
    if Onnx.name not in report["formats"]:
        raise ExportError(
            f"'{folder}' has formats {', '.join(report['formats'])}, and a browser runs {Onnx.name}; export the network with "
            f"`--format {Onnx.name}` as well"
        )
    path = folder / str(report["formats"][Onnx.name]["file"])
    if not path.is_file() or path.is_symlink() or as_listed(path) is False:
        raise ExportError(f"'{path}' is not as it was written, or is missing; export the network anew")
    return path


def _facts(report: dict[str, Any]) -> dict[str, Any]:
    """What the page must know to prepare a photograph and to name what the network answers."""
    task = msgspec.convert(report["task"], Task)
    channels, mean, std = task.in_channels, report["normalisation"]["mean"], report["normalisation"]["std"]
    if channels not in (1, 3) or not len(mean) == len(std) == channels:
        raise ExportError(
            f"the network takes images of {channels} channels with {len(mean)} means and {len(std)} deviations; photographs "
            "have 1 or 3 channels, and as many of both"
        )
    return {
        "script": SCRIPTS["wasm"],
        "network": NETWORK,
        "title": f"{report['space']['name']}, arch {report['arch_id']}",
        "dataset": report["dataset"],
        "classes": list(report["classes"]),
        "height": input_shape(report)[1],
        "width": input_shape(report)[2],
        "fit": report.get("division", {}).get("fit", "crop"),
        "channels": channels,
        "mean": mean,
        "std": std,
        "measured_ms": report["measured_latency_ms"],
    }
