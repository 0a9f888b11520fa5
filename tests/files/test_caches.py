from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vitnas.files.caches import cache_folder


def test_the_folder_is_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("VITNAS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / {"linux": ".cache", "darwin": "Library/Caches"}[sys.platform] / "vitnas"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "vitnas"
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
