"""The closed formulas that lie beside the repository: counts by arithmetic, without any network."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SHARED = Path(__file__).parents[1] / ".." / "shared"
CLOSED_FORMS = SHARED / "golden" / "closed_forms.py"
BENCH_101 = SHARED / "data" / "nas" / "vit_bench_101_autoformer_ti.csv"

needs_oracle = pytest.mark.skipif(
    not CLOSED_FORMS.is_file(), reason="the closed formulas do not lie beside the repository"
)
needs_bench_101 = pytest.mark.skipif(not BENCH_101.is_file(), reason="the archs do not lie beside the repository")


@functools.cache
def closed_forms() -> ModuleType:
    spec = importlib.util.spec_from_file_location("closed_forms", CLOSED_FORMS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
