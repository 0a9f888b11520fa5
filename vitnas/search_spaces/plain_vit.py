"""Plain vision transformers: one width throughout, heads and FFN ratio chosen in every block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vitnas.errors import SpaceError
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.space import Published, SearchSpace


@dataclass(frozen=True, eq=False)
class PlainViT(SearchSpace):
    """Patch embedding with a class token, blocks of attention and FFN, one classifier.

    Attributes:
        width: channels of every token.
        depth: number of blocks.
        heads: attention heads of a block; each keeps its `head_width`, whatever the width.
        mlp_ratio: FFN width of a block as a multiple of the width.
        relative_reach: relative positions up to this offset on keys and values; 0 for none.
        pool: "class" reads the class token, "mean" averages the patches.
    """

    width: tuple[int, ...] = field(kw_only=True)
    depth: tuple[int, ...] = field(kw_only=True)
    heads: tuple[int, ...] = field(kw_only=True)
    mlp_ratio: tuple[float, ...] = field(kw_only=True)
    patch: int = field(default=16, kw_only=True)
    head_width: int = field(default=64, kw_only=True)
    relative_reach: int = field(default=0, kw_only=True)
    pool: str = field(default="class", kw_only=True)
    winners: Mapping[str, Published] = field(default_factory=dict, kw_only=True)

    def genes(self) -> Sequence[Gene]:
        return (
            Gene("width", self.width),
            Gene("depth", self.depth),
            Gene("mlp_ratio", self.mlp_ratio, per="depth"),
            Gene("heads", self.heads, per="depth"),
        )

    def published(self) -> Mapping[str, Published]:
        return self.winners

    def sites(self) -> Sequence[Site]:
        if self.task.image_size % self.patch:
            raise SpaceError(
                f"space '{self.name}': image size {self.task.image_size} is not a multiple of its patch size {self.patch}; "
                f"the nearest that is: {max(1, round(self.task.image_size / self.patch)) * self.patch}"
            )
        grid = self.task.image_size // self.patch
        tokens = grid * grid + 1
        image = (self.task.in_channels, self.task.image_size, self.task.image_size)
        reach = min(self.relative_reach, grid)

        def stem(width: int) -> LayerSpec:
            return LayerSpec.of("patch_embedding", image, (tokens, width), patch=self.patch)

        def attention(width: int, heads: int) -> LayerSpec:
            shape = (tokens, width)
            return LayerSpec.of("attention", shape, shape, heads=heads, head_width=self.head_width, reach=reach)

        def ffn(width: int, ratio: float) -> LayerSpec:
            return LayerSpec.of("feed_forward", (tokens, width), (tokens, width), hidden=int(width * ratio))

        def head(width: int) -> LayerSpec:
            return LayerSpec.of("classifier", (tokens, width), (self.task.num_classes,), pool=self.pool)

        blocks = [
            site
            for i in range(max(self.depth))
            for site in (
                Site(f"block{i}_attention", ("width", f"heads[{i}]"), attention),
                Site(f"block{i}_ffn", ("width", f"mlp_ratio[{i}]"), ffn),
            )
        ]
        return [Site("stem", ("width",), stem), *blocks, Site("head", ("width",), head)]
