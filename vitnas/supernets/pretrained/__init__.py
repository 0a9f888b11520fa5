"""Pretrained weights: state dicts of timm models, as timm or a safetensors file holds them, for our networks.

timm itself is not needed. Each family has a file of rules from a site and its layer to timm's names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from vitnas.errors import CheckpointError
from vitnas.registry import Registry
from vitnas.search_spaces import Arch, Blueprint, SearchSpace
from vitnas.supernets.pretrained.timm_weights import TimmWeights
from vitnas.supernets.supernet import Supernet, build_network

Rules = Callable[[Blueprint, TimmWeights], Iterator[tuple[str, Mapping[str, Tensor]]]]
"""For every site of a network, what its layer's state dict should hold."""

FAMILIES: Registry[Rules] = Registry(
    "space with timm weights",
    "vitnas.pretrained",
    {
        "convnext": "vitnas.supernets.pretrained.convnext:rules",
        "deit": "vitnas.supernets.pretrained.deit:rules",
        "efficientformer": "vitnas.supernets.pretrained.efficientformer:rules",
        "efficientformerv2": "vitnas.supernets.pretrained.efficientformerv2:rules",
        "nextvit": "vitnas.supernets.pretrained.nextvit:rules",
        "pvtv2": "vitnas.supernets.pretrained.pvt:rules",
        "swin": "vitnas.supernets.pretrained.swin:rules",
        "tinyvit": "vitnas.supernets.pretrained.tinyvit:rules",
    },
)


def network_from_timm(space: SearchSpace, arch: Arch, state: Mapping[str, Tensor]) -> nn.Sequential:
    """The plain network of an arch with the weights of the timm model of the same shape.

    Args:
        space: a space of `FAMILIES`, with the task that the model was trained for.
        arch: often a published one, as in ``space.named("DeiT-Ti")``.
        state: what timm's ``model.state_dict()`` or ``safetensors.torch.load_file`` gives.
    """
    blueprint = space.lower(arch)
    network = build_network(blueprint)
    _fill(dict(network.named_children()), space, blueprint, state)
    return network


def load_timm(supernet: Supernet, arch: Arch, state: Mapping[str, Tensor]) -> None:
    """Writes the weights of a timm model into the slices that an arch uses: a start for training the supernet."""
    blueprint = supernet.space.lower(arch)
    training = supernet.training
    supernet.eval()  # so that the slices of running statistics are the shared ones, not copies for a step
    layers = dict(zip(blueprint.sites, supernet.at(arch), strict=True))
    supernet.train(training)
    _fill(layers, supernet.space, blueprint, state)


@torch.no_grad()
def _fill(
    layers: Mapping[str, nn.Module], space: SearchSpace, blueprint: Blueprint, state: Mapping[str, Tensor]
) -> None:
    weights = TimmWeights(state)
    given = dict(FAMILIES.load(space.name)(blueprint, weights))
    weights.require_all_read()
    for site, layer in layers.items():
        own = layer.state_dict()
        assert own.keys() == given[site].keys(), f"{site}: {own.keys() ^ given[site].keys()}"
        for name, tensor in own.items():
            if tensor.shape != given[site][name].shape:
                raise CheckpointError(
                    f"site '{site}': the pretrained '{name}' has shape {tuple(given[site][name].shape)}, the network "
                    f"needs {tuple(tensor.shape)}; choose the arch and the task (image size, classes, channels) of the model"
                )
    for site, layer in layers.items():
        for name, tensor in layer.state_dict().items():
            tensor.copy_(given[site][name])


__all__ = ["FAMILIES", "load_timm", "network_from_timm"]
