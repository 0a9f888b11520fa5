"""Networks found elsewhere, as somebody wrote their figures into a file: CSV or JSON."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitnas.errors import DataError
from vitnas.files import read_json
from vitnas.nas.quantity import Quantity
from vitnas.search_spaces.answers import metrics

QUANTITIES = (
    *metrics(), "loss", "score", "latency_ms", "energy_mj", "num_params", "macs", "weight_bytes", "activation_bytes", "bitops",
)  # fmt: skip
"""Columns that are read, alone or with a device such as ``latency_ms@iphone12``; others, such as a source, are not."""


@dataclass(frozen=True)
class Baseline:
    """A network by name, with figures named as vitnas names them: accuracy, latency_ms, latency_ms@iphone12, macs."""

    name: str
    figures: Mapping[str, float]


def read_baselines(path: Path) -> list[Baseline]:
    """Reads a table with a column ``name``, or a JSON list of objects with such a key; empty figures are left out."""
    rows = _rows(path)
    if not rows:
        raise DataError(f"'{path}' has no baselines; write a line each, under name,accuracy,latency_ms")
    return [_baseline(row, f"'{path}', baseline {number}") for number, row in enumerate(rows, 1)]


def _rows(path: Path) -> list[Mapping[str, Any]]:
    if path.suffix.lower() == ".json":
        data = read_json(path)
        if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
            raise DataError(f'\'{path}\' is no list of baselines; write [{{"name": ..., "accuracy": 0.8, ...}}, ...]')
        return data
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f"'{path}' does not exist; give --baselines a CSV or JSON file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' cannot be read: {error}; give --baselines a CSV or JSON file") from None


def _baseline(row: Mapping[str, Any], where: str) -> Baseline:
    name = row.get("name")
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"{where} has no name; give the column 'name'")
    figures = {
        key: _number(value, f"{where} ({name}): {key}")
        for key, value in row.items()
        if str(Quantity.parse(str(key)).without_device) in QUANTITIES and value not in (None, "")
    }
    for metric in metrics():
        if not 0 <= figures.get(metric, 0) <= 1:
            raise DataError(
                f"{where} ({name}): {metric} {figures[metric]:g} is not between 0 and 1; write 0.813 or 81.3%"
            )
    return Baseline(name.strip(), figures)


def _number(value: Any, where: str) -> float:
    text = str(value).strip()
    try:
        found = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise DataError(f"{where} is {value!r}, which is no number; leave it empty where it is not known")
    return found
