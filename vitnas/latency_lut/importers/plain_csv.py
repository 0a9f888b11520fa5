"""Plain CSV: a line a layer or network, and columns that carry their unit in their name.

    layer,median_ms,iqr_ms,min_ms,p90_ms,blocks,arch

`layer` is the one line that names a layer (`LayerSpec.key`), empty for a call that computes nothing; or it is
left empty and `arch` holds a whole network as JSON. Only `layer` and the median are needed. Times may be
in s, ms, us or ns.
"""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from vitnas.errors import DeviceError, VitnasError
from vitnas.latency_lut.importers.foreign import ForeignTable, milliseconds
from vitnas.latency_lut.protocol import Timing
from vitnas.search_spaces import Arch

UNITS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
TIMES = ("median", "iqr", "min", "p90")
EXAMPLE = "layer,median_ms,iqr_ms,min_ms,p90_ms,blocks,arch"


def read_csv(path: Path) -> ForeignTable:
    """Reads a table, or says which line or column is wrong."""
    try:
        lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except FileNotFoundError:
        raise DeviceError(f"'{path}' does not exist; check the path") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DeviceError(f"'{path}' is no CSV file: {error}; its first line should be {EXAMPLE}") from None
    if not lines:
        raise DeviceError(f"'{path}' has no rows; its first line should be {EXAMPLE}, with a layer in each of the next")
    columns = _columns(path, [name for name in lines[0] if name is not None])
    rows: dict[str, Timing] = {}
    networks: dict[Arch, Timing] = {}
    for i, line in enumerate(lines, start=2):
        where = f"'{path}', line {i}"
        timing = _timing(where, line, columns)
        layer, arch = line["layer"] or "", line.get("arch") or ""
        if layer and arch:
            raise DeviceError(
                f"{where}: a line is a layer or a whole network, but both columns are filled; leave one empty"
            )
        if arch:
            key = _arch(where, arch)
            if key in networks:
                raise DeviceError(f"{where}: this arch stands in the file twice; keep one line")
            networks[key] = timing
        elif layer in rows:
            raise DeviceError(f"{where}: layer '{layer}' stands in the file twice; keep one line")
        else:
            rows[layer] = timing
    return ForeignTable(f"'{path}'", rows, tuple(networks.items()))


def _columns(path: Path, names: list[str]) -> dict[str, tuple[str, float]]:
    """Which column holds each time, and its unit in milliseconds."""
    found: dict[str, tuple[str, float]] = {}
    for name in names:
        match = re.fullmatch(rf"({'|'.join(TIMES)})(?:_(\w+))?", name)
        if match is None and name not in ("layer", "arch", "blocks"):
            raise DeviceError(f"'{path}': unknown column '{name}'; its first line should be {EXAMPLE}")
        if match is None:
            continue
        if match[2] not in UNITS:
            raise DeviceError(
                f"'{path}': column '{name}' must end in its unit, one of {', '.join('_' + u for u in UNITS)}: "
                f"'{match[1]}_ms' if these are milliseconds"
            )
        if match[1] in found:
            raise DeviceError(f"'{path}': columns '{found[match[1]][0]}' and '{name}' are the same time; keep one")
        found[match[1]] = (name, UNITS[match[2]])
    missing = [name for name in ("layer", "median") if name not in {*names, *found}]
    if missing:
        shown = ", ".join("median_ms" if name == "median" else name for name in missing)
        raise DeviceError(f"'{path}' lacks the column {shown}; it has {names}, and should begin with {EXAMPLE}")
    return found


def _timing(where: str, line: dict[str, str | None], columns: dict[str, tuple[str, float]]) -> Timing:
    def number(name: str, text: str | None) -> float:
        try:
            return milliseconds(where, name, float(text or ""))
        except ValueError:
            raise DeviceError(f"{where}: {name} must be a number, got '{text or ''}'; correct the file") from None

    times = {time: number(name, line[name]) * unit for time, (name, unit) in columns.items()}
    median_ms = times["median"]
    return Timing(
        median_ms=median_ms,
        iqr_ms=times.get("iqr", 0.0),
        min_ms=times.get("min", median_ms),
        p90_ms=times.get("p90", median_ms),
        blocks=int(number("blocks", line["blocks"])) if line.get("blocks") else 1,
        reference_ms=0.0,
        provenance="imported",
    )


def _arch(where: str, text: str) -> Arch:
    try:
        return Arch.from_json(json.loads(text))
    except (json.JSONDecodeError, VitnasError) as error:
        raise DeviceError(f"{where}: column 'arch' holds no arch: {error}") from None
