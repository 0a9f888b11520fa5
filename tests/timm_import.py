"""Imports timm for parity tests, where it is installed."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from vitnas.supernets.weights.pretrained import timm_package


def import_timm() -> ModuleType:
    """timm, or a skipped test."""
    for name in ("timm", "torchvision"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    return timm_package.import_timm()
