"""Times the ONNX networks of a bundle, on this machine or on a board that has no vitnas.

    python3 runner.py BUNDLE RESULTS.json

It travels in the bundle, next to protocol.py, and needs Python 3.10, numpy and ONNX Runtime. After a kill
the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

protocol: Any = importlib.import_module("vitnas.latency_lut.protocol" if __package__ else "protocol")
seals: Any = importlib.import_module("vitnas.files.seals" if __package__ else "seals")

NAME = "vitnas runner 1"
Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Times the ONNX networks of a bundle.")
    parser.add_argument("bundle", type=Path, help="folder with manifest.json")
    parser.add_argument("results", type=Path, help="JSON file to write")
    parser.add_argument("--model", default="", help="what this machine is called (default: as its system says)")
    parser.add_argument("--cores", default="", help="cores to keep to, such as 4,5 (default: the fastest)")
    options = parser.parse_args(arguments)
    try:
        run(options.bundle, options.results, options.model, options.cores)
    except (RunnerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


class RunnerError(Exception):
    """What keeps a bundle from being timed here."""


def run(bundle: Path, results: Path, model: str = "", cores: str = "") -> None:
    """Times what is missing, a group at a time, and writes the results when all is there."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    if not seals.holds(manifest):
        raise RunnerError(f"'manifest.json' in '{bundle}' is not as it was written; copy the bundle again")
    manifest.pop(seals.KEY, None)
    if (manifest["version"], manifest["runtime"]) != (1, "onnx"):
        raise RunnerError(
            f"this runner times ONNX bundles of version 1, and '{bundle}' is a bundle of version {manifest['version']} "
            f"for {manifest['runtime']}; use the runner that belongs to it"
        )
    for item in manifest["items"]:
        if not (bundle / item["file"]).is_file():
            raise RunnerError(f"'{item['file']}' is missing in '{bundle}'; copy the bundle again")
        if hashlib.sha256((bundle / item["file"]).read_bytes()).hexdigest() != item["sha256"]:
            raise RunnerError(f"'{item['file']}' in '{bundle}' is not what its manifest says; copy the bundle again")
    fingerprint = describe(manifest, model, pin(cores, max(manifest["threads"], 1)))
    partial = results.with_name(results.name + ".partial.jsonl")
    with open(partial, "a+b", opener=_through_no_link) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunnerError(f"another runner is at work on '{results}'; wait for it") from None
        rows = _resume(file, {"bundle": manifest["id"], "fingerprint": fingerprint})
        for row in measure(bundle, manifest, rows):
            rows[row["id"]] = row
            file.write(json.dumps(seals.sealed(row)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            print(f"{len(rows)}/{len(manifest['items'])} {row['id']} {row['median_ms']:.4f} ms", flush=True)
        document = {
            "format": "vitnas results",
            "version": 1,
            "manifest": manifest,
            "runner": NAME,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),  # noqa: UP017, for Python 3.10
            "fingerprint": fingerprint,
            "items": list(rows.values()),
        }
        draft = results.with_name(f".{results.name}.tmp")
        draft.unlink(missing_ok=True)
        with draft.open("x", encoding="utf-8") as whole:
            json.dump(seals.sealed(document), whole)
        draft.replace(results)
    partial.unlink()


def _through_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def measure(bundle: Path, manifest: dict[str, Any], known: dict[str, Row]) -> Iterator[Row]:
    """Rows of what is not known yet, by the protocol that vitnas uses on its own machine."""
    settings = SimpleNamespace(**manifest["settings"])
    threads = max(manifest["threads"], 1)

    def stopwatch(item: dict[str, Any]) -> Callable[[int], float]:
        session = open_session(bundle / item["file"], threads)
        feed = {session.get_inputs()[0].name: np.random.default_rng(0).standard_normal(item["shape"], dtype=np.float32)}
        clock = protocol.thread_clock if threads == 1 else protocol.wall_clock
        timed: Callable[[int], float] = clock(lambda: session.run(None, feed))
        return timed

    waiting = [item for item in manifest["items"] if item["id"] not in known]
    if not waiting:
        return
    reference = stopwatch(next(item for item in manifest["items"] if item["kind"] == "reference"))
    for start in range(0, len(waiting), settings.group):
        group = waiting[start : start + settings.group]
        for item, timing in zip(group, protocol.measure([stopwatch(i) for i in group], reference, settings)):  # noqa: B905
            row = asdict(timing)
            yield {"id": item["id"], **{k: v for k, v in row.items() if v is not None and k != "provenance"}}


def open_session(path: Path, threads: int) -> Any:
    """A session as vitnas opens them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def describe(manifest: dict[str, Any], model: str, cores: str) -> dict[str, str | int]:
    """All that a timing depends on besides the network."""
    return {
        "model": model or _model(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "compute_units": f"cpu {cores}" if cores else "cpu",
        "precision": "fp32",
        "threads": max(manifest["threads"], 1),
        "batch": manifest["batch"],
        "clock": "thread" if manifest["threads"] <= 1 else "wall",
    }


def pin(cores: str, threads: int) -> str:
    """Keeps this process to some cores and says which: those given, or the fastest that are allowed."""
    if not hasattr(os, "sched_setaffinity"):
        return ""
    allowed = os.sched_getaffinity(0)
    try:
        wanted = {int(core) for core in cores.split(",")} if cores else set()
    except ValueError:
        raise RunnerError(f"cores are numbers with commas between them, such as 4,5; got '{cores}'") from None
    if len(allowed) < threads or (cores and not (wanted <= allowed and len(wanted) >= threads)):
        raise RunnerError(
            f"{threads} threads need as many cores, and this process may use {sorted(allowed)}; got --cores '{cores}'"
        )
    kept = wanted or set(sorted(allowed, key=lambda core: (-_top_speed(core), -core))[:threads])
    os.sched_setaffinity(0, kept)
    return ",".join(map(str, sorted(kept)))


def _top_speed(core: int) -> int:
    try:
        return int(Path(f"/sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _model() -> str:
    """A board's name from its device tree, or the processor's."""
    try:
        return Path("/proc/device-tree/model").read_text(encoding="utf-8").strip("\0 \n")
    except OSError:
        return _processor()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return named[0] if named else platform.processor() or platform.machine()


def _resume(file: Any, terms: dict[str, Any]) -> dict[str, Row]:
    """Rows of an earlier run on the same terms; a line that a kill cut short is dropped."""
    file.seek(0)
    first, *lines = file.read().split(b"\n")
    head = json.dumps(terms, sort_keys=True).encode()
    rows: dict[str, Row] = {}
    if first == head:
        for line in lines[:-1]:
            try:
                row = json.loads(line)
                if seals.holds(row):
                    rows[row["id"]] = {key: value for key, value in row.items() if key != seals.KEY}
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
    file.truncate(0)
    file.write(
        b"".join(line + b"\n" for line in [head, *(json.dumps(seals.sealed(row)).encode() for row in rows.values())])
    )
    file.flush()
    return rows


if __name__ == "__main__":
    sys.exit(main())
