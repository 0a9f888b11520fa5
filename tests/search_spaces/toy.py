"""A small space with genes of every form; its layer kinds exist on paper only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vitnas.search_spaces import Gene, LayerSpec, Published, SearchSpace, Site


@dataclass(frozen=True, eq=False)
class Toy(SearchSpace):
    """Blocks of attention (with heads) or pooling at one width, and a head at least as wide."""

    name: str = "toy"

    def genes(self) -> Sequence[Gene]:
        return (
            Gene("width", (8, 16)),
            Gene("neck", (8, 12, 16), at_least="width"),
            Gene("depth", (1, 2, 3)),
            Gene("mixer", ("pool", "attention"), per="depth"),
            Gene("heads", (1, 2), per="depth", when=("mixer", ("attention",))),
            Gene("bias", (False, True)),
        )

    def published(self) -> Mapping[str, Published]:
        return {"Toy-1": Published({"width": 8, "neck": 12, "depth": 1, "mixer": ("pool",), "bias": True}, 1, 1.0)}

    def sites(self) -> Sequence[Site]:
        tokens = self.task.image_size

        def stem(width: int) -> LayerSpec:
            return LayerSpec.of("stem", (self.task.in_channels, tokens), (tokens, width))

        def pool(width: int, mixer: str) -> LayerSpec | None:
            return LayerSpec.of("pool", (tokens, width), (tokens, width)) if mixer == "pool" else None

        def attention(width: int, heads: int) -> LayerSpec:
            return LayerSpec.of("attention", (tokens, width), (tokens, width), heads=heads)

        def neck(width: int, neck: int, bias: bool) -> LayerSpec:
            return LayerSpec.of("neck", (tokens, width), (neck,), bias=bias)

        def head(neck: int) -> LayerSpec:
            return LayerSpec.of("head", (neck,), (self.task.num_classes,))

        blocks = [
            site
            for i in range(3)
            for site in (
                Site(f"pool{i}", ("width", f"mixer[{i}]"), pool),
                Site(f"attention{i}", ("width", f"heads[{i}]"), attention),
            )
        ]
        return [
            Site("stem", ("width",), stem),
            *blocks,
            Site("neck", ("width", "neck", "bias"), neck),
            Site("head", ("neck",), head),
        ]
