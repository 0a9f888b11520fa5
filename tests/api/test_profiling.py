"""A table that came from elsewhere does not take the place of one that has more."""

from __future__ import annotations

from pathlib import Path

import pytest

import vitnas
from tests.latency_lut.test_table import make_table
from vitnas.errors import DeviceError


def test_rows_at_precisions_are_not_lost_to_a_table_from_elsewhere(tmp_path: Path) -> None:
    mixed = tmp_path / "board.parquet"
    make_table(vitnas.load_space("autoformer-mini").compressed(["w8a8"])).write(mixed)
    before = mixed.read_bytes()
    board = vitnas.Elsewhere(ssh="nobody@nowhere.invalid")
    with pytest.raises(DeviceError, match=r"board.parquet' has rows at w8a8, which .* would lose, .*, or delete it"):
        vitnas.profile_elsewhere("autoformer-mini", "board", board, path=mixed)
    assert mixed.read_bytes() == before
