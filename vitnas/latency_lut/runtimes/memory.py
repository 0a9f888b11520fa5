"""How much memory a step takes at most, on Linux."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
SELF = Path("/proc/self")


def peak_of(step: Callable[[], T]) -> tuple[T, int | None]:
    """Runs a step; says how far this process's resident set rose at most meanwhile, None where Linux does not tell."""
    try:
        ctypes.CDLL(None).malloc_trim(0)  # else the step may live on pages that earlier ones left behind
        (SELF / "clear_refs").write_text("5", encoding="ascii")
        before = _status("VmRSS")
    except (OSError, AttributeError):
        return step(), None
    result = step()
    return result, max(_status("VmHWM") - before, 0)


def _status(name: str) -> int:
    return int((SELF / "status").read_text(encoding="ascii").split(f"{name}:")[1].split()[0]) * 1024
