"""Counts of every mixer against closed forms: parameters to the unit, MACs to the unit or as said."""

from __future__ import annotations

import pytest

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting import count_layer

D, HEADS, SIDE, E = 384, 12, 14, 32
N = SIDE * SIDE
NORM = 2 * D  # the LayerNorm before every mixer, which the closed forms leave out
MAP = (D, SIDE, SIDE)
HEADED = {"heads": HEADS, "head_width": E}


def spec(kind: str, **attrs: int | str | bool) -> LayerSpec:
    return LayerSpec.of(kind, MAP, MAP, **attrs)


def hilo(low: int) -> LayerSpec:
    return spec("hilo_attention", high_heads=HEADS - low, low_heads=low, head_width=E, window=2)


# The numbers were published or counted on the authors' modules; each is written out, not computed here.
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


@pytest.mark.parametrize("name", GOLDEN)
def test_published_counts(name: str) -> None:
    layer, num_params, macs = GOLDEN[name]
    counts = count_layer(layer)
    assert counts.num_params - NORM == num_params
    assert counts.macs == macs
