"""Sensitivities of a compressed space: what each layer's precision does to the answers, as numbers that add up over an arch.

They are measured one layer at a time on trained weights. Their sum ranks networks of mixed precisions almost as the true
divergence does, so it says before any evaluation which layers bear few bits: a predictor reads it as a feature, and searchers that
weigh importance take it off what a layer is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from vitnas.errors import DataError
from vitnas.files import read_json, refuse_other, write_json
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.search_spaces.compressed import Compressed
from vitnas.search_spaces.covering import covering, layers_in, layers_of
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.search_spaces.precision_genes import WEIGHTLESS
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.data import Images
from vitnas.supernets.evaluation import cut_out
from vitnas.supernets.precision.ranges import BATCH_SIZE, NUM_IMAGES, calibrate
from vitnas.supernets.precision.sensitivity import LayerSensitivity, layer_sensitivities
from vitnas.supernets.shared_ranges import measured_on
from vitnas.supernets.supernet import Supernet

_FORMAT = "vitnas-sensitivities/1"

Found = Mapping[tuple[str, str], LayerSensitivity]
"""By site and kind of layer."""


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """What rounding does, layer by layer; the same for all widths of a layer.

    Attributes:
        space: whose precisions were looked at.
        found: by site and kind of layer; layers that cannot be rounded are not among them. One that is missing counts as the
            most sensitive of all.
    """

    space: Compressed
    found: Found

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


def sensitivities_of(
    run: RunFolder, net: Supernet, space: Compressed, train: Images, say: Callable[[str], None] = lambda _: None
) -> Sensitivities:
    """Those that lie in a run; what is not there, or was measured with other weights or images, is measured.

    Args:
        run: of the supernet.
        net: with the newest weights.
        space: over that of the run.
        train: training images of the run.
        say: told what was measured.
    """
    made_of = {**measured_on(run, net, train), "space": space.base.fingerprint}
    known = _load(run.sensitivities_file, made_of)
    found = measure_sensitivities(net, space, train, known)
    if new := [layer for layer, one in found.found.items() if one != known.get(layer)]:
        refuse_other(run.sensitivities_file, _FORMAT.encode(), "record of sensitivities")
        layers = [(*layer, dict(one.rounded), one.left_out) for layer, one in {**known, **found.found}.items()]
        write_json(run.sensitivities_file, {"format": _FORMAT, "made_of": made_of, "layers": layers})
        say(f"sensitivities of {len(new)} layers are measured: '{run.sensitivities_file}'")
    return found


def measure_sensitivities(net: Supernet, space: Compressed, train: Images, known: Found | None = None) -> Sensitivities:
    """Rounds every layer alone at every precision of the menu, in the largest arch, and in others for layers that it lacks.

    Args:
        net: with trained weights, of the base or of a compressed space over it.
        space: over that of the supernet.
        train: training images, of which a sample is looked at.
        known: what need not be measured, perhaps at some of the precisions alone.
    """
    menu = [Precision.of(name) for name in space.menu if name != FLOAT.name]
    wanted = {layer for layer in layers_of(space.base, WEIGHTLESS) if layer[0] in space.columns_at}
    found = {} if known is None else {layer: known[layer] for layer in wanted & known.keys()}

    def missing(layer: tuple[str, str]) -> list[Precision]:
        rounded = found[layer].rounded if layer in found else {}
        return [precision for precision in menu if precision.name not in rounded]

    left = {layer for layer in wanted if missing(layer)}
    images, device = train.sample(NUM_IMAGES), next(net.parameters()).device
    batches = [x.to(device) for x, _ in images.batches(BATCH_SIZE)] if left else []
    for arch in _covering(space.base, set(left)):
        kinds = {site: (site, spec.kind) for site, spec in space.base.lower(arch).items()}
        here = {site: missing(layer) for site, layer in kinds.items() if layer in left}
        left -= {*kinds.values()}
        if not here:
            continue
        own = net.space.compress(arch) if isinstance(net.space, Compressed) else arch
        network = cut_out(net, own, train).eval()
        each = layer_sensitivities(network, here, calibrate(network, batches), torch.cat(batches))
        for site, one in each.items():
            before = found[kinds[site]].rounded if kinds[site] in found else {}
            found[kinds[site]] = LayerSensitivity({**before, **one.rounded}, one.left_out)
    return Sensitivities(space, found)


def _covering(base: SearchSpace, wanted: set[tuple[str, str]]) -> Iterator[Arch]:
    """The largest arch and the smallest, then some that have what neither has, if there is such; none where nothing is wanted."""
    ends = [base.largest(), base.smallest()] if wanted else []
    yield from ends
    yield from covering(base, wanted - {layer for arch in ends for layer in layers_in(base, arch)})


def _load(file: Path, made_of: Mapping[str, str]) -> dict[tuple[str, str], LayerSensitivity]:
    """What a file holds; nothing where it is of other weights, images or layers, or damaged."""
    if not file.is_file():
        return {}
    try:
        content = msgspec.convert(read_json(file), _KeptSensitivities)
    except (DataError, OSError, msgspec.ValidationError):
        return {}
    if content.format != _FORMAT or content.made_of != made_of:
        return {}
    return {(site, kind): LayerSensitivity(rounded, left_out) for site, kind, rounded, left_out in content.layers}


class _KeptSensitivities(msgspec.Struct):
    format: str
    made_of: dict[str, str]
    layers: list[tuple[str, str, dict[str, float], float]]
