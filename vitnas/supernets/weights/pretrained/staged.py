"""What timm's networks of stages share: rules by layer, the names of stages and blocks, heads and convolutions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from torch import Tensor

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.weights.pretrained.families import Rules
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def layer_by_layer(layer: Callable[[TimmWeights, str, LayerSpec], Mapping[str, Tensor]]) -> Rules:
    """Rules that read each layer by itself, from its site and spec alone."""

    def rules(blueprint: Blueprint, timm: TimmWeights) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
        for site, spec in blueprint.items():
            yield site, layer(timm, site, spec)

    return rules


def module_of(site: str, stages: str = "stages", more: int = 0) -> str:
    """The module of timm that a site is: ``stages.1`` for ``stage2_merging``, ``stages.2.blocks.5`` for ``stage3_block5_ffn``.

    Args:
        site: of a stage.
        stages: timm's name for the list of stages.
        more: modules of the stage that timm counts as blocks before this one and we do not.
    """
    found = re.match(r"stage(\d+)(?:_block(\d+))?", site)
    assert found is not None, site
    stage = f"{stages}.{int(found[1]) - 1}"
    return stage if found[2] is None else f"{stage}.blocks.{int(found[2]) + more}"


def classifier(timm: TimmWeights, norm: str, linear: str) -> dict[str, Tensor]:
    """A `map_classifier` with a single head."""
    head = {part: timm[f"{linear}.{part}"].unsqueeze(0) for part in ("weight", "bias")}
    return {**timm.modules({"norm": norm}), **head}


def feed_forward(timm: TimmWeights, block: str, norm: str = "norm2") -> dict[str, Tensor]:
    return timm.modules({"norm": f"{block}.{norm}", "expand": f"{block}.mlp.fc1", "reduce": f"{block}.mlp.fc2"})


def normed_convolutions(timm: TimmWeights, module: str, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Convolutions with their batch normalisation, below one of timm's modules: ``{our name: timm's name}``."""
    convs = {f"{ours}.conv": f"{module}.{theirs}.conv" for ours, theirs in names.items()}
    return timm.modules(convs | {f"{ours}.norm": f"{module}.{theirs}.bn" for ours, theirs in names.items()})
