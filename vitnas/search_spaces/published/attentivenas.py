"""AttentiveNAS (Wang et al., 2021) and AlphaNet: MBConv networks, the reference for sandwich training.

The published A0 to A6 are the same archs in both papers; AlphaNet adds A5-small. Parameters are those that a
network has: the static models released with AttentiveNAS are larger, as every residual block of theirs carries a
1x1 convolution for its shortcut even where the shortcut is the identity (A0: 9,064,648, here 8,954,184). MACs agree.

On an odd map the pooled shortcut of the released code pads with zeros at its upper left; here windows begin at the
upper left and the last ones average what is there. Counts are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from vitnas.search_spaces.published.mobile_stages import MobileStage, MobileStages, winner
from vitnas.search_spaces.space import Published, Task

_KERNELS = (3, 5)


def attentivenas(task: Task = Task(image_size=288)) -> MobileStages:
    """AttentiveNAS's space, 203 to 1939 million MACs at 192 to 288 pixels."""
    return MobileStages(
        "attentivenas",
        task,
        resolution=(192, 224, 256, 288),
        stem=(16, 24),
        stages=(
            MobileStage((16, 24), (1, 2), _KERNELS, (1,), stride=1),
            MobileStage((24, 32), (3, 4, 5), _KERNELS, (4, 5, 6), stride=2),
            MobileStage((32, 40), (3, 4, 5, 6), _KERNELS, (4, 5, 6), stride=2, excite=True),
            MobileStage((64, 72), (3, 4, 5, 6), _KERNELS, (4, 5, 6), stride=2),
            MobileStage((112, 120, 128), (3, 4, 5, 6, 7, 8), _KERNELS, (4, 5, 6), stride=1, excite=True),
            MobileStage((192, 200, 208, 216), (3, 4, 5, 6, 7, 8), _KERNELS, (6,), stride=2, excite=True),
            MobileStage((216, 224), (1, 2), _KERNELS, (6,), stride=1, excite=True),
        ),
        head=(1792, 1984),
        winners={
            "A0": _winner(192, (192, 216, 1792), "1333331", "3333333", "1444466", 8_954_184, 203.390),
            "A1": _winner(224, (192, 216, 1984), "1333331", "3335353", "1444466", 9_452_872, 279.239),
            "A2": _winner(224, (200, 224, 1984), "1333341", "3333353", "1454466", 11_149_824, 316.730),
            "A3": _winner(224, (208, 224, 1984), "2334351", "3335333", "1444466", 12_784_928, 356.518),
            "A4": _winner(256, (192, 216, 1984), "1334351", "3335353", "1445466", 11_809_640, 443.531),
            "A5": _winner(256, (192, 216, 1792), "1333461", "3335333", "1454466", 12_597_464, 490.520, 72),
            "A5-small": _winner(256, (208, 216, 1984), "1334451", "3333353", "1445466", 12_970_512, 491.481),
            "A6": _winner(288, (216, 224, 1984), "1334461", "3333353", "1465466", 15_154_792, 709.007),
        },
    )


def _winner(
    resolution: int,
    last: Sequence[int],
    depth: str,
    kernel: str,
    expansion: str,
    num_params: int,
    mega_macs: float,
    fourth: int = 64,
) -> Published:
    """A winner from the widths of its last stages and head, and a digit a stage for the other choices."""
    width = (16, 16, 24, 32, fourth, 112, *last)
    depths, kernels, expansions = ([int(d) for d in digits] for digits in (depth, kernel, expansion))
    return winner(resolution, width, depths, kernels, expansions, num_params, mega_macs)
