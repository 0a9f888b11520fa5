"""Windows: one is attention to the bit, more are attention whose pairs across windows are masked."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.layers import build
from vitnas.supernets.layers.windowed_attention import WindowedAttention

WIDTH, HEADS, HEAD_WIDTH = 8, 2, 4
ROWS, COLUMNS = 4, 6


def windowed(windows: int, leading: int = 1) -> WindowedAttention:
    torch.manual_seed(0)
    layer = build(spec_of(windows, leading))
    assert isinstance(layer, WindowedAttention)
    return layer.eval()


def spec_of(windows: int, leading: int = 1, columns: int = COLUMNS) -> LayerSpec:
    shape = (leading + ROWS * COLUMNS, WIDTH)
    own = {"heads": HEADS, "head_width": HEAD_WIDTH}
    return LayerSpec.of("windowed_attention", shape, shape, windows=windows, columns=columns, leading=leading, **own)


def _masked(layer: WindowedAttention, x: Tensor) -> Tensor:
    """The definition: a score for every pair, those across windows at minus infinity."""
    windows, leading = layer.attrs.windows, layer.attrs.leading
    place = torch.arange(ROWS * COLUMNS)
    window = place // COLUMNS * windows // ROWS * windows + place % COLUMNS * windows // COLUMNS
    seen = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)
    seen[leading:, leading:] = window[:, None] == window[None, :]
    q, k, v = layer.queries_keys_values(x)
    scores = (q @ k.transpose(-2, -1) * HEAD_WIDTH**-0.5).masked_fill(~seen, -torch.inf)
    return layer.added(x, scores.softmax(dim=-1) @ v)


@torch.no_grad()
def test_one_window_is_attention_to_the_bit() -> None:
    layer = windowed(1)
    plain = build(LayerSpec.of("attention", *[layer.spec.in_shape] * 2, heads=HEADS, head_width=HEAD_WIDTH, reach=0))
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(2, *layer.spec.in_shape)
    assert torch.equal(layer(x), plain(x))


@torch.no_grad()
@pytest.mark.parametrize("leading", [1, 3])
def test_windows_are_masks(leading: int) -> None:
    layer = windowed(2, leading)
    x = torch.randn(3, *layer.spec.in_shape)
    torch.testing.assert_close(layer(x), _masked(layer, x), rtol=0, atol=1e-5)


def test_windows_save_the_pairs_across_them() -> None:
    tokens, patches, window = 1 + ROWS * COLUMNS, ROWS * COLUMNS, ROWS * COLUMNS // 4
    pairs = {1: tokens**2, 2: tokens + patches * (1 + window)}
    one, two = (count_layer(spec_of(windows)) for windows in (1, 2))
    assert one.macs - two.macs == 2 * HEADS * HEAD_WIDTH * (pairs[1] - pairs[2])
    assert one.num_params == two.num_params


def test_windows_that_do_not_divide_are_refused() -> None:
    with pytest.raises(SpaceError, match="24 patches in rows of 6 are not divided by 3x3 windows"):
        build(spec_of(3))
