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


def test_no_thread_of_arrow_works_at_a_file(tmp_path: Path, monkeypatch) -> None:
    """One that is still at work when a process ends aborts it; over half of such processes, where it was tried."""
    write_parquet(TABLE, tmp_path / "x.parquet")
    given = []
    real = parquet.ParquetFile.read
    monkeypatch.setattr(parquet.ParquetFile, "read", lambda file, **how: given.append(how) or real(file, **how))
    assert read_parquet(tmp_path / "x.parquet").equals(TABLE)
    assert given == [{"use_threads": False}]


def test_a_process_that_read_a_table_ends_well(tmp_path: Path) -> None:
    write_parquet(TABLE, tmp_path / "x.parquet")
    code = "import sys, pathlib; from vitnas.files import read_parquet; read_parquet(pathlib.Path(sys.argv[1]))"
    for _ in range(8):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.parquet")], check=True)
