"""What two layers of a kind have in common: the tensors of the largest layer that lies in both."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from vitnas.errors import CheckpointError
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.compensation import Compensation
from vitnas.supernets.layers import Layer
from vitnas.supernets.weights.pretrained.matching import class_tensors


def common_tensors(
    key: str, own: Layer, donor: Layer, exact: bool, compensation: Compensation | None = None
) -> list[tuple[Tensor, Tensor]]:
    """Pairs of tensors, ours and theirs, of the largest layer that lies in both.

    Args:
        key: of the layer.
        own: is given weights.
        donor: has them.
        exact: the layers must be of one shape, as with other images: positions of one grid mean nothing on another.
        compensation: of the donor's supernet, for what it loses where ours is smaller.
    """
    wanted, given = own.state_dict(), donor.state_dict()
    classifies = len(own.spec.out_shape) == 1
    kept = class_tensors(own.spec) if classifies and own.spec.out_shape != donor.spec.out_shape else set()
    odd = [
        name for name in wanted if name not in kept and (name not in given or wanted[name].shape != given[name].shape)
    ]
    if not odd:
        return [(wanted[name], given[name]) for name in wanted if name not in kept]
    name = odd[0]
    if exact or name not in given:
        there = f"shape {tuple(given[name].shape)}" if name in given else "no such tensor"
        raise CheckpointError(
            f"layer '{key}': '{name}' has shape {tuple(wanted[name].shape)} here and {there} in the run; there is no "
            f"exact rule from one to the other, so give a run of the same image size and channels"
        )
    common = _meet(own.spec, donor.spec)
    part = donor.at(common)
    if compensation is not None:
        compensation.apply(key, donor, part)
    small, large = own.at(common).state_dict(), part.state_dict()
    return [(small[name], large[name]) for name in small if name not in kept]


def _meet(left: LayerSpec, right: LayerSpec) -> LayerSpec:
    """The largest spec within both: every number at its smaller value."""
    attrs: dict[str, Any] = {
        name: min(value, right[name]) if isinstance(value, int | float) else value for name, value in left.attrs
    }
    return LayerSpec.of(
        left.kind,
        [min(pair) for pair in zip(left.in_shape, right.in_shape, strict=True)],
        [min(pair) for pair in zip(left.out_shape, right.out_shape, strict=True)],
        **attrs,
    )
