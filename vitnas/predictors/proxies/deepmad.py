"""DeepMAD's entropy of convolutional networks (Shen et al., 2023), read off the blueprint: nothing is run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from vitnas.errors import SearchError
from vitnas.predictors.proxies.proxy import Proxy
from vitnas.search_spaces import Blueprint, LayerSpec

STAGE_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 8.0)
RHO_OF_BOTTLENECKS, RHO_OF_MOBILE = 0.3, 0.5


class DeepMADEntropy(Proxy):
    """The entropy of a network that is wide enough for its depth; of others, how far they are from it, below zero.

    Entropy grows with depth without end, and what bounds it is effectiveness: rho, depth over width, may not exceed 0.3
    where bottlenecks are full convolutions and 0.5 where they are depthwise, the published budgets.
    """

    name = "deepmad"

    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float:
        return effective_entropy(blueprint)


def effective_entropy(blueprint: Blueprint, rho: float | None = None) -> float:
    """The entropy, or 1 - rho / (its bound) where that is below zero.

    Args:
        blueprint: of the spaces `deepmad-resnet` or `deepmad-mobile`, or of the same kinds of layers.
        rho: its bound; by default the published one of the family.
    """
    bound = rho_bound(blueprint) if rho is None else rho
    found = effectiveness(blueprint)
    return entropy(blueprint) if found <= bound else 1 - found / bound


def rho_bound(blueprint: Blueprint) -> float:
    return RHO_OF_MOBILE if any(s.kind == "excited_mbconv" for s in blueprint) else RHO_OF_BOTTLENECKS


def entropy(blueprint: Blueprint, as_released: bool = False) -> float:
    """The weighted sum over stages of (log C + log R^2) times the sum of all half log widths up to there.

    A stage ends before the next layer that halves the map, C is its channels and R its side. With
    `as_released`, a stage that ends in an excited block has R = 1, as in the released code, whose excitation reports
    the side of its own output; the published scores of the mobile family were found with it.
    """
    blocks = _blocks(blueprint)
    stages: list[list[_ConvBlock]] = []
    for block in blocks:
        if not stages or (block.stride > 1 and len(stages[-1]) and block is not blocks[0]):
            stages.append([])
        stages[-1].append(block)
    if len(stages) != len(STAGE_WEIGHTS):
        raise SearchError(
            f"proxy 'deepmad' weighs {len(STAGE_WEIGHTS)} stages, and this network has {len(stages)}: a stem and "
            "four layers that halve the map are needed"
        )
    total = so_far = 0.0
    for stage, weight in zip(stages, STAGE_WEIGHTS, strict=True):
        so_far += sum(0.5 * math.log(block.width) for block in stage)
        last = stage[-1]
        side = 1 if as_released and any(block.excited for block in stage) else last.side
        total += weight * (math.log(last.channels) + math.log(side**2)) * so_far
    return total


def effectiveness(blueprint: Blueprint) -> float:
    """Rho: the largest ratio over all stages of depth so far to the geometric mean of the widths so far.

    Depth counts convolutions; a block of three has one width, the product of the three.
    """
    blocks = _blocks(blueprint)
    depth, logs, found = 0, 0.0, 0.0
    for i, block in enumerate(blocks):
        depth += block.num_convs
        logs += math.log(block.width)
        if i + 1 == len(blocks) or blocks[i + 1].stride > 1:
            found = max(found, depth / math.exp(logs / depth))
    return found


@dataclass(frozen=True)
class _ConvBlock:
    """A convolution, or three that count as one."""

    num_convs: int
    width: int
    channels: int
    side: int
    stride: int
    excited: bool = False


def _blocks(blueprint: Sequence[LayerSpec] | Blueprint) -> list[_ConvBlock]:
    found = []
    for spec in blueprint:
        c, out, side = spec.in_shape[0], spec.out_shape[0], spec.out_shape[-1]
        if spec.kind == "conv_stem":
            found.append(_ConvBlock(1, c * spec["kernel"] ** 2, out, side, spec["stride"]))
        elif spec.kind == "bottleneck_conv":
            hidden = spec["hidden"]
            found.append(_ConvBlock(3, c * hidden * spec["kernel"] ** 2 * hidden, out, side, spec["stride"]))
        elif spec.kind == "excited_mbconv":
            width = c * spec["kernel"] ** 2 * spec["hidden"]
            found.append(_ConvBlock(3, width, out, side, spec["stride"], excited=True))
        elif spec.kind == "widening_classifier":
            if spec["hidden"]:
                found.append(_ConvBlock(1, c, spec["hidden"], spec.in_shape[-1], 1))
        else:
            raise SearchError(
                f"proxy 'deepmad' is defined for convolutional networks (spaces deepmad-resnet and deepmad-mobile); "
                f"layer kind '{spec.kind}' has no such entropy; choose another proxy, such as naswot"
            )
    return found
