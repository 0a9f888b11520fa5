"""Trunk: a plain transformer taken apart into blocks, between which tokens of one shape pass."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from vitnas.errors import SpaceError
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec, Shape

Layers = tuple[tuple[str, LayerSpec], ...]


@dataclass(frozen=True)
class Trunk:
    """What makes tokens, blocks that keep their shape, and what answers the classes.

    Attributes:
        stem: the layers before the tokens have their shape.
        blocks: of one or several layers each, whose names have the same number.
        head: the last layer.
    """

    stem: Layers
    blocks: tuple[Layers, ...]
    head: Layers

    @classmethod
    def of(cls, name: str, blueprint: Blueprint) -> Trunk:
        *before, last = blueprint.items()
        start = next((i for i, (_, spec) in enumerate(before) if spec.in_shape == spec.out_shape), len(before))
        stem, body = before[:start], before[start:]
        blocks = tuple(tuple(block) for _, block in itertools.groupby(body, key=lambda item: _block(item[0])))
        odd = next((site for site, spec in body if {spec.in_shape, spec.out_shape} != {body[0][1].in_shape}), None)
        if len(blocks) < 2 or odd is not None or len(body[0][1].in_shape) != 2:
            why = f"layer '{odd}' changes it" if odd is not None else f"this one has {len(blocks)} on such a shape"
            raise SpaceError(
                f"network '{name}' cannot be stitched: that is for plain transformers, whose blocks, at least 2, all keep "
                f"one number and width of tokens, and {why}; name a ViT, DeiT, DINOv2, CLIP or SigLIP"
            )
        return cls(tuple(stem), blocks, ((last[0], last[1]),))

    @property
    def tokens(self) -> Shape:
        """Number and width of the tokens."""
        return self.blocks[0][0][1].in_shape


def _block(site: str) -> str:
    """A name up to its last number, as layers of one block have the same: block3_attention, block3_ffn."""
    found = re.match(r".*\d", site)
    return found.group() if found else site
