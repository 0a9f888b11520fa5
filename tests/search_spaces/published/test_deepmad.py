"""DeepMAD's published networks by its own counters, and by arithmetic over their stages."""

from __future__ import annotations

from typing import Any

import pytest

from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.counting.counts import count

PUBLISHED = {
    "R18": (1.8373, 11.153),
    "R34": (3.6753, 21.073),
    "R50": (4.0873, 24.208),
    "29M-224": (4.4489, 26.877),
    "29M-288": (4.4346, 26.911),
    "50M": (8.6113, 47.360),
    "89M": (15.2573, 85.765),
}
"""GFLOPs and millions of parameters, both without the classifier."""


def _space(label: str) -> SearchSpace:
    return load_space("deepmad-resnet" if label.startswith("R") else "deepmad-mobile")


def _blocks(arch: Any) -> list[tuple[int, int, int, int, int]]:
    """``(channels in, channels out, kernel, stride, bottleneck)`` of every block."""
    found = []
    width = arch["width.stem"]
    for i, stride in enumerate(str(arch["strides"]), 1):
        for n in range(arch[f"depth.s{i}"]):
            first = n == 0
            out, kernel, hidden = (arch[f"{gene}.s{i}"] for gene in ("width", "kernel", "bottleneck"))
            found.append((width if first else out, out, kernel, int(stride) if first else 1, hidden))
        width = arch[f"width.s{i}"]
    return found


def _counts(arch: Any) -> tuple[int, int, int, int]:
    """Parameters and MACs without the classifier, MACs of excitation among them, and what norms and pooling cost."""
    head = arch["width.head"] if "width.head" in dict(arch.genes) else 0
    side, stem = arch["resolution"] // 2, arch["width.stem"]
    params, macs, extra, excitation = 27 * stem + 2 * stem, 27 * stem * side**2, 3 * stem * side**2, 0

    def conv(narrow: int, wide: int, weights: int, out: int) -> None:
        nonlocal params, macs, extra
        params += weights + 2 * wide
        macs += weights * out**2
        extra += 3 * wide * out**2

    for narrow, wide, kernel, stride, hidden in _blocks(arch):
        out = side // stride
        conv(narrow, hidden, narrow * hidden, side)
        conv(hidden, hidden, kernel**2 * hidden * (1 if head else hidden), out)
        conv(hidden, wide, hidden * wide, out)
        if head:
            squeeze = hidden // 32 * 8
            params += 2 * hidden * squeeze + 2 * (hidden + squeeze)
            excitation += 2 * hidden * squeeze
        elif narrow != wide or stride > 1:
            conv(narrow, wide, narrow * wide, out)
            extra += narrow * side**2 if stride > 1 else 0
        side = out
    if head:
        width = arch["width.s5"]
        conv(width, head, width * head, side)
    return params, macs + excitation, excitation, extra


@pytest.mark.heavy
@pytest.mark.parametrize("label", PUBLISHED)
def test_published_sizes_and_flops_come_back_to_the_last_digit(label: str) -> None:
    space = _space(label)
    arch: Any = space.named(f"DeepMAD-{label}")
    features = dict(arch.genes).get("width.head", arch["width.s5"])
    found = count(space.lower(arch))
    params, macs, excitation, extra = _counts(arch)
    assert (found.num_params, found.macs) == (params + 1000 * features + 1000, macs + 1000 * features)
    gflops, millions = PUBLISHED[label]
    assert round((macs - excitation + extra) / 1e9, 4) == gflops
    assert params / 1e6 == pytest.approx(millions, abs=5.1e-4)


@pytest.mark.heavy
def test_every_choice_of_strides_ends_at_one_thirty_second() -> None:
    for name in ("deepmad-resnet", "deepmad-mobile"):
        space = load_space(name)
        largest = max(spec.in_shape[1] for spec in space.lowering.specs_at()["head"])
        assert largest == space.task.image_size // 32


def test_blocks_keep_a_residual_only_where_they_can() -> None:
    for spec in load_space("deepmad-mobile").lowering.specs:
        if spec.kind == "excited_mbconv":
            assert spec["residual"] == (spec.in_shape == spec.out_shape)
    for spec in load_space("deepmad-resnet").lowering.specs:
        if spec.kind == "bottleneck_conv":
            assert spec["project"] == (spec.in_shape != spec.out_shape)
