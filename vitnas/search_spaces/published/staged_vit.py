"""Plain ViTs whose later stages look at fewer tokens: EViT, ToMe and windows as choices, DeiT where nothing is reduced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log2

from vitnas.errors import SpaceError
from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Choice, Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.patch_grid import PatchGrid
from vitnas.search_spaces.published.stages import StagedSpace, per_stage, stage_values
from vitnas.search_spaces.space import Published, Task

Chosen = Mapping[str, Choice]
"""The values of the genes that make the patches."""

CHOOSING = ("keep", "merge")
"""Reducers that choose patches: any number may be left."""
REDUCERS = ("window", *CHOOSING, "none")
"""From the least MACs to the most."""

DEIT = {"Ti": (3, 5_717_416, 1.2537), "S": (6, 22_050_664, 4.5989), "B": (12, 86_567_656, 17.5638)}
"""Heads, parameters and GMACs."""

EVIT = {
    0.9: ((0.908, 0.827, 0.75), 4.0219),
    0.8: ((0.806, 0.653, 0.531), 3.4772),
    0.7: ((0.709, 0.505, 0.362), 3.0293),
    0.6: ((0.607, 0.372, 0.23), 2.6353),
    0.5: ((0.505, 0.26, 0.138), 2.3088),
}
"""Keep rate of EViT-S with a fused token -> shares that it leaves of 196 patches, the fused one counted, and GMACs."""


@dataclass(frozen=True, eq=False)
class StagedViT(StagedSpace):
    """Patch embedding with a class token, stages of blocks of one width, one classifier.

    The gene "reducer" says how there become fewer tokens: "window" merges the patches of windows before a stage, "keep" and
    "merge" choose patches in its first attention, "none" leaves all. Shares are those of all patches and not of the
    stage before, so that a layer reads the gene of its own stage alone.

    Attributes:
        width: channels of every token.
        depth: number of blocks of each stage, at least 1.
        heads: attention heads of a block; each keeps its `head_width`, whatever the width.
        ratio: FFN width of a block as a multiple of the width.
        tokens: for each stage from the second on the shares of patches that keep or merge leave, a fused one counted.
        grid: the same of windows, halves and quarters: a half merges neighbours in a row, a quarter 2x2 patches.
            Where they do not divide the patches, as the 3x3 of 48 px, there is no reducer "window".
        patch: side of the patches; with `patches`, of those that the shared weights are of.
        head_width: channels of a head.
        patches: sides of patches to choose from, a gene (FlexiViT); () for `patch` alone.
        resolution: shares of the images' sides at which a network looks at them, a gene; () for whole images.
        windows: windows along each axis that patches look at one another in, a gene, in stages that have all patches; every
            `global_every`-th block, counted from the first, and every block that reduces looks at all. () for no windows.
        global_every: see `windows`.
    """

    width: tuple[int, ...] = field(kw_only=True)
    depth: tuple[tuple[int, ...], ...] = field(kw_only=True)
    heads: tuple[int, ...] = field(kw_only=True)
    ratio: tuple[float, ...] = field(kw_only=True)
    tokens: tuple[tuple[float, ...], ...] = field(kw_only=True)
    grid: tuple[tuple[float, ...], ...] = field(kw_only=True)
    patch: int = field(default=16, kw_only=True)
    head_width: int = field(default=64, kw_only=True)
    patches: tuple[int, ...] = field(default=(), kw_only=True)
    resolution: tuple[float, ...] = field(default=(), kw_only=True)
    windows: tuple[int, ...] = field(default=(), kw_only=True)
    global_every: int = field(default=2, kw_only=True)
    winners: Mapping[str, Published] = field(default_factory=dict, kw_only=True)

    def genes(self) -> Sequence[Gene]:
        self._check()
        stages = len(self.depth)
        return (
            *self.patch_grid.genes,
            *self.patch_grid.window_genes,
            Gene("width", self.width),
            *per_stage("depth", self.depth),
            *per_stage("heads", [self.heads] * stages, per="depth"),
            *per_stage("ratio", [self.ratio] * stages, per="depth"),
            Gene("reducer", REDUCERS if self._windows_fit else REDUCERS[1:]),
            *_never_more("tokens", self.tokens, CHOOSING),
            *(_never_more("grid", self.grid, ("window",)) if self._windows_fit else ()),
        )

    @cached_property
    def patch_grid(self) -> PatchGrid:
        own = (self.patch, self.patches, self.resolution, self.windows, self.global_every)
        return PatchGrid(self.name, self.task, *own)

    def published(self) -> Mapping[str, Published]:
        return self.winners

    @property
    def deepest(self) -> Sequence[int]:
        return [max(depth) for depth in self.depth]

    def sites(self) -> Sequence[Site]:
        no_genes = set() if self._windows_fit else {gene.name for gene in _never_more("grid", self.grid, ())}
        left = (site.without(no_genes) for site in super().sites())
        return [site for site in left if site is not None]

    def stem(self) -> Sequence[Site]:
        return [self._site("stem", ("width",), self._stem)]

    def transition(self, stage: int) -> Site:
        return self._site(f"s{stage}_window", ("width", *_until(stage, "grid")), self._window)

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name, heads, ratio = f"s{stage}_block{block}", f"heads.s{stage}[{block}]", f"ratio.s{stage}[{block}]"
        shares = _shares(stage)
        if stage > 1 and block == 0:
            shares_before = (f"grid.s{stage}", *_until(stage, "tokens"))
            genes = ("width", heads, "reducer", *shares_before)
            attention = self._site(f"{name}_attention", genes, self._reducing, shares_before)
        elif self.patch_grid.is_windowed(block):
            attention = self._site(f"{name}_attention", ("width", heads, "windows", *shares), self._windowed, shares)
        else:
            attention = self._site(f"{name}_attention", ("width", heads, *shares), self._attention, shares)
        return [attention, self._site(f"{name}_ffn", ("width", ratio, *shares), self._ffn, shares)]

    def head(self) -> Site:
        shares = _shares(len(self.depth))
        return self._site("head", ("width", *shares), self._head, shares)

    def _site(
        self, name: str, genes: tuple[str, ...], spec: Callable[..., LayerSpec | None], optional: tuple[str, ...] = ()
    ) -> Site:
        """A site that reads what makes the patches as well, and is told it first."""
        more = self.patch_grid.names

        def of(*values: Choice) -> LayerSpec | None:
            own, chosen = values[: len(genes)], dict(zip(more, values[len(genes) :], strict=True))
            return spec(chosen, *own)

        return Site(name, (*genes, *more), of, optional)

    def _shape(self, chosen: Chosen, width: int, tokens: float | None, grid: float | None) -> Shape | None:
        """The shape of tokens by the shares of which at most one is on; None for two, which no arch has."""
        if tokens is not None and grid is not None:
            return None
        share = tokens if tokens is not None else grid if grid is not None else 1.0
        rows, columns = self.patch_grid.sides(chosen)
        return 1 + max(1, round(share * rows * columns)), width

    def _stem(self, chosen: Chosen, width: int) -> LayerSpec:
        rows, columns = self.patch_grid.sides(chosen)
        return self.patch_grid.stem((1 + rows * columns, width), chosen)

    def _window(self, chosen: Chosen, width: int, share: float, before: float = 1.0) -> LayerSpec | None:
        (rows, columns), (fewer_rows, fewer_columns) = self._sides(chosen, before), self._sides(chosen, share)
        if (rows, columns) == (fewer_rows, fewer_columns):
            return None
        shapes = (1 + rows * columns, width), (1 + fewer_rows * fewer_columns, width)
        down, across = rows // fewer_rows, columns // fewer_columns
        return LayerSpec.of("window_merging", *shapes, columns=columns, down=down, across=across)

    def _sides(self, chosen: Chosen, share: float) -> tuple[int, int]:
        """Rows and columns of patches of which windows left this share."""
        halvings, (rows, columns) = round(-log2(share)), self.patch_grid.sides(chosen)
        return rows >> halvings // 2, columns >> (halvings + 1) // 2

    @property
    def _windows_fit(self) -> bool:
        """Whether rows and columns of patches can be halved as often as the shares say."""
        halvings = round(max(-log2(share) for own in self.grid for share in own))
        sides = self.patch_grid.all_sides()
        return not any(r % (1 << halvings // 2) or c % (1 << (halvings + 1) // 2) for r, c in sides)

    def _attention(
        self, chosen: Chosen, width: int, heads: int, tokens: float | None = None, grid: float | None = None
    ) -> LayerSpec | None:
        shape = self._shape(chosen, width, tokens, grid)
        if shape is None:
            return None
        return LayerSpec.of("attention", shape, shape, heads=heads, head_width=self.head_width, reach=0)

    def _windowed(
        self,
        chosen: Chosen,
        width: int,
        heads: int,
        windows: int,
        tokens: float | None = None,
        grid: float | None = None,
    ) -> LayerSpec | None:
        """Attention in windows while all patches are there; those that were chosen lie in no rows."""
        shape = self._shape(chosen, width, tokens, grid)
        if shape is None:
            return None
        rows, columns = self.patch_grid.sides(chosen)
        windows = windows if shape[0] == 1 + rows * columns else 1
        return self.patch_grid.windowed(shape, windows, columns, heads=heads, head_width=self.head_width)

    def _reducing(
        self,
        chosen: Chosen,
        width: int,
        heads: int,
        reducer: str,
        grid: float | None,
        tokens: float | None,
        before: float | None = None,
    ) -> LayerSpec | None:
        """The first attention of a stage; a stage after one that has all patches has no share before."""
        if (tokens is not None) != (reducer in CHOOSING) or (grid is not None) != (reducer == "window"):
            return None
        given, left = self._shape(chosen, width, before, grid), self._shape(chosen, width, tokens, grid)
        if given is None or left is None:
            return None
        by = "keep" if given == left else reducer  # one layer where nothing goes
        return LayerSpec.of("reducing_attention", given, left, heads=heads, head_width=self.head_width, by=by)

    def _ffn(
        self, chosen: Chosen, width: int, ratio: float, tokens: float | None = None, grid: float | None = None
    ) -> LayerSpec | None:
        shape = self._shape(chosen, width, tokens, grid)
        return None if shape is None else LayerSpec.of("feed_forward", shape, shape, hidden=int(width * ratio))

    def _head(
        self, chosen: Chosen, width: int, tokens: float | None = None, grid: float | None = None
    ) -> LayerSpec | None:
        shape = self._shape(chosen, width, tokens, grid)
        return None if shape is None else LayerSpec.of("classifier", shape, (self.task.num_classes,), pool="class")

    def _check(self) -> None:
        where = f"space '{self.name}'"
        self.patch_grid.check()
        for name, shares in (("tokens", self.tokens), ("grid", self.grid)):
            if len(shares) != len(self.depth) - 1 or any(not 0 < s <= 1 for own in shares for s in own):
                raise SpaceError(
                    f"{where}: {name} has shares above 0 up to 1 for each of the {len(self.depth) - 1} stages after the first, "
                    f"got {[list(own) for own in shares]}"
                )
            if 1.0 in shares[-1]:
                raise SpaceError(
                    f"{where}: {name} of the last stage holds 1, which is the reducer 'none' under another name; leave it out"
                )
        for share in (share for own in self.grid for share in own if not log2(share).is_integer()):
            raise SpaceError(
                f"{where}: windows halve rows and columns, so grid has shares 1, 0.5, 0.25, ...; got {share}"
            )


def _shares(stage: int) -> tuple[str, ...]:
    """The genes that say how many patches a stage has."""
    return () if stage == 1 else (f"tokens.s{stage}", f"grid.s{stage}")


def _until(stage: int, name: str) -> tuple[str, ...]:
    """The share of a stage, and of the stage before it where that has one."""
    return (f"{name}.s{stage}", *(f"{name}.s{stage - 1}" for _ in range(stage > 2)))


def _never_more(name: str, shares: Sequence[tuple[float, ...]], reducers: tuple[str, ...]) -> list[Gene]:
    """Shares of the stages from the second on, no stage with more than the one before it."""
    last = len(shares) + 1
    found = [Gene(f"{name}.s{last}", shares[-1], when=("reducer", reducers))]
    for stage in range(last - 1, 1, -1):
        found.append(Gene(f"{name}.s{stage}", shares[stage - 2], at_least=f"{name}.s{stage + 1}"))
    return found


def staged_vit(task: Task = Task()) -> StagedViT:
    """DeiT-Ti to DeiT-B in four stages of up to three blocks, with the shares to which EViT's keep rates .5 to .9 amount."""
    second, third, fourth = zip(*(shares for shares, _ in EVIT.values()), strict=True)
    return StagedViT(
        "staged-vit",
        task,
        width=(192, 384, 768),
        depth=((1, 2, 3),) * 4,
        heads=(3, 6, 12),
        ratio=(2.0, 3.0, 4.0),
        tokens=((*reversed(second), 1.0), (*reversed(third), 1.0), tuple(reversed(fourth))),
        grid=((0.25, 0.5, 1.0), (0.25, 0.5, 1.0), (0.25, 0.5)),
        winners=_winners(),
    )


def _winners() -> dict[str, Published]:
    def published(size: str, gmacs: float, **reduced: GeneValue) -> Published:
        heads, num_params, _ = DEIT[size]
        blocks = stage_values(depth=(3,) * 4, heads=((heads,) * 3,) * 4, ratio=((4.0,) * 3,) * 4)
        return Published({"width": 64 * heads, **blocks, **reduced}, num_params, gmacs * 1e9)

    found = {f"DeiT-{size}": published(size, gmacs, reducer="none") for size, (_, _, gmacs) in DEIT.items()}
    for rate, (shares, gmacs) in EVIT.items():
        found[f"EViT-S {rate}"] = published("S", gmacs, reducer="keep", **stage_values(first=2, tokens=shares))
    return found
