"""Streams: the layers of a network that add to one another, so that the channels of all of them are ordered alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.layers import outline
from vitnas.supernets.pruning.channels import Channels, width_of


@dataclass(frozen=True)
class StreamEnd:
    """A layer on a stream: it writes to it, reads from it, or as a residual layer does both."""

    site: str
    spec: LayerSpec
    reads: bool
    writes: bool

    @property
    def channels(self) -> Channels:
        return width_of(self.spec, self.reads, self.writes)


@dataclass(frozen=True)
class Stream:
    """From the layer that first writes it to the one that last reads it.

    The images and the logits are no streams: the order of their channels is given.
    """

    ends: tuple[StreamEnd, ...]

    @property
    def size(self) -> int:
        return self.ends[0].channels.size

    @property
    def refused(self) -> str:
        """Why its channels may not be exchanged, or ""."""
        each = ((end, end.channels.refused) for end in self.ends)
        return next((f"'{end.site}' ({end.spec.kind}): {why}" for end, why in each if why), "")


def streams_of(blueprint: Blueprint) -> Iterator[Stream]:
    """The streams of a network in their order."""
    ends: list[StreamEnd] = []
    for i, (site, spec) in enumerate(blueprint.items()):
        last = len(spec.out_shape) < 2 or (i + 1 == len(blueprint) and not outline(spec).is_residual())
        if i and not last and outline(spec).is_residual():
            ends.append(StreamEnd(site, spec, reads=True, writes=True))
            continue
        if ends:
            yield Stream((*ends, StreamEnd(site, spec, reads=True, writes=False)))
        ends = [] if last else [StreamEnd(site, spec, reads=False, writes=True)]
