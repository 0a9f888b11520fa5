"""Files of weights: what cannot be read is refused by name, whatever its reader stumbles over."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from vitnas.errors import CheckpointError
from vitnas.supernets.weights.sources import read_state


def _legacy(whole: bool) -> bytes:
    """A file of torch before its archives, or the first half of one."""
    file = io.BytesIO()
    torch.save({"a": torch.ones(300), "b": torch.ones(3, 40)}, file, _use_new_zipfile_serialization=False)
    return file.getvalue() if whole else file.getvalue()[: len(file.getvalue()) // 2]


SPOILT = {
    "text": b"extra\nlines of text\n",
    "a letter": b"}",
    "nothing": b"",
    "half an archive": b"PK\x03\x04" + bytes(40),
    "half a legacy file": _legacy(whole=False),
    **{f"legacy file without its end, {cut}": _legacy(whole=True)[:cut] for cut in (20, 60, 120, 190, 230, 300, 500)},
    **{f"byte {byte}": bytes([byte]) * 9 for byte in range(0, 256, 7)},
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_damaged_file_of_torch_is_refused_by_name(tmp_path: Path, case: str) -> None:
    (tmp_path / "x.pt").write_bytes(SPOILT[case])
    with pytest.raises(
        CheckpointError, match=r"x\.pt' cannot be read as tensors of torch \(.+\).*save model\.state_dict"
    ):
        read_state(tmp_path / "x.pt")


def test_a_file_of_an_early_torch_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(_legacy(whole=True))
    assert read_state(tmp_path / "x.pt")["b"].shape == (3, 40)
