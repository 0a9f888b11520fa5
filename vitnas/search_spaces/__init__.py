"""Search spaces: genes, architectures and the layers they stand for. No torch in this room."""

from __future__ import annotations

from pathlib import Path

from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec
from vitnas.search_spaces.cascades.cascade import Cascade
from vitnas.search_spaces.cascades.exits import Exits, is_exits_name, load_exits, with_exits
from vitnas.search_spaces.compressed import Compressed, as_named, is_compressed_name, load_compressed
from vitnas.search_spaces.files.space_file import SpaceFile, is_file_name
from vitnas.search_spaces.gene import OFF, Choice, Gene
from vitnas.search_spaces.genome import Codes
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.search_spaces.pruned.given_file import GivenFile
from vitnas.search_spaces.pruned.given_names import is_given_name, load_given
from vitnas.search_spaces.pruned.pruned_space import Pruned
from vitnas.search_spaces.published import SPACES
from vitnas.search_spaces.space import Published, SearchSpace, Task
from vitnas.search_spaces.stitched.stitched_space import Stitched


def load_space(name: str, task: Task | None = None) -> SearchSpace:
    """The space of this name, for `task` or for the task it was published for.

    Args:
        name: of a space, or the path of a .toml or .py file that holds one; the code of a .py file is executed. The
            space of a given network is named prune:timm:NAME, prune:SPACE/ARCH or prune:PATH/arch.json,
            and that of two networks stitch:A+B. That of a space whose layers have precisions too is
            compress:w8a8:NAME, and that of a space whose archs may end earlier exits:2+4:NAME.
        task: what its networks are for.
    """
    if is_compressed_name(name):
        return load_compressed(name, task, load_space)
    if is_exits_name(name):
        return load_exits(name, task, load_space)
    if is_given_name(name):
        return load_given(name, task, load_space)
    if name.endswith(".json"):
        return GivenFile.read(Path(name)).load(task)
    if is_file_name(name):
        return SpaceFile.read(Path(name)).load(task)
    make = SPACES.load(name)
    return make() if task is None else make(task)


__all__ = [
    "FLOAT",
    "OFF",
    "SPACES",
    "Arch",
    "Blueprint",
    "Cascade",
    "Choice",
    "Codes",
    "Compressed",
    "Exits",
    "Gene",
    "LayerSpec",
    "Precision",
    "Pruned",
    "Published",
    "SearchSpace",
    "Site",
    "Stitched",
    "Task",
    "as_named",
    "is_compressed_name",
    "is_exits_name",
    "is_given_name",
    "load_space",
    "with_exits",
]
