"""The names of pruned spaces: ``prune:SPACE/ARCH``, ``prune:timm:NAME`` and ``prune:PATH/arch.json``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vitnas.errors import SpaceError, UnknownNameError
from vitnas.search_spaces.pruned.given import GivenArch, GivenNetwork
from vitnas.search_spaces.pruned.given_file import GivenFile, Load, given_in
from vitnas.search_spaces.pruned.pruned_space import PREFIXES, Pruned, pruned
from vitnas.search_spaces.pruned.timm_names import given_of_timm
from vitnas.search_spaces.space import Task

FORMS = (
    "prune:timm:NAME, prune:SPACE/ARCH with a published arch, or prune:PATH with the arch.json of a run or an export"
)


def is_pruned_name(name: str) -> bool:
    """Whether a name of a space is one of a given network."""
    return name.partition(":")[0] in PREFIXES


def load_pruned(name: str, task: Task | None, load: Load) -> Pruned:
    """The space of this name.

    Args:
        name: one of `FORMS`; with the beginning ``prune+width`` the width of all tokens may shrink too, with
            ``prune+rank`` the ranks of weights instead of heads and channels.
        task: what its networks are for; None takes that of the given network.
        load: finds the spaces that the name speaks of.
    """
    prefix, _, rest = name.partition(":")
    path = Path(rest)
    if rest.startswith("timm:"):
        given: GivenNetwork = given_of_timm(rest.removeprefix("timm:"))
    elif path.suffix == ".json":
        given = given_in(path, load)
    else:
        given = _published(prefix, rest, load)
    task = task or given.task
    source = GivenFile.of(path, prefix, given, task) if path.suffix == ".json" else None
    return replace(pruned(given, prefix), task=task, source=source)


def _published(prefix: str, rest: str, load: Load) -> GivenNetwork:
    """``SPACE/ARCH``."""
    space_name, separator, label = rest.rpartition("/")
    if not separator:
        raise UnknownNameError(f"'{prefix}:{rest}' names no network; give {FORMS}")
    space = load(space_name, None)
    if space.source is not None:
        raise SpaceError(
            f"'{prefix}:{rest}': a network of a space of your own is given by the arch.json of its run or export"
        )
    return GivenArch(rest, space, space.named(label))
