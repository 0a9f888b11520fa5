"""One class a pixel: the classifier of a space gives way to a head that answers a map as large as the image."""

from __future__ import annotations

from math import isqrt

from vitnas.errors import SpaceError
from vitnas.search_spaces.answers.answer import AnswerKind
from vitnas.search_spaces.blueprint import LayerSpec, Shape

HIDDEN = 64
"""Channels of the map before it is answered for."""
FINE = 4
"""A place of that map stands for so many pixels each way, as far as `MOST` allows."""
MOST = 4
"""A place of the last layer becomes at most so many each way."""


def mask_head(spec: LayerSpec, image: Shape, num_classes: int) -> LayerSpec:
    """The head that reads what the classifier of an arch would read."""
    told = dict(spec.attrs)
    before, places = 0, spec.in_shape[1:]
    if len(spec.in_shape) == 2:
        before = int(bool(told.get("class_token", spec.kind == "classifier"))) + int(told.get("registers", 0))
        places = _grid(spec, spec.in_shape[0] - before, image)
    if len(places) != 2:
        raise SpaceError(
            f"layer '{spec.key}' reads no map of the image, so nothing can answer for its pixels; choose a space whose last "
            "layer reads tokens or a map"
        )
    factor = max(1, min(MOST, image[1] // (FINE * places[0])))
    shapes = spec.in_shape, (num_classes, *image[1:])
    return LayerSpec.of("mask_head", *shapes, hidden=HIDDEN, factor=factor, before=before, height=places[0])


def _grid(spec: LayerSpec, patches: int, image: Shape) -> Shape:
    """Height and width of the grid of patches, of the proportions of the image."""
    height = isqrt(max(0, patches * image[1] // image[2]))
    if not height or patches % height or height * image[2] != patches // height * image[1]:
        raise SpaceError(
            f"layer '{spec.key}' reads {patches} tokens, which are no grid of an image of {image[1]}x{image[2]}, so nothing can "
            "answer for its pixels; leave genes such as per_channel out of the space, or choose another one"
        )
    return height, patches // height


MASKS = AnswerKind(
    metric="miou",
    title="mIoU",
    word="mIoU",
    noun="segmentation network",
    pipeline="image-segmentation",
    goal="vitnas.supernets.goals.masks:Masks",
    head=mask_head,
)
