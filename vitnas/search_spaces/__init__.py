"""Search spaces: genes, architectures and the layers they stand for. No torch in this room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vitnas.registry import Registry
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec
from vitnas.search_spaces.codes import Codes
from vitnas.search_spaces.gene import OFF, Choice, Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.space import Published, SearchSpace, Task
from vitnas.search_spaces.space_file import SpaceFile, is_file_name

SPACES: Registry[Callable[..., SearchSpace]] = Registry(
    "search space",
    "vitnas.spaces",
    {
        "ascan": "vitnas.search_spaces.ascan:ascan",
        "asvit": "vitnas.search_spaces.asvit:asvit",
        "attentivenas": "vitnas.search_spaces.attentivenas:attentivenas",
        "autoformer-base": "vitnas.search_spaces.autoformer:base",
        "autoformer-mini": "vitnas.search_spaces.autoformer:mini",
        "autoformer-small": "vitnas.search_spaces.autoformer:small",
        "autoformer-tiny": "vitnas.search_spaces.autoformer:tiny",
        "convnext": "vitnas.search_spaces.convnext:convnext",
        "deepmad-mobile": "vitnas.search_spaces.deepmad:mobile",
        "deepmad-resnet": "vitnas.search_spaces.deepmad:resnet",
        "deit": "vitnas.search_spaces.deit:deit",
        "mixers": "vitnas.search_spaces.mixers:mixers",
        "efficientformer": "vitnas.search_spaces.efficientformer:efficientformer",
        "efficientformerv2": "vitnas.search_spaces.efficientformerv2:efficientformerv2",
        "elasticvit": "vitnas.search_spaces.elasticvit:elasticvit",
        "matformer-base": "vitnas.search_spaces.matformer:base",
        "matformer-small": "vitnas.search_spaces.matformer:small",
        "matformer-tiny": "vitnas.search_spaces.matformer:tiny",
        "nasvit": "vitnas.search_spaces.nasvit:nasvit",
        "nextvit": "vitnas.search_spaces.nextvit:nextvit",
        "pvtv2": "vitnas.search_spaces.pvt:pvtv2",
        "swin": "vitnas.search_spaces.swin:swin",
        "tinyvit": "vitnas.search_spaces.tinyvit:tinyvit",
        "vitres": "vitnas.search_spaces.vitresnas:reference",
        "vitresnas-small": "vitnas.search_spaces.vitresnas:small",
        "vitresnas-tiny": "vitnas.search_spaces.vitresnas:tiny",
    },
)


def load_space(name: str, task: Task | None = None) -> SearchSpace:
    """The space of this name, for `task` or for the task it was published for.

    Args:
        name: of a space, or the path of a .toml or .py file that holds one; the code of a .py file is executed.
        task: what its networks are for.
    """
    if is_file_name(name):
        return SpaceFile.read(Path(name)).load(task)
    make = SPACES.load(name)
    return make() if task is None else make(task)


__all__ = [
    "OFF",
    "SPACES",
    "Arch",
    "Blueprint",
    "Choice",
    "Codes",
    "Gene",
    "LayerSpec",
    "Published",
    "SearchSpace",
    "Site",
    "Task",
    "load_space",
]
