"""Plain vision transformers: one width throughout, heads and FFN ratio chosen in every block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import ceil

from vitnas.errors import SpaceError
from vitnas.image_size import in_words
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Choice, Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.patch_grid import PatchGrid
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
        patches: sides of patches to choose from, a gene; all share the weights of `patch` (FlexiViT). () for `patch` alone.
        resolution: shares of the images' sides at which a network looks at them, a gene; () for whole images.
        windows: windows along each axis that patches look at one another in, a gene; every `global_every`-th block looks at
            all. () for attention among all patches in every block.
        global_every: see `windows`.
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
    patches: tuple[int, ...] = field(default=(), kw_only=True)
    resolution: tuple[float, ...] = field(default=(), kw_only=True)
    windows: tuple[int, ...] = field(default=(), kw_only=True)
    global_every: int = field(default=2, kw_only=True)
    winners: Mapping[str, Published] = field(default_factory=dict, kw_only=True)

    def genes(self) -> Sequence[Gene]:
        return (
            *self.patch_grid.genes,
            *self.patch_grid.window_genes,
            Gene("width", self.width),
            Gene("depth", self.depth),
            Gene("mlp_ratio", self.mlp_ratio, per="depth"),
            Gene("heads", self.heads, per="depth"),
            *(Gene(name, choices, per="depth") for name, choices in self._forms.items()),
            *(Gene(name, choices) for name, choices in self._token_genes.items() if name not in self.patch_grid.names),
        )

    @cached_property
    def patch_grid(self) -> PatchGrid:
        own = (self.patch, self.patches, self.resolution, self.windows, self.global_every)
        return PatchGrid(self.name, self.task, *own)

    @cached_property
    def _token_genes(self) -> dict[str, tuple[Choice, ...]]:
        """What changes how many tokens there are. What is off is no gene, so that spaces without it stay as they were."""
        found: dict[str, tuple[Choice, ...]] = {}
        if self.registers != (0,):
            found["registers"] = self.registers
        if self.per_channel != (False,):
            found["per_channel"] = self.per_channel
        return found | {gene.name: gene.choices for gene in self.patch_grid.genes}

    @cached_property
    def _forms(self) -> dict[str, tuple[float, ...]]:
        """The genes of what stands in a block in place of plain attention or a plain FFN."""
        return {name: own for name, own in (("active", self.active), ("rank", self.rank)) if own}

    def published(self) -> Mapping[str, Published]:
        return self.winners

    def _check(self) -> None:
        self.patch_grid.check()
        unknown = [*self._token_genes, *["windows"] * bool(self.windows)]
        if self.relative_reach and unknown:
            raise SpaceError(
                f"space '{self.name}': relative positions (relative_reach {self.relative_reach}) know a class token and one grid "
                f"of patches, no {' and no '.join(unknown)}; set relative_reach to 0, or leave them out"
            )
        if self.relative_reach and not isinstance(self.task.image_size, int):
            raise SpaceError(
                f"space '{self.name}': relative positions (relative_reach {self.relative_reach}) know square images, and those of the "
                f"task are {in_words(self.task.image_size)}; set relative_reach to 0, or give one side"
            )
        if True in self.per_channel and (self.windows or self.patch_grid.names):
            raise SpaceError(
                f"space '{self.name}': tokens of single channels (per_channel) have several grids of patches of one size, and "
                "patches, resolution and windows know one; leave out one or the other"
            )
        if any(type(count) is not int or count < 0 for count in self.registers):
            raise SpaceError(
                f"space '{self.name}': registers must be whole numbers from 0 on, got {list(self.registers)}"
            )
        beside = [name for name in ("active", "relative_reach", "windows") if self.rank and getattr(self, name)]
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
        patches, image = self.patch_grid, self.task.image_shape
        reach = min(self.relative_reach, *patches.sides())
        more = tuple(self._token_genes)

        def given(chosen: Sequence[Choice]) -> dict[str, Choice]:
            return dict(zip(more, chosen, strict=True))

        def tokens(chosen: Sequence[Choice], width: int) -> tuple[int, int]:
            values = given(chosen)
            grids = self.task.in_channels if values.get("per_channel") else 1
            rows, columns = patches.sides(values)
            return 1 + int(values.get("registers", 0)) + grids * rows * columns, width

        def registers(chosen: Sequence[Choice]) -> dict[str, Choice]:
            return {name: value for name, value in given(chosen).items() if name == "registers"}

        def stem(per_channel: bool, width: int, *chosen: Choice) -> LayerSpec | None:
            shape, values = tokens(chosen, width), given(chosen)
            if values.get("per_channel", False) != per_channel:
                return None
            if per_channel:
                return LayerSpec.of("channel_embedding", image, shape, patch=self.patch, **registers(chosen))
            return patches.stem(shape, values, **registers(chosen))

        def windowed(width: int, heads: int, windows: int, *chosen: Choice) -> LayerSpec:
            shape, values = tokens(chosen, width), given(chosen)
            own = {"heads": heads, "head_width": self.head_width, "leading": 1 + int(values.get("registers", 0))}
            return patches.windowed(shape, windows, patches.sides(values)[1], **own)

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
            stems.append(Site("stem", ("width", *more), partial(stem, False)))
        if True in self.per_channel:
            # One projection cannot be a part of the other, so the two share no weights.
            stems.append(Site("channel_stem", ("width", *more), partial(stem, True)))
        blocks = []
        for i in range(max(self.depth)):
            name, heads = f"block{i}_attention", ("width", f"heads[{i}]")
            if patches.is_windowed(i):
                blocks.append(Site(name, (*heads, "windows", *more), windowed))
            else:
                blocks.append(Site(name, (*heads, *[f"rank[{i}]"] * bool(self.rank), *more), attention))
            forms = (f"{form}[{i}]" for form in self._forms)
            blocks.append(Site(f"block{i}_ffn", ("width", f"mlp_ratio[{i}]", *forms, *more), ffn))
        return [*stems, *blocks, Site("head", ("width", *more), head)]


def _part(whole: int, share: Choice) -> int:
    return ceil(whole * float(share))
