"""Plain vision transformers: one width throughout, heads and FFN ratio chosen in every block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import ceil

from vitnas.errors import SpaceError
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Choice, Gene
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
        registers: learned tokens between class token and patches, which no classifier reads; a gene unless ``(0,)``.
        per_channel: whether every channel of the image gives tokens of its own (ChannelViT); a gene
            unless ``(False,)``.
        active: shares of the channels of an FFN that take the activation while the others idle (RePaViT), a gene of each
            block; () for plain FFNs.
        rank: ranks of the weights of attention and FFN as shares of the width, a gene of each block; at 1 they answer as
            plain ones; () for plain weights.
    """

    width: tuple[int, ...] = field(kw_only=True)
    depth: tuple[int, ...] = field(kw_only=True)
    heads: tuple[int, ...] = field(kw_only=True)
    mlp_ratio: tuple[float, ...] = field(kw_only=True)
    patch: int = field(default=16, kw_only=True)
    head_width: int = field(default=64, kw_only=True)
    relative_reach: int = field(default=0, kw_only=True)
    pool: str = field(default="class", kw_only=True)
    registers: tuple[int, ...] = field(default=(0,), kw_only=True)
    per_channel: tuple[bool, ...] = field(default=(False,), kw_only=True)
    active: tuple[float, ...] = field(default=(), kw_only=True)
    rank: tuple[float, ...] = field(default=(), kw_only=True)
    winners: Mapping[str, Published] = field(default_factory=dict, kw_only=True)

    def genes(self) -> Sequence[Gene]:
        return (
            Gene("width", self.width),
            Gene("depth", self.depth),
            Gene("mlp_ratio", self.mlp_ratio, per="depth"),
            Gene("heads", self.heads, per="depth"),
            *(Gene(name, choices, per="depth") for name, choices in self._forms.items()),
            *(Gene(name, choices) for name, choices in self._token_genes.items()),
        )

    @cached_property
    def _token_genes(self) -> dict[str, tuple[Choice, ...]]:
        """What changes how many tokens there are. What is off is no gene, so that spaces without it stay as they were."""
        found: dict[str, tuple[Choice, ...]] = {}
        if self.registers != (0,):
            found["registers"] = self.registers
        if self.per_channel != (False,):
            found["per_channel"] = self.per_channel
        return found

    @cached_property
    def _forms(self) -> dict[str, tuple[float, ...]]:
        """The genes of what stands in a block in place of plain attention or a plain FFN."""
        return {name: own for name, own in (("active", self.active), ("rank", self.rank)) if own}

    def published(self) -> Mapping[str, Published]:
        return self.winners

    def _check(self) -> None:
        if self.task.image_size % self.patch:
            raise SpaceError(
                f"space '{self.name}': image size {self.task.image_size} is not a multiple of its patch size {self.patch}; "
                f"the nearest that is: {max(1, round(self.task.image_size / self.patch)) * self.patch}"
            )
        if self.relative_reach and self._token_genes:
            raise SpaceError(
                f"space '{self.name}': relative positions (relative_reach {self.relative_reach}) know a class token and one grid "
                f"of patches, no {' and no '.join(self._token_genes)}; set relative_reach to 0, or leave them out"
            )
        if any(type(count) is not int or count < 0 for count in self.registers):
            raise SpaceError(
                f"space '{self.name}': registers must be whole numbers from 0 on, got {list(self.registers)}"
            )
        beside = [name for name in ("active", "relative_reach") if self.rank and getattr(self, name)]
        if beside:
            raise SpaceError(
                f"space '{self.name}': no layer of low rank has {' or '.join(beside)}; leave out rank, or {' and '.join(beside)}"
            )
        for name, shares in self._forms.items():
            odd = [share for share in shares if not 0 <= share <= 1 or (name == "rank" and not share)]
            if odd:
                least = "above 0" if name == "rank" else "from 0"
                raise SpaceError(f"space '{self.name}': {name} takes shares {least} up to 1, got {odd[0]}")

    def sites(self) -> Sequence[Site]:
        self._check()
        grid = self.task.image_size // self.patch
        image = self.task.image_shape
        reach = min(self.relative_reach, grid)
        more = tuple(self._token_genes)

        def given(chosen: Sequence[Choice]) -> dict[str, Choice]:
            return dict(zip(more, chosen, strict=True))

        def tokens(chosen: Sequence[Choice], width: int) -> tuple[int, int]:
            values = given(chosen)
            grids = self.task.in_channels if values.get("per_channel") else 1
            return 1 + int(values.get("registers", 0)) + grids * grid * grid, width

        def registers(chosen: Sequence[Choice]) -> dict[str, Choice]:
            return {name: value for name, value in given(chosen).items() if name == "registers"}

        def stem(kind: str, per_channel: bool, width: int, *chosen: Choice) -> LayerSpec | None:
            if given(chosen).get("per_channel", False) != per_channel:
                return None
            return LayerSpec.of(kind, image, tokens(chosen, width), patch=self.patch, **registers(chosen))

        def attention(width: int, heads: int, *chosen: Choice) -> LayerSpec:
            kind, own = "attention", {"reach": reach}
            if self.rank:
                kind, own, chosen = "low_rank_attention", {"rank": _part(width, chosen[0])}, chosen[1:]
            shape = tokens(chosen, width)
            return LayerSpec.of(kind, shape, shape, heads=heads, head_width=self.head_width, **own)

        def ffn(width: int, ratio: float, *chosen: Choice) -> LayerSpec:
            kind, hidden, own = "feed_forward", int(width * ratio), {}
            if self.rank:
                kind, own, chosen = "low_rank_feed_forward", {"rank": _part(width, chosen[0])}, chosen[1:]
            if self.active:
                kind, own, chosen = "idle_feed_forward", {"active": _part(hidden, chosen[0])}, chosen[1:]
            shape = tokens(chosen, width)
            return LayerSpec.of(kind, shape, shape, hidden=hidden, **own)

        def head(width: int, *chosen: Choice) -> LayerSpec:
            shape, classes = tokens(chosen, width), (self.task.num_classes,)
            return LayerSpec.of("classifier", shape, classes, pool=self.pool, **registers(chosen))

        stems = []
        if False in self.per_channel:
            stems.append(Site("stem", ("width", *more), partial(stem, "patch_embedding", False)))
        if True in self.per_channel:
            # One projection cannot be a part of the other, so the two share no weights.
            stems.append(Site("channel_stem", ("width", *more), partial(stem, "channel_embedding", True)))
        blocks = [
            site
            for i in range(max(self.depth))
            for site in (
                Site(
                    f"block{i}_attention", ("width", f"heads[{i}]", *[f"rank[{i}]"] * bool(self.rank), *more), attention
                ),
                Site(
                    f"block{i}_ffn", ("width", f"mlp_ratio[{i}]", *(f"{name}[{i}]" for name in self._forms), *more), ffn
                ),
            )
        ]
        return [*stems, *blocks, Site("head", ("width", *more), head)]


def _part(whole: int, share: Choice) -> int:
    return ceil(whole * float(share))
