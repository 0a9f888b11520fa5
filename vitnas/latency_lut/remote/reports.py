"""Figures that people bring by hand: Xcode's performance reports and plain CSV, named by the items of a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from vitnas.errors import DeviceError, suggest
from vitnas.latency_lut.importers.plain_csv import read_csv
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.remote.manifest import Manifest, read_manifest
from vitnas.latency_lut.remote.results import RUNTIMES, Results, check_fingerprint, read_results, timing_of

COMPUTE_UNITS = ("cpu", "cpu and gpu", "all", "cpu and neural engine")
"""As Core ML numbers them."""


def read_figures(path: Path, bundle: Path | None = None) -> Results:
    """Reads a runner's JSON, a CSV file, an Xcode report, or a folder of such reports.

    Args:
        path: what came back.
        bundle: the folder that was measured; a runner's JSON does without.
    """
    if path.suffix == ".json" and path.name != "report.json":
        return read_results(path, bundle)
    if bundle is None:
        raise DeviceError(f"'{path}' names items of a bundle; say which one with --bundle DIR")
    manifest = read_manifest(bundle)
    if path.suffix == ".csv":
        return _from_csv(path, manifest)
    if path.is_dir() or path.name == "report.json" or path.suffix == ".mlperf":
        return _from_xcode(path, manifest)
    raise DeviceError(
        f"'{path}' is none of what can be imported: a runner's .json, a .csv, an Xcode report .mlperf, or a folder of these reports"
    )


def _from_csv(path: Path, manifest: Manifest) -> Results:
    table = read_csv(path)
    if table.networks:
        raise DeviceError(
            f"'{path}': networks of a bundle are named in column 'layer' by their item; leave 'arch' empty"
        )
    for name, timing in table.rows.items():
        if not timing.median_ms > 0:
            raise DeviceError(
                f"'{path}', item '{name}': the median must be above zero, got {timing.median_ms:g}; measure it again"
            )
    fingerprint: dict[str, str | int] = {
        "model": "not told",
        "system": "not told",
        "runtime": f"{RUNTIMES[manifest.runtime]}, version not told",
        "precision": "not told",
        "threads": manifest.threads,
        "batch": manifest.batch,
        "runner": f"CSV {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}",
    }
    return Results(f"'{path}'", manifest, fingerprint, *_known(f"'{path}'", manifest, table.rows))


class _Model(msgspec.Struct):
    name: str = msgspec.field(name="fileName")


class _ReportedPhone(msgspec.Struct):
    model: str = msgspec.field(name="modelName")
    system: str = msgspec.field(name="osNameAndVersionWithoutBuildNumber")


class _Predictions(msgspec.Struct):
    samples_s: tuple[float, ...] = msgspec.field(name="samples")


class _Measured(msgspec.Struct):
    predict: _Predictions


class _Report(msgspec.Struct):
    """The part of report.json inside ``NAME.mlperf`` (Xcode 16) that is needed; Apple documents none of it."""

    model: _Model = msgspec.field(name="modelMetadata")
    phone: _ReportedPhone = msgspec.field(name="deviceInfo")
    unit: int = msgspec.field(name="computeUnit")
    measured: _Measured = msgspec.field(name="deviceResults")


def _from_xcode(path: Path, manifest: Manifest) -> Results:
    if manifest.runtime != "coreml":
        raise DeviceError(
            f"'{path}' is of Core ML, the bundle for {RUNTIMES[manifest.runtime]}; name the bundle that Xcode measured"
        )
    if path.is_file():
        files = [path]
    elif (path / "report.json").is_file():
        files = [path / "report.json"]
    else:
        files = sorted(path.glob("*.mlperf/report.json"))
    if not files:
        raise DeviceError(f"'{path}' has no report.json; export reports from Xcode's Performance tab into one folder")
    rows: dict[str, Timing] = {}
    fingerprints: dict[str, dict[str, str | int]] = {}
    for file in files:
        where = f"'{file}'"
        report = _read_report(file)
        name = Path(report.model.name).stem
        if name in rows:
            raise DeviceError(f"{where}: a second report of '{name}'; keep one")
        if not 0 <= report.unit < len(COMPUTE_UNITS):
            raise DeviceError(f"{where}: unknown compute unit {report.unit}; export the report with Xcode 16")
        rows[name] = timing_of(
            f"{where}, item '{name}'", [s * 1e3 for s in report.measured.predict.samples_s], provenance="imported"
        )
        fingerprint: dict[str, str | int] = {
            "model": report.phone.model,
            "system": report.phone.system,
            "runtime": "coreml",
            "compute_units": COMPUTE_UNITS[report.unit],
            "precision": "fp16",
            "threads": 0,
            "batch": manifest.batch,
        }
        fingerprints[where] = check_fingerprint(where, manifest, fingerprint)
    (first, shared), *others = fingerprints.items()
    for where, fingerprint in others:
        if fingerprint != shared:
            raise DeviceError(
                f"{where} was measured on {fingerprint}, {first} on {shared}; figures of different machines never mix, so "
                "import them one machine at a time"
            )
    return Results(
        f"'{path}'", manifest, {**shared, "runner": "Xcode performance report"}, *_known(f"'{path}'", manifest, rows)
    )


def _read_report(file: Path) -> _Report:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Report)
    except OSError as error:
        raise DeviceError(f"'{file}' cannot be read: {error.strerror}; export the report again") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise DeviceError(
            f"'{file}' is no performance report as Xcode 16 writes it: {error}; bring its medians as CSV instead, with the "
            "columns layer and median_ms"
        ) from None


def _known(where: str, manifest: Manifest, rows: Mapping[str, Timing]) -> tuple[dict[str, Timing], dict[str, str]]:
    """The rows and what is missing; people need not measure every item by hand."""
    ids = [item.id for item in manifest.items]
    for name in rows:
        if name not in ids:
            raise DeviceError(f"{where}: the bundle has no item '{name}'; {suggest(name, ids[:8])}")
    return dict(rows), {name: "not among the figures" for name in ids if name not in rows}
