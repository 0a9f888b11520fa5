"""Looking at smaller images than a space is made for: fewer tokens for a part of the training, on the same weights.

Progressive tokens (As-ViT) enlarge stride and dilation of the first convolution, which is to look at every f-th pixel only;
multi-resolution batches look at images that were scaled down. Either way the network is that of the same genes in the
same space for smaller images, on the shared weights: absolute positions are averaged over the places that a coarser one covers
(`Layer.averaged`), and tables of offsets count tokens, so that the entries of the offsets that still occur are used.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from vitnas.errors import SettingsError, SpaceError
from vitnas.image_size import ImageSize, height_and_width, in_short
from vitnas.search_spaces import Arch, Blueprint, LayerSpec, SearchSpace
from vitnas.supernets.settings.resolution import Resolution

FOLLOW_THE_MAP = ("window", "shift", "halvings", "grid", "stripe", "columns")
"""Attributes that a smaller map makes smaller without giving a weight another role."""

TABLES = ("reach",)
"""Attributes that a smaller map would make smaller, but that say where in a table of offsets the middle is."""

TOLERANCE = 1.5
"""A size stands for another one if their numbers of tokens differ by no more than this factor."""


def check_sizes(settings: Resolution, space: SearchSpace) -> None:
    """Refuses sizes that the space cannot take."""
    for size in settings.sizes:
        space_at(space, size)
    for _, factor in settings.progressive:
        size_for(space, factor)


def size_at(settings: Resolution, space: SearchSpace, step: int, num_steps: int, seed: int) -> ImageSize:
    """The image size of a step; all processes of a run agree on it."""
    if settings.sizes:
        return settings.sizes[int(np.random.default_rng((seed, step)).choice(len(settings.sizes)))]
    for share, factor in settings.progressive:
        if step < share * num_steps:
            return size_for(space, factor)
    return space.task.image_size


def view(settings: Resolution, x: Tensor, size: ImageSize) -> Tensor:
    """Images at this size: every f-th pixel for progressive tokens, scaled down for several resolutions."""
    if tuple(x.shape[2:]) == height_and_width(size):
        return x
    return resized(x, size) if settings.sizes else sparse(x, size)


def sparse(x: Tensor, size: ImageSize) -> Tensor:
    """Pixels at equal distances: where f divides the size, what a convolution of stride and dilation f times as large sees."""
    return F.interpolate(x, size=height_and_width(size), mode="nearest")


def resized(x: Tensor, size: ImageSize) -> Tensor:
    """Images scaled down."""
    return F.interpolate(x, size=height_and_width(size), mode="bilinear", antialias=True)


@lru_cache(maxsize=1024)
def space_at(space: SearchSpace, size: ImageSize) -> SearchSpace:
    """The same space for smaller images, all of whose layers are slices of the ones for larger images."""
    full = space.task.image_size
    if size == full:
        return space
    reason = _why_not(space, size)
    if reason is not None:
        known = ", ".join(map(in_short, allowed_resolutions(space)))
        raise SettingsError(
            f"[train.resolution] space '{space.name}' for images of {in_short(full)} cannot look at images of {in_short(size)}: "
            f"{reason}; choose of {known}"
        )
    return _smaller(space, size)


@lru_cache(maxsize=64)
def allowed_resolutions(space: SearchSpace) -> tuple[ImageSize, ...]:
    """The image sizes that a supernet of this space can look at, in multiples of 8, or of 2 for small images.

    Images that are not square keep their shape, as far as whole multiples allow.
    """
    height, width = space.task.sides
    step = 2 if max(height, width) <= 64 else 8
    scaled = [(h, max(1, round(h * width / height / step)) * step) for h in range(step, height, step)]
    sizes = [h if height == width else (h, w) for h, w in scaled if w <= width]
    return (*(size for size in sizes if _why_not(space, size) is None), space.task.image_size)


def size_for(space: SearchSpace, factor: float) -> ImageSize:
    """The allowed size that comes nearest to so many times fewer tokens."""
    wanted = math.prod(space.task.sides) ** 0.5 / factor**0.5
    sizes = allowed_resolutions(space)

    def off(size: ImageSize) -> float:
        return abs(math.log(math.prod(height_and_width(size)) ** 0.5 / wanted))

    size = min(sizes, key=off)
    if math.exp(off(size)) ** 2 > TOLERANCE:
        raise SettingsError(
            f"[train.resolution] progressive: {factor:g} times fewer tokens are images of {wanted:.0f}, which space "
            f"'{space.name}' cannot look at; it can at {', '.join(map(in_short, sizes))}: change the factor"
        )
    return size


def lower_at(space: SearchSpace, arch: Arch, image_size: ImageSize | None) -> Blueprint:
    """The layers of an arch for images of this size, or of the task's."""
    if image_size is None or image_size == space.task.image_size:
        return space.lower(arch)
    return _lower_at(space, arch, image_size)


@lru_cache(maxsize=4096)
def _lower_at(space: SearchSpace, arch: Arch, size: ImageSize) -> Blueprint:
    smaller = space_at(space, size)
    genes, (height, _) = dict(space.check(arch).genes), space.task.sides
    for here, there in zip(replace(space, only=()).all_genes, smaller.all_genes, strict=True):
        if here.choices != there.choices:  # a resolution, which scales with the images
            wanted = float(genes[here.name]) * smaller.task.sides[0] / height  # type: ignore[arg-type]
            genes[here.name] = min(there.choices, key=lambda choice: abs(float(choice) - wanted))
    large = dict(space.lower(arch).items())
    small = smaller.lower(smaller.arch(**genes))
    return Blueprint(small.sites, tuple(_with_tables(spec, large[site]) for site, spec in small.items()))


def _smaller(space: SearchSpace, size: ImageSize) -> SearchSpace:
    """Without `only`: a resolution that it keeps has another name there, and all other genes are the same."""
    return replace(space, task=replace(space.task, image_size=size), only=())


def _with_tables(spec: LayerSpec, large: LayerSpec) -> LayerSpec:
    return replace(spec, attrs=tuple((name, large[name] if name in TABLES else value) for name, value in spec.attrs))


@lru_cache(maxsize=4096)
def _why_not(space: SearchSpace, size: ImageSize) -> str | None:
    """Why the space for images of this size is none of slices, or None if it is."""
    if any(side > full for side, full in zip(height_and_width(size), space.task.sides, strict=True)):
        return "they are larger than those that its weights are for"
    try:
        there = _smaller(space, size).lowering.specs_at()
    except (SpaceError, ArithmeticError) as error:
        return str(error)
    here = replace(space, only=()).lowering.specs_at()
    if list(here) != list(there):
        return "it has other layers there"
    for site, specs in there.items():
        for kind in dict.fromkeys(spec.kind for spec in specs):
            alike = [spec for spec in here[site] if spec.kind == kind]
            roles, largest = set(map(_roles, alike)), _numbers(LayerSpec.join(alike)) if alike else ()
            for spec in (spec for spec in specs if spec.kind == kind):
                if _roles(spec) not in roles or any(a > b for a, b in zip(_numbers(spec), largest, strict=True)):
                    return f"at site '{site}' there is a layer '{spec.key}', which is no slice of any for larger images"
    return None


def _roles(spec: LayerSpec) -> tuple[object, ...]:
    """What a layer has in common with that of a larger map whose weights it can take."""
    channels = [shape[0] if len(shape) == 3 else shape[-1] for shape in (spec.in_shape, spec.out_shape)]
    return spec.kind, *channels, *((n, v) for n, v in spec.attrs if n not in (*FOLLOW_THE_MAP, *TABLES))


def _numbers(spec: LayerSpec) -> tuple[float, ...]:
    """What grows with the map: shapes, and the attributes that follow it."""
    return (*spec.in_shape, *spec.out_shape, *(float(v) for n, v in spec.attrs if n in FOLLOW_THE_MAP))
