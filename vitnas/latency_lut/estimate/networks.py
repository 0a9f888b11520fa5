"""Operators of layers, of vitnas's networks and of timm's, without weights or memory."""

from __future__ import annotations

import difflib
import importlib
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from vitnas.errors import DeviceError, UnknownNameError
from vitnas.image_size import ImageSize, height_and_width, in_short, settled
from vitnas.latency_lut.estimate.ops import Op
from vitnas.latency_lut.estimate.trace import trace
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.weights.pretrained.timm_package import import_timm


@lru_cache(maxsize=100_000)
def layer_ops(spec: LayerSpec) -> tuple[Op, ...]:
    """The operators of one layer."""
    with torch.device("meta"):
        layer = build(spec).to("meta").eval()
    return tuple(trace(layer.deployed() if layer.resampled else layer, spec.in_shape))


def timm_ops(name: str, image_size: ImageSize | None = None) -> list[Op]:
    """The operators of a timm model as it is deployed: branches of training folded into one.

    Args:
        name: as timm calls the model.
        image_size: side in pixels, or height and width; by default the model's own.
    """
    network, shape = timm_network(name, image_size)
    try:
        return trace(network, shape)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise DeviceError(
            f"timm's '{name}' does not run on {in_short(settled(shape[1:], 'the image'))} pixels: {error}; use another --image-size"
        ) from error


def timm_network(name: str, image_size: ImageSize | None = None) -> tuple[nn.Module, tuple[int, int, int]]:
    """A timm model without weights in its deployed form, and the shape of its image."""
    timm = import_timm()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.4)
        meant = f"did you mean {' or '.join(near)}?" if near else "`timm.list_models()` names them"
        raise UnknownNameError(f"timm {timm.__version__} has no model '{name}'; {meant}")
    given: dict[str, Any] = {} if image_size is None else {"img_size": image_size}
    with torch.device("meta"):
        try:
            model = timm.create_model(name, **given)
        except TypeError:  # most convolutional networks take any size and have no such argument
            model = timm.create_model(name)
        model = importlib.import_module("timm.utils.model").reparameterize_model(model.eval()).eval()
    channels, *sides = model.pretrained_cfg.get("input_size", (3, 224, 224))
    height, width = sides if image_size is None else height_and_width(image_size)
    return model, (channels, height, width)
