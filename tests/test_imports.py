"""What must stay light stays light: each import in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "ray", "pandas", "sklearn", "onnxruntime", "optuna", "matplotlib")


def _loaded(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("module", ["vitnas", "vitnas.errors", "vitnas.registry", "vitnas.files"])
def test_the_package_loads_nothing_heavy(module: str) -> None:
    assert _loaded(f"import {module}").isdisjoint({*HEAVY, "numpy"})


@pytest.mark.parametrize("module", ["vitnas.settings", "vitnas.search_spaces", "vitnas.run", "vitnas.cli"])
def test_spaces_and_commands_load_nothing_heavy(module: str) -> None:
    assert _loaded(f"import {module}").isdisjoint(HEAVY)


SETTINGS = (
    "vitnas.settings",
    "vitnas.supernets.settings.data",
    "vitnas.supernets.settings.train",
    "vitnas.latency_lut.settings",
    "vitnas.nas.settings",
    "vitnas.deployment.settings",
)


@pytest.mark.parametrize("module", SETTINGS)
def test_settings_load_nothing_heavy(module: str) -> None:
    assert _loaded(f"import {module}").isdisjoint({*HEAVY, "numpy"})


def test_settings_are_made_without_torch() -> None:
    """With the names that they check, of samplers, searchers and predictors."""
    program = (
        "from vitnas.supernets.settings.train import TrainSettings\nfrom vitnas.nas.settings import SearchSettings\n"
        "from vitnas.deployment.settings import ExportSettings\nTrainSettings(), SearchSettings(), ExportSettings()"
    )
    assert _loaded(program).isdisjoint({"torch", "ray", "pandas"})


def test_a_space_samples_and_lowers_without_torch() -> None:
    program = (
        "import numpy as np\nfrom vitnas.search_spaces import SPACES, load_space\n"
        "for name in SPACES:\n    space = load_space(name)\n    space.lower(space.sample(1, np.random.default_rng(0))[0])"
    )
    assert _loaded(program).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["spaces", "--help"], ["search", "--help"], ["train-supernet", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    program = f"from vitnas.cli import main\nsys.argv = ['vitnas', *{arguments!r}]\ntry:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    assert _loaded(program).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "module", ["vitnas.latency_lut.table", "vitnas.nas.searchers", "vitnas.nas.pareto.front", "vitnas.predictors.ridge"]
)
def test_a_laptop_searches_without_torch(module: str) -> None:
    assert _loaded(f"import {module}").isdisjoint({"torch", "ray"})
