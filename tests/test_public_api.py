"""`import vitnas`: its names and signatures are kept, its stub and its code agree, and it loads nothing heavy."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import vitnas

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("public_api", ROOT / "tools" / "public_api.py")
assert spec is not None
assert spec.loader is not None
public_api = importlib.util.module_from_spec(spec)
spec.loader.exec_module(public_api)


def test_names_and_signatures_are_those_that_were_promised() -> None:
    """A change here is one that users notice: see docs/python.md, and say it in CHANGELOG.md."""
    assert public_api.FILE.read_text() == public_api.public_api(), "run `make reference`, and look at what changed"


def test_the_stub_says_each_name_once() -> None:
    stub = ast.parse((ROOT / "vitnas" / "__init__.pyi").read_text())
    names = [alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted([*names, "__version__"]) == sorted(vitnas.__all__)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", sorted(vitnas.__all__))
def test_no_name_is_that_of_a_room(name: str) -> None:
    """``import vitnas.NAME`` of a room would take the place of the name."""
    assert not (ROOT / "vitnas" / name).exists()
    assert not (ROOT / "vitnas" / f"{name}.py").exists()


@pytest.mark.parametrize("name", sorted(set(vitnas.__all__) - {"__version__"}))
def test_every_name_says_what_it_is(name: str) -> None:
    assert getattr(vitnas, name).__doc__, name


def test_a_name_that_is_not_there_is_no_name() -> None:
    with pytest.raises(AttributeError, match="module 'vitnas' has no attribute 'serach'"):
        vitnas.serach  # type: ignore[attr-defined]  # noqa: B018
    assert set(dir(vitnas)) == set(vitnas.__all__)


def test_nobody_inside_comes_through_the_front_door() -> None:
    """Rooms import each other by their own names, so that import-linter sees who needs whom."""
    for file in (ROOT / "vitnas").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "vitnas":
                taken = {alias.name for alias in node.names}
                assert taken.isdisjoint(set(vitnas.__all__) - {"__version__"}), file


def test_names_load_only_what_they_need() -> None:
    """A laptop lists, reads and picks without torch."""
    program = (
        "import sys, vitnas\n"
        "vitnas.list_searchers(), vitnas.load_space('deit'), vitnas.SearchSettings(), vitnas.ParetoFront, vitnas.load_table\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert {"torch", "ray", "pandas"}.isdisjoint(done.stdout.split())
