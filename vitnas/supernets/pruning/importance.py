"""Importance: how much every channel of a given network matters, and every layer that a smaller arch may have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vitnas.search_spaces import Arch, LayerSpec
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

    def table(self, net: Supernet, images: Images) -> SiteValues:
        """What the layers of archs keep of the scores of the largest arch, 1 for all there is.

        Of the scores of a layer it keeps, for each attribute and for its width, the share of the channels that it has.
        """
        scores = self.channels(net, images)
        whole = net.space.lower(net.space.largest())
        lowering = net.space.lowering
        number = {spec: i for i, spec in enumerate(lowering.specs)}
        width = {end.site: i for i, stream in enumerate(streams(net, net.space.largest())) for end in stream.ends}
        largest = dict(whole.items())
        table = SiteValues.zeros(net.space)
        for row, (site, specs) in enumerate(lowering.specs_at().items()):
            for spec in specs:
                if site not in largest or spec.kind != largest[site].kind:
                    continue
                stream = (
                    scores.streams[width[site]] if width.get(site, len(scores.streams)) < len(scores.streams) else None
                )
                table[row, number[spec]] = _kept(f"{site}-{spec.kind}", spec, scores.attributes, stream)
        return SiteValues(net.space, normalised(table))


def _kept(key: str, spec: LayerSpec, scores: Mapping[tuple[str, str], Tensor], stream: Tensor | None) -> float:
    own = [(score, int(spec[name])) for (at, name), score in scores.items() if at == key]
    if not own:
        return 0.0
    total = max(float(score.sum()) for score, _ in own)
    if stream is not None and len(spec.out_shape) > 1:
        own.append((stream, spec.out_shape[-1 if len(spec.out_shape) == 2 else 0]))
    for score, count in own:
        whole = float(score.sum())
        total *= float(score[:count].sum()) / whole if whole > 0 else 1.0
    return total


def normalised(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same with 1 for the sum of the most of every site."""
    whole = table.max(axis=1).sum()
    return table / (whole if whole > 0 else 1.0)
