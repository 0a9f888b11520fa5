"""Importance: how much every channel of a given network matters, and every layer that a smaller arch may have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import SearchError
from vitnas.search_spaces import Arch, LayerSpec, SearchSpace
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.data import Images
from vitnas.supernets.pruning.order import ChannelScores, streams
from vitnas.supernets.supernet import Supernet

NUM_IMAGES = 512


class Importance(ABC):
    """Scores the channels of a network, and with them whole archs.

    Attributes:
        num_images: how many images are looked at, at most.
        seed: of which images, and of what else is drawn.
    """

    def __init__(self, num_images: int = NUM_IMAGES, seed: int = 0) -> None:
        self.num_images = num_images
        self.seed = seed

    @abstractmethod
    def channels(self, net: Supernet, images: Images, arch: Arch | None = None) -> ChannelScores:
        """A score for every channel of an arch, by default of the largest; the supernet is left as it was."""

    @classmethod
    def check(cls, space: SearchSpace) -> None:
        """Refuses a space for whose archs there can be no `table`: as it is here, one with layers that the largest lacks."""
        largest = {site: spec.kind for site, spec in space.lower(space.largest()).items()}
        for site, specs in space.lowering.specs_at().items():
            if others := sorted({spec.kind for spec in specs} - {largest.get(site, "")}):
                raise SearchError(
                    f"this importance, {cls.__name__}, looks at the largest arch of space '{space.name}' alone, which has "
                    f"{largest.get(site, 'nothing')} at site '{site}', so that it cannot weigh {', '.join(others)}; choose "
                    "weight_gradient, self_distillation, dimap or output_error"
                )

    def table(self, net: Supernet, images: Images) -> SiteValues:
        """What the layers of archs keep of the scores of the largest arch, 1 for all there is.

        Of what a layer counts as a whole it keeps, for each attribute and for its width, the share of the channels that
        it has.
        """
        self.check(net.space)
        scores = self.channels(net, images)
        lowering = net.space.lowering
        number = {spec: i for i, spec in enumerate(lowering.specs)}
        width = {end.site: i for i, stream in enumerate(streams(net, net.space.largest())) for end in stream.ends}
        table = SiteValues.zeros(net.space)
        for row, (site, specs) in enumerate(lowering.specs_at().items()):
            own = {name: score for (key, name), score in scores.attributes.items() if key == f"{site}-{specs[0].kind}"}
            stream = scores.streams[width[site]] if width.get(site, len(scores.streams)) < len(scores.streams) else None
            most = max((float(score.sum()) for score in own.values()), default=0.0)
            most = scores.layers.get(f"{site}-{specs[0].kind}", most)
            for spec in specs:
                table[row, number[spec]] = most * _kept(spec, own, stream)
        return SiteValues(net.space, normalised(table))


def _kept(spec: LayerSpec, scores: Mapping[str, Tensor], stream: Tensor | None) -> float:
    """The share of a layer that a smaller one has."""
    own = [(score, int(spec[name])) for name, score in scores.items()]
    if stream is not None and len(spec.out_shape) > 1:
        own.append((stream, spec.out_shape[-1 if len(spec.out_shape) == 2 else 0]))
    shares = (float(score[:count].sum() / score.sum()) if score.sum() > 0 else 1.0 for score, count in own)
    return prod(shares)


def normalised(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same with 1 for the sum of the most of every site."""
    whole = table.max(axis=1).sum()
    return table / (whole if whole > 0 else 1.0)
