"""The fast tier leaves out what takes seconds: a test that converts a network or starts a program is skipped there.

The test is skipped where it tries, so no list of such tests is kept.
"""

from __future__ import annotations

import multiprocessing.process
import subprocess
import sys
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest


def leave_out_conversions_and_programs() -> None:
    """From now on, in this process."""
    import torch.export
    import torch.onnx

    real = subprocess.Popen.__init__

    def start(self: Any, args: str | Sequence[Any], *rest: Any, **options: Any) -> None:
        first = args.split()[0] if isinstance(args, str) else args[0]
        if Path(str(first)).name in (Path(sys.executable).name, "python", "python3", "bash", "sh", "make"):
            self._child_created = False  # the finaliser looks at it
            pytest.skip("the fast tier starts no program")
        real(self, args, *rest, **options)

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]
    multiprocessing.process.BaseProcess.start = _skips("starts no process")  # type: ignore[method-assign]
    torch.export.export = torch.onnx.export = _skips("converts no network")


def fast_only(names: Iterable[str], fast: Container[str]) -> list[Any]:
    """Parameters of which the fast tier takes those in `fast`."""
    return [name if name in fast else pytest.param(name, marks=pytest.mark.heavy) for name in names]


def _skips(why: str) -> Callable[..., NoReturn]:
    def left_out(*_: object, **__: object) -> NoReturn:
        pytest.skip(f"the fast tier {why}")

    return left_out
