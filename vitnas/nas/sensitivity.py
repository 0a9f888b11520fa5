"""Sensitivities of a compressed space: what each layer's precision does to the answers, as numbers that add up over an arch.

They are measured one layer at a time on trained weights. Their sum ranks networks of mixed precisions almost as the true
divergence does, so it says before any evaluation which layers bear few bits: a predictor reads it as a feature, and searchers that
weigh importance take it off what a layer is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from vitnas.search_spaces import Arch
from vitnas.search_spaces.compressed import Compressed
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.search_spaces.precision_genes import WEIGHTLESS
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.data import Images
from vitnas.supernets.evaluation import cut_out
from vitnas.supernets.precision.ranges import BATCH_SIZE, NUM_IMAGES, calibrate
from vitnas.supernets.precision.sensitivity import LayerSensitivity, layer_sensitivities
from vitnas.supernets.supernet import Supernet

DRAWN, DRAWS = 256, 16
"""Archs among which those are looked for that have a layer which the largest and the smallest lack: so many, so often."""


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """What rounding does, layer by layer; the same for all widths of a layer.

    Attributes:
        space: whose precisions were looked at.
        found: by site and kind of layer; layers that cannot be rounded are not among them, and hardly ever one that no arch
            drawn had, which counts as the most sensitive of all.
    """

    space: Compressed
    found: Mapping[tuple[str, str], LayerSensitivity]

    def sums(self) -> SiteValues:
        """The divergence of an arch from itself in float, as the sum over its layers."""
        table = SiteValues.zeros(self.space)
        for row, number, one, precision in self._entries():
            table[row, number] = one.rounded[precision]
        return SiteValues(self.space, table)

    def weighing(self, importance: SiteValues) -> SiteValues:
        """The importance of archs of the base, less what rounding takes off.

        Rounding loses the share of a layer's worth by which it changes the answers, relative to leaving the layer out.
        """
        base = importance.space.lowering
        rows = {site.name: row for row, site in enumerate(base.sites)}
        numbers = {spec: i for i, spec in enumerate(base.specs)}
        table = SiteValues.zeros(self.space)
        lowering = self.space.lowering
        for row, site in enumerate(lowering.sites):
            values = importance.table[rows[site.name]]
            for number, spec in enumerate(lowering.specs):
                table[row, number] = values[numbers[spec.at(FLOAT.name)]]
            table[row, -1] = values[-1]
        for row, number, one, precision in self._entries():
            worth = table[row, number] - table[row, -1]
            table[row, number] -= one.share(precision) * worth
        return SiteValues(self.space, table)

    def _entries(self) -> Iterator[tuple[int, int, LayerSensitivity, str]]:
        """Row, column, what was found, and precision, of every layer that is rounded."""
        lowering, worst = self.space.lowering, self._worst
        number = {spec: i for i, spec in enumerate(lowering.specs)}
        for row, (site, specs) in enumerate(lowering.specs_at().items()):
            for spec in specs:
                if spec.precision != FLOAT.name:
                    yield row, number[spec], self.found.get((site, spec.kind), worst), spec.precision

    @property
    def _worst(self) -> LayerSensitivity:
        each = list(self.found.values())
        menu = [name for name in self.space.menu if name != FLOAT.name]
        rounded = {name: max((one.rounded[name] for one in each), default=0.0) for name in menu}
        return LayerSensitivity(rounded, min((one.left_out for one in each), default=0.0))


def measure_sensitivities(net: Supernet, space: Compressed, train: Images) -> Sensitivities:
    """Rounds every layer alone at every precision of the menu, in the largest arch, and in others for layers that it lacks.

    Args:
        net: with trained weights, of the base or of a compressed space over it.
        space: over that of the supernet.
        train: training images, of which a sample is looked at.
    """
    menu = [Precision.of(name) for name in space.menu if name != FLOAT.name]
    device = next(net.parameters()).device
    batches = [x.to(device) for x, _ in train.sample(NUM_IMAGES).batches(BATCH_SIZE)]
    images = torch.cat(batches)
    found: dict[tuple[str, str], LayerSensitivity] = {}
    for arch in _covering(space):
        blueprint = space.base.lower(arch)
        here = {
            site: menu
            for site, spec in blueprint.items()
            if site in space.columns_at and (site, spec.kind) not in found
        }
        if not here:
            continue
        own = net.space.compress(arch) if isinstance(net.space, Compressed) else arch
        network = cut_out(net, own, train).eval()
        each = layer_sensitivities(network, here, calibrate(network, batches), images)
        found |= {(site, spec.kind): each[site] for site, spec in blueprint.items() if site in each}
    return Sensitivities(space, found)


def _covering(space: Compressed) -> Iterator[Arch]:
    """The largest arch of the base and the smallest, then some that have what neither has, if there is such."""
    base = space.base
    kinds = {
        (site, spec.kind)
        for site, specs in base.lowering.specs_at().items()
        for spec in specs
        if site in space.columns_at and spec.kind not in WEIGHTLESS
    }
    for arch in (base.largest(), base.smallest()):
        kinds -= {(site, spec.kind) for site, spec in base.lower(arch).items()}
        yield arch
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        if not kinds:
            return
        for arch in base.decode(base.genome.sample(DRAWN, rng)):
            new = kinds & {(site, spec.kind) for site, spec in base.lower(arch).items()}
            kinds -= new
            if new:
                yield arch
