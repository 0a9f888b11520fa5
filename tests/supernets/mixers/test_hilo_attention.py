"""HiLo attention against loops over both branches."""

from __future__ import annotations

import pytest
import torch

from tests.supernets.mixers.reference import Place, attend, image, lively, normed, project, run
from vitnas.search_spaces import LayerSpec


def branch(y: torch.Tensor, proj: torch.nn.Module) -> torch.Tensor:
    """A branch's own projection, from (..., N, E) to its own channels."""
    mixed = torch.einsum("...ne,mfne->...mf", y, proj.weight) + proj.bias
    return mixed.flatten(-2)


@pytest.mark.parametrize(("high", "low"), [(2, 2), (3, 1), (4, 0), (0, 4)])
def test_high_heads_see_windows_and_low_heads_averages(high: int, low: int) -> None:
    layer = lively("hilo_attention", high_heads=high, low_heads=low, head_width=2, window=2)
    x = image(layer)
    y = normed(layer, x)

    def together(query: Place, key: Place) -> bool:
        return query[0] // 2 == key[0] // 2 and query[1] // 2 == key[1] // 2

    parts = []
    if high:
        qkv = [project(y, layer.high_qkv.weight[i], layer.high_qkv.bias[i]) for i in range(3)]
        parts.append(branch(attend(*qkv, sees=together), layer.high_proj))
    if low:
        pooled = y.reshape(2, 2, 2, 3, 2, 8).mean(dim=(2, 4))
        k, v = (project(pooled, layer.low_kv.weight[i], layer.low_kv.bias[i]) for i in range(2))
        parts.append(branch(attend(project(y, layer.low_q.weight[0], layer.low_q.bias[0]), k, v), layer.low_proj))
    torch.testing.assert_close(run(layer, x), torch.cat(parts, dim=-1).detach())


def test_windows_of_one_place_make_low_heads_full_attention() -> None:
    layer = lively("hilo_attention", high_heads=0, low_heads=4, head_width=2, window=1)
    full = lively("map_attention", heads=4, head_width=2)
    full.norm.load_state_dict(layer.norm.state_dict())
    with torch.no_grad():
        full.qkv.weight.copy_(torch.cat([layer.low_q.weight, layer.low_kv.weight]))
        full.qkv.bias.copy_(torch.cat([layer.low_q.bias, layer.low_kv.bias]))
        full.proj.weight.copy_(layer.low_proj.weight.flatten(0, 1))
        full.proj.bias.copy_(layer.low_proj.bias.flatten())
    x = image(layer)
    torch.testing.assert_close(run(layer, x), run(full, x))


def test_a_smaller_layer_takes_the_first_heads_of_each_branch() -> None:
    layer = lively("hilo_attention", high_heads=2, low_heads=2, head_width=2, window=2)
    shape = (4, 4, 6)
    small = layer.narrow(
        LayerSpec.of("hilo_attention", shape, shape, high_heads=1, low_heads=1, head_width=2, window=2)
    )
    for name in ("high_proj", "low_proj"):
        assert torch.equal(getattr(small, name).weight, getattr(layer, name).weight[:1, :, :1])
    assert torch.equal(small.low_kv.weight, layer.low_kv.weight[:, :1, :, :4])
