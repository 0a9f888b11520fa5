"""PatchGrid: how a plain ViT cuts images into patches, at which size of either, and in how many windows they look at one another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from vitnas.errors import SpaceError
from vitnas.image_size import in_short, settled
from vitnas.search_spaces.blueprint import LayerSpec, Scalar, Shape
from vitnas.search_spaces.gene import Choice, Gene
from vitnas.search_spaces.space import Task

GENES = ("patch", "resolution")
"""What changes how many patches there are."""


@dataclass(frozen=True)
class PatchGrid:
    """The patches of the images of a task, by the genes that change them.

    Attributes:
        space: its name, for errors.
        task: whose images they are.
        patch: side of the patches; with other choices, of those that the shared weights are of.
        patches: sides to choose from; () for `patch` alone.
        resolution: shares of the sides of the images to choose from; () for whole images alone.
        windows: windows along each axis to choose from; () for attention among all patches alone.
        global_every: in how many blocks one looks at all patches, where others look at windows.
    """

    space: str
    task: Task
    patch: int
    patches: tuple[int, ...] = ()
    resolution: tuple[float, ...] = ()
    windows: tuple[int, ...] = ()
    global_every: int = 2

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Those that change how many patches there are; a resolution is called by the height of its images."""
        self.check()
        choices = (tuple(sorted(self.patches, reverse=True)), tuple(sorted(self._sizes)) if self.resolution else ())
        return tuple(Gene(name, own) for name, own in zip(GENES, choices, strict=True) if own)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(gene.name for gene in self.genes)

    @property
    def window_genes(self) -> tuple[Gene, ...]:
        """In how many windows along each axis patches look at one another."""
        return (Gene("windows", tuple(sorted(self.windows, reverse=True))),) if self.windows else ()

    def is_windowed(self, block: int) -> bool:
        """Whether windows are for this block; of so many that follow one another the last looks at all patches."""
        return bool(self.windows) and (block + 1) % self.global_every != 0

    def image(self, chosen: Mapping[str, Choice] = {}) -> Shape:
        """The images that a network looks at, by the values of the genes."""
        if "resolution" not in chosen:
            return self.task.image_shape
        return (self.task.in_channels, *self._sizes[int(chosen["resolution"])])

    def sides(self, chosen: Mapping[str, Choice] = {}) -> tuple[int, int]:
        """Rows and columns of patches."""
        _, height, width = self.image(chosen)
        patch = int(chosen.get("patch", self.patch))
        return height // patch, width // patch

    def stem(self, tokens: Shape, chosen: Mapping[str, Choice], **attrs: Scalar) -> LayerSpec:
        """From the image to tokens."""
        image, patch = self.image(chosen), int(chosen.get("patch", self.patch))
        if not self.names:
            return LayerSpec.of("patch_embedding", image, tokens, patch=patch, **attrs)
        return LayerSpec.of("flexible_patch_embedding", image, tokens, patch=patch, kernel=self.patch, **attrs)

    def windowed(self, shape: Shape, windows: int, columns: int, **attrs: Scalar) -> LayerSpec:
        """Attention in windows; one window has no rows to be told apart."""
        columns = columns if windows > 1 else 1
        return LayerSpec.of("windowed_attention", shape, shape, windows=windows, columns=columns, **attrs)

    def all_sides(self) -> list[tuple[int, int]]:
        """Those of every choice."""
        sizes = self._sizes.values() if self.resolution else [self.task.sides]
        found = ((height // p, width // p) for height, width in sizes for p in self.patches or (self.patch,))
        return list(dict.fromkeys(found))

    @cached_property
    def _sizes(self) -> dict[int, tuple[int, int]]:
        """Height -> height and width of every resolution, in multiples that all patches divide."""
        step = math.lcm(self.patch, *self.patches)
        scaled = (
            tuple(max(1, round(side * share / step)) * step for side in self.task.sides) for share in self.resolution
        )
        return {height: (height, width) for height, width in scaled}

    def check(self) -> None:
        """Refuses what leaves no whole patches."""
        where = f"space '{self.space}'"
        _refuse_odd(
            where,
            "patches",
            self.patches,
            all(type(p) is int and p > 0 for p in self.patches),
            "whole numbers from 1 on",
        )
        _refuse_odd(
            where,
            "resolution",
            self.resolution,
            all(0 < share <= 1 for share in self.resolution),
            "shares above 0 up to 1",
        )
        _refuse_odd(
            where,
            "windows",
            self.windows,
            all(type(w) is int and w > 0 for w in self.windows),
            "whole numbers from 1 on",
        )
        if self.global_every < 1:
            raise SpaceError(f"{where}: global_every must be a whole number of at least 1, got {self.global_every}")
        sides = self.task.sides
        for patch in dict.fromkeys((self.patch, *self.patches)):
            if any(side % patch for side in sides):
                near = settled([max(1, round(side / patch)) * patch for side in sides], "the nearest size")
                raise SpaceError(
                    f"{where}: image size {in_short(self.task.image_size)} is not a multiple of its patch size {patch}; "
                    f"the nearest that is: {in_short(near)}"
                )
        for windows, (rows, columns) in itertools.product(self.windows, self.all_sides()):
            if rows % windows or columns % windows:
                raise SpaceError(
                    f"{where}: {windows}x{windows} windows do not divide {rows}x{columns} patches; choose windows that divide "
                    f"all of {', '.join(f'{r}x{c}' for r, c in self.all_sides())}, or other patches"
                )


def _refuse_odd(where: str, name: str, given: Sequence[object], fits: bool, wanted: str) -> None:
    if not fits or len(set(given)) != len(given):
        raise SpaceError(f"{where}: {name} must be {wanted}, each once; got {list(given)}")
