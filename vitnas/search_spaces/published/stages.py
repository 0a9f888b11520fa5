"""What spaces of stages share: their sites, genes and values stage by stage, their maps and resolutions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Choice, Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.space import SearchSpace

RESOLUTION_STEP = 8


@dataclass(frozen=True, eq=False)
class StagedSpace(SearchSpace):
    """A stem, stages of blocks with a transition into each but the first, and a head.

    Stages are counted from 1 and their blocks from 0, as in the names of genes and sites.
    """

    @property
    @abstractmethod
    def deepest(self) -> Sequence[int]:
        """The most blocks that each stage can have."""

    @abstractmethod
    def stem(self) -> Sequence[Site]:
        """From the image to the first stage."""

    @abstractmethod
    def transition(self, stage: int) -> Site:
        """From the stage before into `stage`."""

    @abstractmethod
    def block(self, stage: int, block: int) -> Sequence[Site]:
        """One block of a stage."""

    @abstractmethod
    def head(self) -> Site:
        """From the last stage to the classes."""

    def sites(self) -> Sequence[Site]:
        sites = [*self.stem()]
        for stage, blocks in enumerate(self.deepest, 1):
            if stage > 1:
                sites.append(self.transition(stage))
            for block in range(blocks):
                sites += self.block(stage, block)
        return [*sites, self.head()]


def per_stage(name: str, choices: Iterable[Iterable[Choice]], per: str | None = None, first: int = 1) -> Sequence[Gene]:
    """One gene for each stage, as ``width.s1`` to ``width.s4``; `first` is the number of the first stage that has one."""
    return [
        Gene(f"{name}.s{stage}", tuple(own), per=None if per is None else f"{per}.s{stage}")
        for stage, own in enumerate(choices, first)
    ]


def stage_by_stage(*genes: Sequence[Gene]) -> list[Gene]:
    """What `per_stage` gives for several names, with all genes of a stage before those of the next."""
    return [gene for stage in zip(*genes, strict=True) for gene in stage]


def stage_values(first: int = 1, **values: Iterable[GeneValue]) -> dict[str, GeneValue]:
    """The values of such genes: ``stage_values(width=(96, 192))`` sets ``width.s1`` and ``width.s2``."""
    return {f"{name}.s{stage}": value for name, own in values.items() for stage, value in enumerate(own, first)}


def when_deeper(n: int, layer: Callable[..., LayerSpec]) -> Callable[..., LayerSpec | None]:
    """The spec of block n from ``(first, depth, *others)``: `layer` of ``(first, *others)`` if the stage is that deep."""
    return lambda first, depth, *others: layer(first, *others) if depth > n else None


def map_shape(width: int, resolution: int, stride: int) -> Shape:
    """The shape of a map at a stride from the image; every halving rounds up."""
    side = -(-resolution // stride)
    return (width, side, side)


def mbconv(
    shape: Shape, out_shape: Shape, hidden: int, *, kernel: int, stride: int, squeeze: int, act: str
) -> LayerSpec:
    """An MBConv from map to map through `hidden` channels; as many as come in mean that there is no expansion.

    `squeeze` are the channels of its squeeze-and-excitation, 0 for none.
    """
    return LayerSpec.of(
        "mbconv",
        shape,
        out_shape,
        hidden=hidden,
        kernel=kernel,
        stride=stride,
        squeeze=squeeze,
        expand=hidden > shape[0],
        project=shape[0] != out_shape[0],
        act=act,
    )


def scaled_resolutions(published: Sequence[int], image_size: int, stride: int) -> tuple[int, ...]:
    """The published resolutions with the largest one at `image_size`, in multiples of 8, each once.

    None is so small that the last map, at `stride` from the image, has but one token: attention would have nothing
    to choose from. Images keep the size of the task, and a network brings them to its own resolution when it takes
    them in; small images it enlarges. At the published image size the resolutions are the published ones.
    """
    largest, step = max(published), RESOLUTION_STEP
    least = stride // step + 1
    steps = {max(least, (2 * size * image_size + largest * step) // (2 * largest * step)) for size in published}
    return tuple(step * n for n in sorted(steps))
