"""The names of spaces of given networks: ``prune:SPACE/ARCH``, ``prune:timm:NAME``, ``prune:PATH/arch.json``, ``stitch:A+B``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vitnas.errors import SpaceError, UnknownNameError
from vitnas.search_spaces.pruned.given import GivenArch, GivenNetwork
from vitnas.search_spaces.pruned.given_file import GivenFile, Load, given_in
from vitnas.search_spaces.pruned.given_space import NETWORKS, space_of_given
from vitnas.search_spaces.pruned.timm_names import given_of_timm
from vitnas.search_spaces.space import SearchSpace, Task

FORMS = (
    "prune:timm:NAME, prune:SPACE/ARCH with a published arch, or prune:PATH with the arch.json of a run or an export"
)


def is_given_name(name: str) -> bool:
    """Whether a name of a space is one of given networks."""
    prefix, colon, _ = name.partition(":")
    return bool(colon) and prefix in NETWORKS


def load_given(name: str, task: Task | None, load: Load) -> SearchSpace:
    """The space of this name.

    Args:
        name: one of `FORMS`; with the beginning ``prune+map`` an affine map may stand in for a layer that is left out, with
            ``prune+width`` the width of all tokens may shrink too, with ``prune+rank`` the ranks of weights instead of heads and channels; with ``stitch`` there are two networks, joined by
            a ``+``.
        task: what its networks are for; None takes that of the first network.
        load: finds the spaces that the name speaks of.
    """
    prefix, _, rest = name.partition(":")
    parts = split_given(name)
    networks = [_network(prefix, part, load) for part in parts]
    task = task or networks[0].task
    has_file = any(Path(part).suffix == ".json" for part in parts)
    source = GivenFile.of(Path(rest), prefix, networks, task) if has_file else None
    return replace(space_of_given(prefix, networks), task=task, source=source)


def split_given(name: str) -> list[str]:
    """What a name, or the source of first weights, says of each of the networks after its beginning."""
    prefix, _, rest = name.partition(":")
    if NETWORKS[prefix] == 1:
        return [rest]
    parts = rest.split("+")
    if len(parts) != NETWORKS[prefix] or not all(parts):
        raise UnknownNameError(
            f"'{name}' names {len([part for part in parts if part])} networks; give two with one + between them, as in "
            "stitch:deit/DeiT-S+deit/DeiT-B, and no + in their paths"
        )
    return parts


def _network(prefix: str, text: str, load: Load) -> GivenNetwork:
    if text.startswith("timm:"):
        return given_of_timm(text.removeprefix("timm:"))
    path = Path(text)
    return given_in(path, load) if path.suffix == ".json" else _published(prefix, text, load)


def _published(prefix: str, rest: str, load: Load) -> GivenNetwork:
    """``SPACE/ARCH``."""
    space_name, separator, label = rest.rpartition("/")
    if not separator:
        raise UnknownNameError(f"'{prefix}:{rest}' names no network; give {FORMS.replace('prune', prefix)}")
    space = load(space_name, None)
    if space.source is not None:
        raise SpaceError(
            f"'{prefix}:{rest}': a network of a space of your own is given by the arch.json of its run or export"
        )
    return GivenArch(rest, space, space.named(label))
