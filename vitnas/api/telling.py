"""What functions say on their way: lines on standard error with ``progress=True``, records of the logger ``vitnas`` otherwise."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

Say = Callable[[str], None]

LOG = logging.getLogger("vitnas")
WARNING = "warning: "


def teller(progress: bool) -> Say:
    """Says what a result rests on. Without progress only warnings are seen unless logging is set up."""
    return _print if progress else _log


def step_teller(progress: bool) -> Say:
    """Says which step of long work begins."""
    return _print_step if progress else _log


def _print(text: str) -> None:
    print(text, file=sys.stderr)


def _print_step(step: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(f"{step} ...", style="dim", highlight=False)


def _log(text: str) -> None:
    if text.startswith(WARNING):
        LOG.warning(text.removeprefix(WARNING))
    else:
        LOG.info(text)
