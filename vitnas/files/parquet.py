"""Parquet files with a seal over every byte, and a checksum of each page for other programs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from vitnas.errors import DataError
from vitnas.files.seals import BLANK, KEY, bytes_hold, seal_bytes
from vitnas.files.whole import not_as_written, write_bytes


def write_parquet(table: Any, path: Path) -> None:
    """Replaces a file by a `pyarrow.Table` in one step."""
    from pyarrow import parquet

    content = io.BytesIO()
    with parquet.ParquetWriter(content, table.schema, write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({KEY: BLANK})
    write_bytes(path, seal_bytes(content.getvalue()))


def read_parquet(path: Path) -> Any:
    """The `pyarrow.Table` of a file; `DataError` of one that was changed, what pyarrow raises of one that is none."""
    from pyarrow import BufferReader, parquet

    content = path.read_bytes()
    if not bytes_hold(content):
        raise DataError(not_as_written(path))
    # Without threads: those of Arrow, still starting or at work when a process ends, abort it.
    with parquet.ParquetFile(BufferReader(content), page_checksum_verification=True, pre_buffer=False) as file:
        return file.read(use_threads=False)
