"""Pretrained weights: state dicts of timm models, as timm or a safetensors file holds them, for our networks.

timm itself is not needed. Each family has a file of rules from a site and its layer to timm's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from vitnas.errors import CheckpointError
from vitnas.search_spaces import Arch, Blueprint, SearchSpace
from vitnas.search_spaces.answers import CLASS, reads_a_classifier
from vitnas.supernets.supernet import Supernet, build_network
from vitnas.supernets.weights.pretrained.families import FAMILIES, rules_for
from vitnas.supernets.weights.pretrained.matching import class_tensors, find_arch
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def network_from_timm(space: SearchSpace, arch: Arch, state: Mapping[str, Tensor]) -> nn.Sequential:
    """The plain network of an arch with the weights of the timm model of the same shape.

    Args:
        space: a space of `FAMILIES`, with the task that the model was trained for.
        arch: often a published one, as in ``space.named("DeiT-Ti")``.
        state: what timm's ``model.state_dict()`` or ``safetensors.torch.load_file`` gives.
    """
    blueprint = space.lower(arch)
    network = build_network(blueprint)
    write_weights(dict(network.named_children()), blueprint, _given(space, blueprint, state))
    return network


def load_timm(supernet: Supernet, arch: Arch, state: Mapping[str, Tensor], new_head: bool = False) -> None:
    """Writes the weights of a timm model into the slices that an arch uses: a start for training the supernet.

    Args:
        supernet: what holds the slices; the rest of its weights stay as they are.
        arch: what the model is, as `find_arch` tells.
        state: see `network_from_timm`.
        new_head: leave what hangs on the number of classes as it is, for a model of other classes; a head that answers for
            something else than images is left as it is in any case.
    """
    space = classifying(supernet.space)
    blueprint = space.lower(arch)
    given, layers = _given(space, blueprint, state), shared_layers(supernet, arch)
    if space is supernet.space:
        write_weights(layers, blueprint, given, new_head)
    else:
        write_weights(layers, without_head(blueprint), given)


def classifying(space: SearchSpace) -> SearchSpace:
    """The space whose networks classify, which weights of classifiers are read by; it differs in the last layer alone."""
    return space if reads_a_classifier(space.task) else replace(space, task=replace(space.task, answer=CLASS))


def without_head(blueprint: Blueprint) -> Blueprint:
    """All layers but the last."""
    return Blueprint(blueprint.sites[:-1], blueprint.layers[:-1])


def shared_layers(supernet: Supernet, arch: Arch) -> dict[str, nn.Module]:
    """The layers of an arch by site, on the shared weights and statistics, to be written to."""
    training = supernet.training
    supernet.eval()  # so that the slices of running statistics are the shared ones, not copies for a step
    layers = dict(zip(supernet.space.lower(arch).sites, supernet.at(arch), strict=True))
    supernet.train(training)
    return layers


@torch.no_grad()
def write_weights(
    layers: Mapping[str, nn.Module],
    blueprint: Blueprint,
    given: Mapping[str, Mapping[str, Tensor]],
    new_head: bool = False,
) -> None:
    """Copies tensors into layers by site and name, all of them or, if one does not fit, none."""
    plan = []
    for site, spec in blueprint.items():
        own = layers[site].state_dict()
        if own.keys() != given[site].keys():
            raise CheckpointError(
                f"site '{site}': the pretrained layer has {sorted(given[site])}, the network {sorted(own)}; "
                f"choose the arch of the model"
            )
        kept = class_tensors(spec) if new_head and spec is blueprint.layers[-1] else set()
        for name in (name for name in own if name not in kept):
            if own[name].shape != given[site][name].shape:
                raise CheckpointError(
                    f"site '{site}': the pretrained '{name}' has shape {tuple(given[site][name].shape)}, the network "
                    f"needs {tuple(own[name].shape)}; choose the arch and the task (image size, classes, channels) of the model"
                )
            plan.append((own[name], given[site][name]))
    for tensor, value in plan:
        tensor.copy_(value)


def _given(space: SearchSpace, blueprint: Blueprint, state: Mapping[str, Tensor]) -> dict[str, Mapping[str, Tensor]]:
    weights = TimmWeights(state)
    given = dict(rules_for(space)(blueprint, weights))
    weights.require_all_read()
    return given


__all__ = [
    "FAMILIES",
    "classifying",
    "find_arch",
    "load_timm",
    "network_from_timm",
    "shared_layers",
    "without_head",
    "write_weights",
]
