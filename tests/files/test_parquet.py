from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from vitnas.files import read_parquet, write_parquet

TABLE = pa.table({"ms": [0.5, 1.5], "arch": ["a", "b"]})


def test_what_was_written_is_read_and_other_programs_read_it_too(tmp_path: Path) -> None:
    write_parquet(TABLE, tmp_path / "x.parquet")
    assert read_parquet(tmp_path / "x.parquet").equals(TABLE)
    assert parquet.read_table(tmp_path / "x.parquet").equals(TABLE)


def test_no_thread_of_arrow_waits_for_python(tmp_path: Path, monkeypatch) -> None:
    """One that does, as with a Python file, aborts one in six processes at their end."""
    write_parquet(TABLE, tmp_path / "x.parquet")
    sources = []
    monkeypatch.setattr(parquet, "read_table", lambda source, **_: sources.append(source))
    read_parquet(tmp_path / "x.parquet")
    assert [type(source) for source in sources] == [pa.BufferReader]


def test_a_process_that_read_a_table_ends_well(tmp_path: Path) -> None:
    write_parquet(TABLE, tmp_path / "x.parquet")
    code = "import sys, pathlib; from vitnas.files import read_parquet; read_parquet(pathlib.Path(sys.argv[1]))"
    for _ in range(5):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.parquet")], check=True)
