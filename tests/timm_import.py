"""Imports timm for parity tests, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest
import torch

_libraries: list[torch.library.Library] = []  # operators live as long as the library that defines them


def import_timm() -> ModuleType:
    """timm, or a skipped test.

    Next to a torch for the CPU alone, torchvision misses its compiled operators and refuses to be imported; naming
    the two that it asks for is enough for timm's models.
    """
    for name in ("timm", "torchvision"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)
    return importlib.import_module("timm")
