"""Commands that must be refused, and files that were spoiled in a scene: see `scene.make_scene`.

A case is certainly wrong: none is a file that some reader might take for good.
"""

from __future__ import annotations

from .case import FRONT, NEWEST, RUN, TABLE, Case, snapshot
from .commands import flags, settings
from .found import archs, chewed, fronts, predictors
from .images import images
from .instead import instead, places
from .received import received
from .runs import checkpoints, exports, spaces
from .tables import bundles, tables

GROUPS = (
    *(flags, settings, archs, fronts, tables, checkpoints, images, bundles, spaces, exports, predictors, chewed),
    *(received, instead, places),
)


def cases() -> list[Case]:
    """All of them, each with a name of its own."""
    found = [Case(f"{group.__name__}: {case.name}", case.command, case.spoil) for group in GROUPS for case in group()]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return found


__all__ = ["FRONT", "NEWEST", "RUN", "TABLE", "Case", "cases", "snapshot"]
