"""Global-query attention against a loop whose queries are those of the whole image, and timm's blocks."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import Place, attend, image, lively, merge, normed, project, run
from tests.supernets.mixers.timm_models import timm_model


def test_every_window_is_asked_the_same() -> None:
    window = 2
    layer = lively("global_query_attention", height=4, breadth=4, heads=2, head_width=4, window=window, halvings=1)
    with torch.no_grad():
        x = image(layer, batch=3)  # more images than one: queries must not be handed to the wrong one
        y = normed(layer, x)
        (block,) = layer.features
        z = y.permute(0, 3, 1, 2)
        near = F.gelu(F.conv2d(z, block.near.weight, padding=1, groups=8))
        squeezed = F.gelu(near.mean(dim=(2, 3)) @ block.squeeze.weight[:, :, 0, 0].T)
        near = near * (squeezed @ block.excite.weight[:, :, 0, 0].T).sigmoid()[:, :, None, None]
        z = z + torch.einsum("bchw,oc->bohw", near, block.across.weight[:, :, 0, 0])
        q_small = F.max_pool2d(z, 3, 2, 1).permute(0, 2, 3, 1).unflatten(-1, (2, 4))
        q = q_small.repeat(1, 2, 2, 1, 1)  # the same queries in every window
        k, v = (project(y, layer.kv.weight[i], layer.kv.bias[i]) for i in range(2))

        def sees(query: Place, key: Place) -> bool:
            return all(a // window == b // window for a, b in zip(query, key, strict=True))

        def bias(query: Place, key: Place) -> torch.Tensor:
            return layer.offset_bias[:, query[0] - key[0] + window - 1, query[1] - key[1] + window - 1]

        expected = merge(attend(q, k, v, sees, bias), layer.proj.weight, layer.proj.bias)
        torch.testing.assert_close(run(layer, x), expected)


def test_queries_and_attention_are_those_of_timms_gc_vit() -> None:
    """timm makes one query a stage from the stage's input; here that input is what the block has normalised."""
    stage = timm_model("gcvit_xxtiny").stages[1]
    block, make_query = stage.blocks[1], stage.global_block
    width, heads = block.norm1.weight.shape[0], block.attn.num_heads
    halvings = len(make_query.blocks) // 2
    assert halvings == 2
    layer = lively(
        "global_query_attention", width, 28, 28, heads=heads, head_width=width // heads, window=7, halvings=halvings
    )
    layer.norm.load_state_dict(block.norm1.state_dict())
    layer.norm.eps = block.norm1.eps
    with torch.no_grad():
        for mine, theirs in zip(layer.features, make_query.blocks[::2], strict=True):
            mine.near.weight.copy_(theirs.conv_dw.weight)
            mine.squeeze.weight.copy_(theirs.se.fc1.weight)
            mine.excite.weight.copy_(theirs.se.fc2.weight)
            mine.across.weight.copy_(theirs.conv_pw.weight)
        attention = block.attn
        layer.kv.weight.copy_(attention.qkv.weight.view_as(layer.kv.weight))
        layer.kv.bias.copy_(attention.qkv.bias.view_as(layer.kv.bias))
        layer.proj.weight.copy_(attention.proj.weight.view_as(layer.proj.weight))
        layer.proj.bias.copy_(attention.proj.bias)
        table = attention.rel_pos.relative_position_bias_table
        layer.offset_bias.copy_(table.T.view_as(layer.offset_bias))
        x = image(layer)
        y = block.norm1(x.permute(0, 2, 3, 1))
        expected = block._window_attn(y, make_query(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        torch.testing.assert_close(run(layer, x), expected)
