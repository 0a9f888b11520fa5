"""The plain transformer of `given.py` as a module that Torch-Pruning can take apart, with the weights of ours."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class RivalAttention(nn.Module):
    """Attention as timm writes it: one linear layer for queries, keys and values."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        width, heads, head_width = layer.spec.in_shape[-1], layer.attrs.heads, layer.attrs.head_width
        self.norm = deepcopy(layer.norm)
        self.qkv, self.proj = nn.Linear(width, 3 * heads * head_width), nn.Linear(heads * head_width, width)
        self.num_heads = heads
        for own, name in ((self.qkv, "qkv"), (self.proj, "proj")):
            own.weight.data = getattr(layer, f"{name}_weight").detach().reshape(own.weight.shape).clone()
            own.bias.data = getattr(layer, f"{name}_bias").detach().flatten().clone()

    def forward(self, x: Tensor) -> Tensor:
        head_width = self.qkv.out_features // (3 * self.num_heads)
        qkv = self.qkv(self.norm(x)).reshape(x.shape[0], x.shape[1], 3, self.num_heads, head_width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        answer: Tensor = x + self.proj(y.reshape(x.shape[0], x.shape[1], self.num_heads * head_width))
        return answer


def rival_of(network: nn.Sequential) -> nn.Sequential:
    """The same function in modules of linear layers."""
    return nn.Sequential(
        *(RivalAttention(layer) if hasattr(layer, "qkv_weight") else deepcopy(layer) for layer in network)
    ).eval()


def pruned_rival(
    network: nn.Sequential, batches: Iterable[tuple[Tensor, Tensor]], ratio: float, whole: bool
) -> nn.Sequential:
    """What Torch-Pruning makes of it with Taylor importance, its way for transformers.

    Args:
        network: of `rival_of`; it stays as it is.
        batches: normalised images and labels for the gradients.
        ratio: of the channels that go.
        whole: prunes the width of all tokens as well, not only what lies inside blocks.
    """
    import torch_pruning as tp

    pruned = deepcopy(network)
    for x, y in batches:
        F.cross_entropy(pruned(x), y).backward()  # type: ignore[no-untyped-call]
    stem, head = pruned[0], pruned[-1]
    kept: list[nn.Module] = [head.get_submodule("linear")]
    if not whole:
        kept += [m for m in stem.modules() if isinstance(m, nn.Conv2d)]
        kept += [layer.proj for layer in pruned if isinstance(layer, RivalAttention)]
        kept += [layer.reduce for layer in pruned if hasattr(layer, "reduce")]  # type: ignore[misc]
    places: list[Any] = [(getattr(stem, name), -1) for name in ("class_token", "class_position", "position")]
    pruner = tp.pruner.BasePruner(
        pruned,
        x[:1],
        importance=tp.importance.GroupTaylorImportance(),
        pruning_ratio=ratio,
        ignored_layers=kept,
        num_heads={layer.qkv: layer.num_heads for layer in pruned if isinstance(layer, RivalAttention)},
        unwrapped_parameters=places,
        round_to=1,
    )
    pruner.step()
    for layer in pruned:
        if isinstance(layer, RivalAttention):
            layer.num_heads = pruner.num_heads[layer.qkv]
    pruned.zero_grad()
    return pruned.eval()
