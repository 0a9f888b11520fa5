from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from vitnas.errors import MissingPackageError
from vitnas.extras import CORE, EXTRAS, installed, load, missing
from vitnas.registry import Registry

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def test_extras_are_those_of_the_project() -> None:
    told = {extra.name: extra.distribution for extra in EXTRAS.values()}
    optional = PROJECT["optional-dependencies"]
    assert told == {name: Requirement(optional[name][0]).name for name in optional if name not in ("dev", "docs")}


def test_core_packages_are_dependencies_and_extras_are_not() -> None:
    needed = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert needed >= set(CORE)
    assert needed.isdisjoint(extra.distribution for extra in EXTRAS.values())


def test_what_a_bare_installation_needs_is_a_part_of_what_all_need() -> None:
    lines = (Path(__file__).parents[1] / "requirements-bare.txt").read_text().splitlines()
    assert {line for line in lines if not line.startswith("#")} < set(PROJECT["dependencies"])


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # Python then refuses to import it
    with pytest.raises(MissingPackageError, match=r"lightgbm.*pip install 'vitnas\[trees\]'"):
        load("lightgbm")


def test_a_plugin_that_lacks_a_package_names_it() -> None:
    registry: Registry[object] = Registry("thing", "vitnas.things", {"one": "absent_package.things:One"})
    with pytest.raises(ModuleNotFoundError, match="absent_package"):
        registry.load("one")
    assert missing(ModuleNotFoundError(name="ray.train")) is not None
    assert missing(ModuleNotFoundError(name="absent_package")) is None


def test_installed_imports_nothing() -> None:
    assert installed("torch")
    assert not installed("absent_package")
