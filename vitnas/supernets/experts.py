"""Experts weights averaging (EWA): feed-forward layers that are several while they train and one afterwards.

What the shared weights hold is always the mean of the experts: evaluation, extraction, export and the weights in a
checkpoint are those of a plain supernet, and cost what they cost without experts.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn

from vitnas.errors import SettingsError
from vitnas.search_spaces import LayerSpec, SearchSpace
from vitnas.supernets.layers import LAYERS, Layer
from vitnas.supernets.settings.experts import ExpertSettings

PREFIX = "experts."
"""What the names of their weights begin with in a checkpoint."""


def check_experts(settings: ExpertSettings, space: SearchSpace) -> None:
    """Refuses a space without a layer that could be several."""
    kinds = sorted({spec.kind for spec in space.lowering.specs})
    if settings.num > 1 and not any(LAYERS.load(kind).per_token for kind in kinds):
        able = ", ".join(kind for kind in LAYERS if LAYERS.load(kind).per_token)
        raise SettingsError(
            f"[train.experts] num is {settings.num}, but space '{space.name}' has no layer that answers for each token by "
            f"itself: its kinds are {', '.join(kinds)}, those that can be experts {able}; set num to 1"
        )


class Experts(nn.Module):
    """The copies that training uses instead of the layers of a supernet that answer for each token by themselves."""

    def __init__(self, layers: nn.ModuleDict, num: int) -> None:
        super().__init__()
        self.copies = nn.ModuleDict(
            {
                name: nn.ModuleList(copy.deepcopy(layer) for _ in range(num))
                for name, layer in layers.items()
                if cast(Layer, layer).per_token
            }
        )

    def begin(self, layers: nn.ModuleDict) -> None:
        """All become copies of the shared layers anew, as when those are given weights before the first step."""
        for name in self.copies:
            for expert in self._of(name):
                expert.load_state_dict(layers[name].state_dict())

    def __contains__(self, name: str) -> bool:
        return name in self.copies

    def at(self, name: str, spec: LayerSpec) -> Partition:
        """The experts of a site at a smaller spec, for one forward pass (see `Layer.at`)."""
        return Partition([cast(Layer, expert).at(spec) for expert in self._of(name)])

    @torch.no_grad()
    def share(self, layers: nn.ModuleDict, share: float) -> None:
        """After an optimiser step: moves the experts towards each other, and their mean into the shared weights.

        Each becomes (1 - share) of itself and `share` of the mean of the others, which keeps the mean of all.
        """
        for name in self.copies:
            for shared, *each in zip(layers[name].parameters(), *(e.parameters() for e in self._of(name)), strict=True):
                own = torch.stack(tuple(each))
                mean = own.mean(dim=0)
                if len(each) > 1:
                    others = (len(each) * mean - own) / (len(each) - 1)
                    own.lerp_(others, share)
                    for expert, moved in zip(each, own, strict=True):
                        expert.copy_(moved)
                shared.copy_(mean)

    def _of(self, name: str) -> nn.ModuleList:
        return cast(nn.ModuleList, self.copies[name])


class Partition(nn.Module):
    """All tokens of a batch shuffled and dealt out evenly, to layers that answer for each by itself.

    Draws come from torch's global generator.
    """

    def __init__(self, experts: list[Layer]) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)

    def forward(self, x: Tensor) -> Tensor:
        # Every token becomes an image of one: (N, 1, C) of tokens (B, T, C), (N, C, 1, 1) of maps (B, C, H, W).
        channels = 2 if x.ndim == 3 else 1
        each = x.movedim(channels, -1)
        tokens = each.flatten(0, -2)
        order = torch.randperm(len(tokens), device=x.device)
        alone = (1, tokens.shape[1]) if x.ndim == 3 else (tokens.shape[1], 1, 1)
        answers = torch.cat(
            [
                expert(tokens[part].reshape(-1, *alone))
                for expert, part in zip(self.experts, order.tensor_split(len(self.experts)), strict=True)
            ]
        )
        result = torch.empty_like(answers).index_copy(0, order, answers)
        return result.reshape(each.shape).movedim(-1, channels)


def ignore_experts(net: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """A supernet that is not trained any more takes the weights of one that has experts: their mean is among them."""
    if cast(Any, net).experts is None:
        for name in [name for name in state if name.startswith(prefix + PREFIX)]:
            del state[name]
