from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.files.test_full_disk import no_file_beyond
from vitnas.errors import DiskError
from vitnas.files.records import SEAL_BYTES, SealedRecords


def content(number: int, length: int = 64) -> bytes:
    return np.random.default_rng(number).bytes(length)


def read(records: SealedRecords, number: int, mark: str, length: int = 64) -> bytes | None:
    into = bytearray(length)
    return bytes(into) if records.read(number, mark, memoryview(into)) else None


@pytest.fixture
def records(tmp_path: Path) -> SealedRecords:
    return SealedRecords(tmp_path / "below" / "some.records", 64)


def test_what_was_written_under_a_mark_is_read_under_that_mark(records: SealedRecords) -> None:
    assert read(records, 0, "a") is None
    for number in (7, 2, 3):
        records.write(number, f"mark {number}", memoryview(content(number)))
    assert [read(records, n, f"mark {n}") for n in range(9)] == [
        content(n) if n in (2, 3, 7) else None for n in range(9)
    ]
    assert read(records, 7, "mark 2") is None
    records.write(7, "new", memoryview(content(8)))
    assert (read(records, 7, "new"), read(records, 7, "mark 7")) == (content(8), None)
    assert records.path.stat().st_size == records.bytes_of(8)


def test_a_mark_does_not_run_into_the_content(records: SealedRecords) -> None:
    records.write(0, "ab", memoryview(b"c" * 64))
    assert read(records, 0, "abc") is None


def test_half_a_record_and_one_with_a_flipped_bit_are_not_there(records: SealedRecords) -> None:
    for number in (0, 1):
        records.write(number, "m", memoryview(content(number)))
    whole = records.path.read_bytes()
    for place in range(0, 8 * records.bytes_of(1), 37):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        records.path.write_bytes(flipped)
        assert (read(records, 0, "m"), read(records, 1, "m")) == (None, content(1))
    for length in range(0, len(whole), 13):
        records.path.write_bytes(whole[:length])
        assert read(records, 1, "m") is None
        assert (read(records, 0, "m") is None) == (length < records.bytes_of(1))


def test_many_write_and_read_at_once(records: SealedRecords) -> None:
    def work(seed: int) -> int:
        found = 0
        for number in np.random.default_rng(seed).integers(0, 20, 200).tolist():
            known = read(records, number, "m")
            assert known in (None, content(number))
            if known is None:
                records.write(number, "m", memoryview(content(number)))
            found += known is not None
        return found

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) > 400
    assert [read(records, number, "m") for number in range(20)] == [content(number) for number in range(20)]


@pytest.mark.parametrize("kind", ["link", "second name", "pipe", "folder"])
def test_nothing_of_others_is_written_to(records: SealedRecords, tmp_path: Path, kind: str) -> None:
    records.path.parent.mkdir()
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"theirs")
    {
        "link": lambda: records.path.symlink_to(theirs),
        "second name": lambda: os.link(theirs, records.path),
        "pipe": lambda: os.mkfifo(records.path),
        "folder": records.path.mkdir,
    }[kind]()
    with pytest.raises(DiskError, match="some.records"):
        records.write(0, "m", memoryview(content(0)))
    assert theirs.read_bytes() == b"theirs"
    assert read(records, 0, "m") is None


def test_a_full_disk_is_an_error_and_half_a_record_does_not_count(records: SealedRecords) -> None:
    records.write(0, "m", memoryview(content(0)))
    with suppress(DiskError), no_file_beyond(SEAL_BYTES + 64 + 50):
        records.write(1, "m", memoryview(content(1)))
    assert (read(records, 0, "m"), read(records, 1, "m")) == (content(0), None)
    with pytest.raises(DiskError, match="what is in it stays"), no_file_beyond(SEAL_BYTES + 64):
        records.write(1, "m", memoryview(content(1)))
