"""timm, which vitnas does without unless somebody asks for one of its models."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from types import ModuleType

import torch

from vitnas.errors import SettingsError

_libraries: list[torch.library.Library] = []  # operators live as long as the library that defines them


def import_timm() -> ModuleType:
    """timm, also where a torchvision for another torch stands in its way.

    ReferenceNetwork a torch for the CPU alone, torchvision misses its compiled operators and refuses to be imported; naming
    the two that it asks for is enough for timm's models.
    """
    if importlib.util.find_spec("timm") is None:
        raise SettingsError('timm is not installed, and this needs one of its models; `pip install "vitnas[timm]"`')
    if importlib.util.find_spec("torchvision") is not None:
        try:
            importlib.import_module("torchvision")
        except RuntimeError:
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
            _libraries.append(library)
    with contextlib.redirect_stdout(sys.stderr):  # what its own imports print is no result of ours
        return importlib.import_module("timm")
