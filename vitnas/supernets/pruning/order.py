"""Order: the most important channels first, so that the slices of a supernet are what pruning would keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vitnas.errors import TrainingError
from vitnas.search_spaces import Arch
from vitnas.supernets.layers import Layer
from vitnas.supernets.pruning.channels import SAME, Channels, attributes_of, channels_of
from vitnas.supernets.pruning.streams import Stream, streams_of
from vitnas.supernets.supernet import Supernet

Place = tuple[str, str]
"""The key of a layer in `Supernet.layers`, and the name of one of its attributes."""


@dataclass(frozen=True, eq=False)
class ChannelScores:
    """How much every channel of a network matters; only which of two in one place matters more is compared.

    Attributes:
        attributes: of each attribute of each layer, a score a channel.
        streams: of each stream, in the order of `streams_of`; None where nothing is said of it.
        layers: by their keys, what layers count as a whole, in one unit for all; of one that is not here, the most that
            the scores of an attribute add up to.
    """

    attributes: Mapping[Place, Tensor]
    streams: tuple[Tensor | None, ...] = ()
    layers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ordered:
    """What `sort_channels` did.

    Attributes:
        sorted: the places and streams whose channels were sorted, as ``block3_ffn-feed_forward.hidden``.
        refused: those whose channels keep their order, and why.
    """

    sorted: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def orderable(net: Supernet, arch: Arch) -> Iterator[tuple[Place, Layer, Channels]]:
    """Every numeric attribute of the layers of an arch: where it is, the layer at this arch, and its channels."""
    for site, spec in net.space.lower(arch).items():
        key = f"{site}-{spec.kind}"
        layer = net.layers[key]
        assert isinstance(layer, Layer)
        for attribute in attributes_of(spec):
            yield (key, attribute), layer.at(spec), channels_of(spec, attribute)


def streams(net: Supernet, arch: Arch) -> list[Stream]:
    """The streams of an arch."""
    return list(streams_of(net.space.lower(arch)))


@torch.no_grad()
def sort_channels(net: Supernet, scores: ChannelScores, arch: Arch | None = None) -> Ordered:
    """Puts the most important channels of every layer first; the arch itself answers as before.

    Attributes whose channels cannot be exchanged keep their order: kernels, patches, windows, and those whose layers
    answer otherwise when it is tried.

    Args:
        net: its weights are exchanged in place; statistics of its inputs have to be taken anew.
        scores: of the channels of `arch`.
        arch: the network that was given, by default the largest; the channels that it has not stay behind.
    """
    arch = net.space.largest() if arch is None else net.space.check(arch)
    training = net.training
    net.eval()
    before = _answers(net, arch)
    done, refused = [], {}
    for (key, attribute), _, channels in list(orderable(net, arch)):
        name = f"{key}.{attribute}"
        score = scores.attributes.get((key, attribute))
        if channels.refused:
            refused[name] = channels.refused
        elif score is None:
            refused[name] = "the importance says nothing of its channels"
        else:
            channels.permute(net.layers[key], _descending(score))
            done.append(name)
    for i, stream in enumerate(streams(net, arch)):
        name = f"width from {stream.ends[0].site} to {stream.ends[-1].site}"
        score = scores.streams[i] if i < len(scores.streams) else None
        if stream.refused:
            refused[name] = stream.refused
        elif score is None:
            refused[name] = "the importance says nothing of its channels"
        else:
            for end in stream.ends:
                end.channels.permute(net.layers[f"{end.site}-{end.spec.kind}"], _descending(score))
            done.append(name)
    after = _answers(net, arch)
    net.train(training)
    error = float((after - before).abs().max() / before.abs().max().clamp(min=1e-12))
    if not error <= 10 * SAME:
        raise TrainingError(
            f"sorting the channels of space '{net.space.name}' changed the answers of arch {arch.id} by {error:.2g} of the "
            f'largest, over {10 * SAME:g}; set init_order = "none", and report the layers {sorted({n.split(".")[0] for n in done})}'
        )
    return Ordered(tuple(done), refused)


def _descending(score: Tensor) -> Tensor:
    """The places of the channels, the highest score first; of equal ones the earlier first."""
    return torch.sort(score.double().cpu(), descending=True, stable=True).indices


def _answers(net: Supernet, arch: Arch) -> Tensor:
    device = next(net.parameters()).device
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *net.space.task.image_shape, generator=generator).to(device)
    logits: Tensor = net(x, arch)
    return logits.double()
