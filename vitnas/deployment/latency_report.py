"""Latencies in `report.json`: written flat, read again strictly, and as rows of a table for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from vitnas.deployment.agreement import Agreement, Predicted
from vitnas.errors import DataError, ExportError, VitnasError
from vitnas.files import read_json
from vitnas.latency_lut.sitting import Sitting
from vitnas.search_spaces import Blueprint, LayerSpec

COLUMNS = ("device", "predicted", "measured", "machine", "at the speed then", "limit")
"""Of `latency_rows`."""


def describe(one: Agreement) -> dict[str, Any]:
    """Flat, as `report.json` has it."""
    predicted, reading = one.predicted, one.reading
    found: dict[str, Any] = {}
    if predicted is not None:
        found |= {"predicted_ms": predicted.ms, "predicted_std_ms": predicted.std_ms, "predicted_from": predicted.how}
        found |= {"limit_ms": predicted.limit_ms}
    if reading is not None:
        found |= {"measured_ms": reading.raw_ms, "measured_std_ms": reading.within_ms, "pace": reading.pace}
        found |= {"then_ms": reading.ms, "then_std_ms": reading.std_ms, "busy": reading.busy, "tries": one.tries}
    if one.sitting is not None:
        found["sitting"] = _sitting_to_json(one.sitting)
    return found | {"agrees": one.agrees, "limit_kept": one.limit_kept, "remarks": list(one.remarks())}


class _Told(msgspec.Struct):
    """What is read again of a device's entry in `report.json`."""

    class PastSitting(msgspec.Struct):
        took_ms: Annotated[float, msgspec.Meta(gt=0)]
        created: str = ""
        of: str = "table"
        fingerprint: dict[str, str | int] = {}
        reference: list[dict[str, Any]] | None = None

    predicted_ms: float | None = None
    predicted_std_ms: float = 0.0
    predicted_from: str = "table"
    limit_ms: float | None = None
    then_ms: float | None = None
    then_std_ms: float = 0.0
    sitting: _Told.PastSitting | None = None


def told_by(report: Mapping[str, Any], device: str) -> tuple[Predicted | None, Sitting | None]:
    """What an export says of a device: its prediction, or else what it measured, and the sitting to compare with."""
    entry = report.get("latency", {}).get(device)
    if entry is None:
        ms = report["predicted_latency_ms"].get(device, report["measured_latency_ms"].get(device))
        how = "table" if device in report["predicted_latency_ms"] else "measured by the export"
        return (Predicted(ms, how=how) if ms is not None else None), None
    try:
        told = msgspec.convert(entry, _Told)
        numbers = (told.predicted_ms, told.predicted_std_ms, told.limit_ms, told.then_ms, told.then_std_ms)
        took_ms = told.sitting.took_ms if told.sitting is not None else None
        if not all(number is None or 0 <= number < math.inf for number in (*numbers, took_ms)):
            raise ExportError("a latency must be finite and not negative")
        sitting = None
        if told.sitting is not None:
            then = told.sitting
            sitting = Sitting(then.took_ms, _blueprint(then.reference), then.fingerprint, then.created, then.of)
    except (msgspec.ValidationError, VitnasError, KeyError, ValueError, TypeError) as error:
        raise ExportError(f"report.json, latency on '{device}': {error}; export the network anew") from None
    if told.predicted_ms is not None:
        return Predicted(told.predicted_ms, told.predicted_std_ms, told.predicted_from, told.limit_ms), sitting
    if told.then_ms is not None:
        return Predicted(told.then_ms, told.then_std_ms, "measured by the export", told.limit_ms), sitting
    return None, sitting


def _sitting_to_json(sitting: Sitting) -> dict[str, Any]:
    return {
        "of": sitting.of,
        "created": sitting.created,
        "took_ms": sitting.took_ms,
        "reference": sitting.reference.to_json() if sitting.reference is not None else None,
        "fingerprint": sitting.fingerprint,
    }


def latency_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """`COLUMNS` of every device that a report, of any age, or `verify` speaks of."""
    told = report.get("latency", {})
    predicted, measured = report["predicted_latency_ms"], report["measured_latency_ms"]
    rows: list[tuple[str, ...]] = []
    for device in dict.fromkeys([*predicted, *measured, *told]):
        one = told.get(device, {})
        limit_ms, kept = one.get("limit_ms"), one.get("limit_kept")
        words = {None: "", True: " kept", False: " not kept"}[kept]
        rows.append(
            (
                device,
                _figure(predicted.get(device), one.get("predicted_std_ms")),
                _figure(measured.get(device), None),
                _machine(one) if device in measured else "-",
                _figure(one.get("then_ms"), one.get("then_std_ms")) if one.get("pace") is not None else "-",
                "-" if limit_ms is None else f"{limit_ms:g}{words}",
            )
        )
    return rows


def latency_remarks(report: Mapping[str, Any]) -> list[str]:
    """What is to be known of these figures, a line each."""
    return [f"{device}: {text}" for device, one in report.get("latency", {}).items() for text in one["remarks"]]


class _Shown(msgspec.Struct):
    """What is shown of a report, whoever wrote it."""

    class Latency(msgspec.Struct):
        predicted_std_ms: float | None = None
        limit_ms: float | None = None
        limit_kept: bool | None = None
        then_ms: float | None = None
        then_std_ms: float | None = None
        pace: float | None = None
        busy: bool | None = None
        remarks: list[str] = []

    arch_id: str
    predicted_latency_ms: dict[str, float]
    measured_latency_ms: dict[str, float]
    latency: dict[str, _Shown.Latency] = {}


def shown_latencies(file: Path) -> dict[str, Any] | None:
    """Arch, columns, rows and remarks of a `report.json`; None for what is no report of a network."""
    try:
        report = msgspec.to_builtins(msgspec.convert(read_json(file), _Shown))
    except (msgspec.ValidationError, DataError, OSError):
        return None
    rows = latency_rows(report)
    return (
        {"arch": report["arch_id"], "columns": COLUMNS, "rows": rows, "remarks": latency_remarks(report)}
        if rows
        else None
    )


def _figure(ms: float | None, std_ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.3f}" + (f" ± {std_ms:.2g}" if std_ms else "")


def _machine(one: Mapping[str, Any]) -> str:
    pace = one.get("pace")
    if pace is None:
        return "not known"
    change = f"{abs(pace - 1):.0%} {'slower' if pace > 1 else 'faster'}".replace("%", " %")
    return f"{change}, busy" if one.get("busy") else change


def _blueprint(rows: Sequence[Mapping[str, Any]] | None) -> Blueprint | None:
    if rows is None:
        return None
    return Blueprint(tuple(str(row["site"]) for row in rows), tuple(LayerSpec.from_json(dict(row)) for row in rows))
