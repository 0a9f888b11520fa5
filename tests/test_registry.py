"""Registries: listing imports nothing, a miss says what exists, other packages add entries."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from vitnas.errors import UnknownNameError
from vitnas.registry import Registry


def _registry() -> Registry[object]:
    return Registry(
        "layer kind", "vitnas.test", {"sqrt": "math:sqrt", "gone": "no_such_module:Thing", "join": "os:path.join"}
    )


def test_names_are_listed_without_importing_what_they_name() -> None:
    registry = _registry()
    assert registry.names() == list(registry) == ["gone", "join", "sqrt"]
    assert "gone" in registry
    assert "other" not in registry


def test_an_entry_is_what_its_module_calls_it() -> None:
    import math
    import os

    assert _registry().load("sqrt") is math.sqrt
    assert _registry().load("join") is os.path.join


def test_a_miss_says_what_exists_and_what_was_meant() -> None:
    with pytest.raises(
        UnknownNameError, match=r"^no layer kind named 'sqrd'; have \[gone, join, sqrt\]. Did you mean 'sqrt'\?$"
    ):
        _registry().load("sqrd")


def test_a_broken_entry_is_no_unknown_name() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _registry().load("gone")


def test_another_package_adds_entries_and_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vitnas.test]\nfloor = math:floor\nsqrt = math:floor\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    import math

    registry = _registry()
    assert registry.names() == ["floor", "gone", "join", "sqrt"]
    assert registry.load("floor") is math.floor
    assert registry.load("sqrt") is math.sqrt
