"""A latency table as a parquet file, and everything that can be wrong with one.

One row a layer; the columns are described in docs/latency-tables.md. The schema's metadata hold the `Header`
as JSON under ``vitnas.latency`` and the version of this format under ``vitnas.format``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from vitnas.errors import DataError, DeviceError
from vitnas.files import read_parquet, refuse_other, write_parquet
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.rows import COUNTS, Header, Row
from vitnas.search_spaces import LayerSpec
from vitnas.search_spaces.precision import FULL

FORMAT = "2"
TIMES = ("median_ms", "iqr_ms", "min_ms", "p90_ms", "reference_ms")
COLUMNS = {
    "kind": "string",
    "key": "string",
    "spec": "string",
    **dict.fromkeys(TIMES, "double"),
    "blocks": "int64",
    "provenance": "string",
    **dict.fromkeys(COUNTS, "int64"),
    "residual_ms": "double",
    "energy_mj": "double",
    "peak_bytes": "int64",
}
OPTIONAL = ("energy_mj", "peak_bytes")
"""Columns that are empty where a platform does not tell."""
SIGNED = ("residual_ms",)
BITOPS = "bitops"
"""A column that tables of before lack: all their layers are in float."""
REMEDY = "measure it anew with `vitnas profile`, or take a good copy"


def write_rows(header: Header, rows: Sequence[Row], path: Path) -> None:
    """Replaces a file in one step."""
    import pyarrow

    fields = [
        pyarrow.field(name, pyarrow.type_for_alias(kind), nullable=name in OPTIONAL) for name, kind in COLUMNS.items()
    ]
    metadata = {"vitnas.format": FORMAT, "vitnas.latency": msgspec.json.encode(header).decode()}
    records = [_record(row) for row in rows]
    columns = pyarrow.Table.from_pylist(records, schema=pyarrow.schema(fields, metadata=metadata))
    refuse_other_table(path)
    write_parquet(columns, path)


def refuse_other_table(path: Path) -> None:
    """Refuses to replace what is no latency table."""
    refuse_other(path, b"vitnas.latency", "latency table")


def read_rows(path: Path) -> tuple[Header, tuple[Row, ...]]:
    """Header and rows of a file, or a `DeviceError` that says what is wrong with it."""
    import pyarrow
    import pyarrow.compute

    if not path.is_file():
        raise DeviceError(f"latency table '{path}' does not exist; make it with `vitnas profile`, or check the path")
    try:
        found = read_parquet(path)
        if BITOPS not in found.schema.names and "macs" in found.schema.names:
            bitops = pyarrow.compute.multiply(found["macs"], FULL * FULL)
            found = found.append_column(BITOPS, bitops)
        records = found.to_pylist()
        metadata = {k.decode(): v.decode() for k, v in (found.schema.metadata or {}).items()}
    except DataError as error:
        raise DeviceError(str(error)) from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DeviceError(f"latency table '{path}' is damaged or no parquet file: {error}; {REMEDY}") from None
    header = _header(path, metadata)
    _check_columns(path, {name: str(kind) for name, kind in zip(found.schema.names, found.schema.types, strict=True)})
    rows = tuple(_row(f"'{path}', row {i}", record) for i, record in enumerate(records))
    seen: dict[LayerSpec, int] = {}
    for i, row in enumerate(rows):
        if row.spec in seen:
            raise DeviceError(f"'{path}', rows {seen[row.spec]} and {i}: both are '{row.spec.key}'; {REMEDY}")
        seen[row.spec] = i
    return header, rows


def _record(row: Row) -> dict[str, Any]:
    return {
        "kind": row.spec.kind,
        "key": row.spec.key,
        "spec": json.dumps(row.spec.to_json()),
        **{name: getattr(row.timing, name) for name in (*TIMES, "blocks", "provenance", *OPTIONAL)},
        **{name: getattr(row, name) for name in (*COUNTS, *SIGNED)},
    }


def _header(path: Path, metadata: Mapping[str, str]) -> Header:
    version = metadata.get("vitnas.format")
    if version is None or "vitnas.latency" not in metadata:
        raise DeviceError(f"'{path}' is a parquet file, but no latency table of vitnas: it has no header; {REMEDY}")
    if version != FORMAT:
        raise DeviceError(
            f"latency table '{path}' has format {version}, this vitnas reads format {FORMAT}; "
            "use the vitnas that wrote it, or measure it anew with `vitnas profile`"
        )
    try:
        header = msgspec.json.decode(metadata["vitnas.latency"], type=Header)
    except msgspec.DecodeError as error:  # a wrong type is one as well
        raise DeviceError(f"latency table '{path}' has a damaged header: {error}; {REMEDY}") from None
    numbers = {
        "max_mape": header.max_mape,
        "reference_ms": header.reference_ms,
        "overhead_ms": header.overhead_ms,
        "intercept_ms": header.calibration.intercept_ms,
        "slope": header.calibration.slope,
    }
    for name, value in numbers.items():
        if not 0 <= value < math.inf:
            raise DeviceError(f"'{path}', header: {name} must be finite and not negative, got {value}; {REMEDY}")
    return header


def _check_columns(path: Path, kinds: Mapping[str, str]) -> None:
    missing = [name for name in COLUMNS if name not in kinds]
    if missing:
        raise DeviceError(f"latency table '{path}' lacks the columns {missing}; it has {list(kinds)}; {REMEDY}")
    for name, kind in COLUMNS.items():
        empty = name in OPTIONAL and kinds[name] == "null"
        if kinds[name] != kind and not empty:
            raise DeviceError(f"latency table '{path}': column '{name}' must be {kind}, got {kinds[name]}; {REMEDY}")


def _row(where: str, record: Mapping[str, Any]) -> Row:
    for name, kind in COLUMNS.items():
        value = record[name]
        if value is None and name in OPTIONAL:
            continue
        least = -math.inf if name in SIGNED else 0
        if value is None or (kind != "string" and not (math.isfinite(value) and value >= least)):
            rule = "a text" if kind == "string" else "finite" if name in SIGNED else "finite and not negative"
            raise DeviceError(f"{where}: {name} must be {rule}, got {value}; {REMEDY}")
    try:
        spec = LayerSpec.from_json(json.loads(record["spec"]))
        timing = msgspec.convert({name: record[name] for name in (*TIMES, "blocks", "provenance", *OPTIONAL)}, Timing)
    except (ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise DeviceError(f"{where}: {error}; {REMEDY}") from None
    if record["key"] != spec.key:
        raise DeviceError(f"{where}: key '{record['key']}' does not name the layer '{spec.key}'; {REMEDY}")
    return Row(spec, timing, **{name: record[name] for name in (*COUNTS, *SIGNED)})
