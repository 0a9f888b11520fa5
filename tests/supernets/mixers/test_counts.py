"""Counts of every mixer and of whole published networks made of them: parameters and MACs to the unit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting.counts import count, count_layer
from vitnas.supernets.layers import build
from vitnas.supernets.mixers.large_kernel import LargeKernel

D, HEADS, SIDE, E = 384, 12, 14, 32
N = SIDE * SIDE
NORM = 2 * D  # the LayerNorm before every mixer, which the closed forms leave out
MAP = (D, SIDE, SIDE)
HEADED = {"heads": HEADS, "head_width": E}


def spec(kind: str, **attrs: int | str | bool) -> LayerSpec:
    return LayerSpec.of(kind, MAP, MAP, **attrs)


def hilo(low: int) -> LayerSpec:
    return spec("hilo_attention", high_heads=HEADS - low, low_heads=low, head_width=E, window=2)


# Counted on the authors' modules and written out, not computed here.
GOLDEN = {
    "full": (spec("map_attention", **HEADED), 591_360, 145_108_992),
    "window7": (spec("window_attention", **HEADED, window=7, shift=False), 593_388, 122_981_376),
    "shifted window7": (spec("window_attention", **HEADED, window=7, shift=True), 593_388, 122_981_376),
    "reduction2": (spec("spatial_reduction_attention", **HEADED, reduction=2), 1_182_336, 108_530_688),
    "pooled to 7x7": (spec("pooled_reduction_attention", **HEADED, reduction=2), 739_968, 86_854_656),
    "hilo, half of each": (hilo(6), 517_632, 83_467_776),
    "hilo, 10 low heads": (hilo(10), 550_400, 77_697_536),
    "hilo, high only": (hilo(0), 591_360, 116_207_616),
    "hilo, low only": (hilo(12), 591_360, 79_629_312),
    "pooling": (spec("pooling_mixer", kernel=3), 0, 0),
}

M = 49  # compressed tokens of the lookup block
GATE = [D // 4, D // 2, D]  # widths of the gates of order 3
K2 = 3**2 + 5**2 + 7**2 + 9**2
CHUNKS = [77, 77, 77, 77, 76]
SQUARES = [1, 9, 25, 25, 49]
UNIREP = [13, 5, 7, 3, 3, 3]
ATTENTION = 4 * D * D + 4 * D
# The published closed forms, checked there against the authors' modules.
CLOSED_FORMS = {
    "cross window": (
        spec("cross_window_attention", half_heads=HEADS // 2, head_width=E, stripe=7),
        ATTENTION + 10 * D,
        4 * N * D**2 + 2 * N * SIDE * 7 * D + 9 * N * D,
    ),
    "linear attention and concentration": (
        spec("linear_attention", **HEADED, kernel=7),
        ATTENTION + HEADS + 2 * (49 * D + D) + 2 * D + NORM,
        4 * N * D**2 + 2 * N * D * E + N * D + 98 * N * D,
    ),
    "additive": (
        spec("additive_attention", kernel=3),
        3 * D**2 + 2 * (13 * D + D**2) + 20 * D,
        3 * N * D**2 + 2 * (10 * N * D + D**2) + 18 * N * D,
    ),
    "global query, with its feature block": (
        spec("global_query_attention", **HEADED, window=7, halvings=1),
        3 * D**2 + 3 * D + HEADS * 13**2 + 9 * D + D**2 // 2 + D**2,
        3 * N * D**2 + 2 * N * 49 * D + 9 * N * D + D**2 // 2 + N * D**2,
    ),
    "neighbourhood, masked": (
        spec("neighbourhood_attention", **HEADED, kernel=7, dilation=2),
        ATTENTION + HEADS * 13**2,
        4 * N * D**2 + 2 * N * N * D,
    ),
    "retention": (
        spec("retention", **HEADED, causal=True),
        ATTENTION + D**2 + D,
        5 * N * D**2 + 2 * N * N * D,
    ),
    "mixture mask": (
        spec("mixture_mask_attention", **HEADED, bells=5),
        ATTENTION + 2 * 5,
        4 * N * D**2 + 2 * N * N * D,
    ),
    "large kernel": (
        spec("large_kernel", kernel=13, family=13),
        sum(k * k * D + 2 * D for k in UNIREP) + 2 * D + D**2 // 2 + D // 4 + D,
        13**2 * N * D + D**2 // 2,  # merged
    ),
    "recursive gate": (
        spec("recursive_gate", order=3, kernel=7),
        3 * D**2 + 3 * D + 50 * sum(GATE) + GATE[0] * GATE[1] + GATE[1] * GATE[2] + GATE[1] + GATE[2],
        3 * N * D**2 + 49 * N * sum(GATE) + N * (GATE[0] * GATE[1] + GATE[1] * GATE[2]),
    ),
    "spectral": (spec("spectral_gate"), 224 * D, 8 * D * (4 * N + 8 * SIDE**2)),
    "scale-aware": (
        spec("scale_aware_modulation", scales=4),
        2 * (D**2 + D) + K2 * D // 4 + D + 8 * D + 2 * D + 4 * D + 2 * D**2 + D + D**2 + D,
        2 * N * D**2 + N * K2 * D // 4 + 8 * N * D + 2 * N * D**2 + N * D**2,
    ),
    "mix-shift": (
        spec("mix_shift", kernels="1.3.5.5.7"),
        2 * sum((k + 1) * c for k, c in zip(SQUARES, CHUNKS, strict=True)),
        2 * N * sum(k * c for k, c in zip(SQUARES, CHUNKS, strict=True)),
    ),
    "gated linear unit": (
        spec("gated_linear_unit", hidden=512, kernel=3),
        3 * D * 512 + 2 * 512 + D + 10 * 512,
        3 * N * D * 512 + 9 * N * 512,
    ),
    "lookup": (
        spec("lookup", **HEADED, grid=7, hidden=4 * D),
        ATTENTION + ATTENTION + (8 * D**2 + 5 * D) + 2 * (D**2 + D) + 4 * NORM,
        (2 * M + 2 * N) * D**2
        + 2 * N * M * D  # read
        + 12 * M * D**2
        + 2 * M * M * D  # think
        + (M + N) * D**2
        + N * M * D,  # tell
    ),
}


@pytest.mark.parametrize("name", [*GOLDEN, *CLOSED_FORMS])
def test_counts_of_a_mixer(name: str) -> None:
    layer, num_params, macs = {**GOLDEN, **CLOSED_FORMS}[name]
    counts = count_layer(layer)
    assert counts.num_params - NORM == num_params
    assert counts.macs == macs


def test_the_merged_large_kernel_is_one_convolution() -> None:
    layer = build(spec("large_kernel", kernel=13, family=13))
    assert isinstance(layer, LargeKernel)
    kernel, bias = layer.merged()
    assert kernel.shape == (D, 1, 13, 13)
    assert bias.shape == (D,)


def test_masked_neighbourhoods_of_the_whole_map_cost_no_more_than_the_published_form() -> None:
    shape = (D, 7, 7)
    layer = LayerSpec.of("neighbourhood_attention", shape, shape, **HEADED, kernel=7, dilation=1)
    assert count_layer(layer).macs == 4 * 49 * D**2 + 2 * 49 * 49 * D


# Whole networks: stem, blocks (mixer and FFN), downsampling and head of this zoo.


def swin(depths: tuple[int, ...], width: int = 96) -> Iterator[LayerSpec]:
    yield LayerSpec.of("map_stem", (3, 224, 224), (width, 56, 56), kernels="4", strides="4", hidden=0, norm="none")
    for stage, depth in enumerate(depths):
        d, side = width << stage, 56 >> stage
        shape = (d, side, side)
        if stage:
            yield LayerSpec.of("patch_merging", (d // 2, 2 * side, 2 * side), shape)
        for i in range(depth):
            shift = i % 2 == 1 and side > 7
            yield LayerSpec.of("window_attention", shape, shape, heads=d // 32, head_width=32, window=7, shift=shift)
            yield LayerSpec.of("map_feed_forward", shape, shape, hidden=4 * d, layer_scale=False)
    yield LayerSpec.of("map_classifier", shape, (1000,), norm="layer", pool_first=False, distilled=False)


def pvt_v2(
    widths: tuple[int, ...], heads: tuple[int, ...], depths: tuple[int, ...], pooled: bool = False
) -> Iterator[LayerSpec]:
    before = (3, 224, 224)
    for stage, (d, n, depth) in enumerate(zip(widths, heads, depths, strict=True)):
        side = 56 >> stage
        shape = (d, side, side)
        if stage == 0:
            yield LayerSpec.of("map_stem", before, shape, kernels="7", strides="4", hidden=0, norm="none")
        else:
            yield LayerSpec.of("layernorm_downsampling", before, shape, kernel=3, norm="both")
        headed = {"heads": n, "head_width": d // n, "reduction": 8 >> stage}
        kind = "pooled_reduction_attention" if pooled else "spatial_reduction_attention"
        for _ in range(depth):
            yield LayerSpec.of(kind, shape, shape, **headed)
            hidden = (8, 8, 4, 4)[stage] * d
            yield LayerSpec.of("conv_feed_forward", shape, shape, hidden=hidden, kernel=3, rectified=pooled)
        before = shape
    yield LayerSpec.of("map_classifier", before, (1000,), norm="layer", pool_first=False, distilled=False)


def cswin(width: int, depths: tuple[int, ...], heads: tuple[int, ...]) -> Iterator[LayerSpec]:
    yield LayerSpec.of("map_stem", (3, 224, 224), (width, 56, 56), kernels="7", strides="4", hidden=0, norm="none")
    for stage, (depth, n) in enumerate(zip(depths, heads, strict=True)):
        d, side = width << stage, 56 >> stage
        shape = (d, side, side)
        if stage:
            yield LayerSpec.of("layernorm_downsampling", (d // 2, 2 * side, 2 * side), shape, kernel=3, norm="last")
        for _ in range(depth):
            half = {"half_heads": n // 2, "head_width": d // n, "stripe": (1, 2, 7, 7)[stage]}
            yield LayerSpec.of("cross_window_attention", shape, shape, **half)
            yield LayerSpec.of("map_feed_forward", shape, shape, hidden=4 * d, layer_scale=False)
    yield LayerSpec.of("map_classifier", shape, (1000,), norm="layer", pool_first=False, distilled=False)


def convnext(width: int, depths: tuple[int, ...]) -> Iterator[LayerSpec]:
    yield LayerSpec.of("map_stem", (3, 224, 224), (width, 56, 56), kernels="4", strides="4", hidden=0, norm="none")
    for stage, depth in enumerate(depths):
        d, side = width << stage, 56 >> stage
        shape = (d, side, side)
        if stage:
            yield LayerSpec.of("layernorm_downsampling", (d // 2, 2 * side, 2 * side), shape, kernel=2, norm="first")
        for _ in range(depth):
            yield LayerSpec.of("convnext_block", shape, shape, kernel=7, hidden=4 * d)
    yield LayerSpec.of("map_classifier", shape, (1000,), norm="layer", pool_first=True, distilled=False)


NETWORKS = {
    "swin_tiny": (swin((2, 2, 6, 2)), 28_288_354, 4_490_566_656),
    "swin_small": (swin((2, 2, 18, 2)), 49_606_258, 8_740_875_264),
    "swin_base": (swin((2, 2, 18, 2), 128), 87_768_224, 15_430_946_816),
    "pvt_v2_b0": (pvt_v2((32, 64, 160, 256), (1, 2, 5, 8), (2, 2, 2, 2)), 3_666_760, 566_065_664),
    "pvt_v2_b2": (pvt_v2((64, 128, 320, 512), (1, 2, 5, 8), (3, 4, 6, 3)), 25_362_856, 4_026_734_592),
    "pvt_v2_b2_li": (pvt_v2((64, 128, 320, 512), (1, 2, 5, 8), (3, 4, 6, 3), True), 22_553_512, 3_888_850_944),
    "cswin_tiny": (cswin(64, (1, 2, 21, 1), (2, 4, 8, 16)), 22_320_552, 4_324_203_008),
    "cswin_small": (cswin(64, (2, 4, 32, 2), (2, 4, 8, 16)), 34_643_304, 6_800_714_752),
    "convnext_tiny": (convnext(96, (3, 3, 9, 3)), 28_589_128, 4_455_531_264),
    "convnext_atto": (convnext(40, (2, 2, 6, 2)), 3_695_520, 547_332_480),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_of_a_published_network(name: str) -> None:
    layers, num_params, macs = NETWORKS[name]
    counts = count(layers)
    assert counts.num_params == num_params
    assert counts.macs == macs


def test_neighbourhoods_as_wide_as_windows_have_the_parameters_of_swin() -> None:
    """DiNAT_s-Tiny is Swin-T with neighbourhoods for windows: the same parameters."""
    with_neighbours = [
        LayerSpec.of(
            "neighbourhood_attention",
            layer.in_shape,
            layer.out_shape,
            heads=layer["heads"],
            head_width=32,
            kernel=7,
            dilation=1,
        )
        if layer.kind == "window_attention" and layer.in_shape[1] <= 14
        else layer
        for layer in swin((2, 2, 6, 2))
    ]
    assert count(with_neighbours).num_params == 28_288_354
