"""Tables of other engines and tools, a file each; third parties add theirs through `vitnas.foreign_tables`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vitnas.latency_lut.importers.foreign import ForeignTable, import_table
from vitnas.registry import Registry

FOREIGN_TABLES: Registry[Callable[[Path], ForeignTable]] = Registry(
    "foreign table",
    "vitnas.foreign_tables",
    {
        "csv": "vitnas.latency_lut.importers.plain_csv:read_csv",
        "ofa": "vitnas.latency_lut.importers.ofa:read_ofa",
    },
)


def read_foreign(format_: str, path: Path) -> ForeignTable:
    """The rows of a file in one of the formats of `FOREIGN_TABLES`."""
    return FOREIGN_TABLES.load(format_)(path)


__all__ = ["FOREIGN_TABLES", "ForeignTable", "import_table", "read_foreign"]
