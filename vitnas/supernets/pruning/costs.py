"""Costs: what every layer of a smaller arch does to the logits, after compensation, so that archs are costed by look-up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.search_spaces.pruned.pruned_space import map_site
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.compensation import Compensation, ProductMoments, error_of, kept_inputs, rows_of
from vitnas.supernets.layers import Layer, outline
from vitnas.supernets.pruning.channels import attributes_of, channels_of
from vitnas.supernets.pruning.of_weights import weights_of
from vitnas.supernets.supernet import Supernet


def error_table(net: Supernet, compensation: Compensation) -> SiteValues:
    """The mean square of what each layer of an arch changes in the logits, taken one by one and to first order.

    A layer that is narrower inside leaves the error of its compensated products, and of what no product reads, such as
    queries and keys, the share of its power that the squares of the lost weights are of all; one that writes fewer channels, or is
    left out, takes away what the channels carried. A layer of a kind that was not looked at counts as one that is left
    out. Errors of the layers are taken for unrelated, so that they add up.

    Args:
        net: with the weights that the compensation was measured on.
        compensation: of `net`.
    """
    lowering = net.space.lowering
    number = {spec: i for i, spec in enumerate(lowering.specs)}
    table = SiteValues.zeros(net.space)
    for row, (site, specs) in enumerate(lowering.specs_at().items()):
        known = [key for key in compensation.powers if key.partition("-")[0] == site]
        if not known:
            continue
        power = compensation.powers[known[0]].double()
        table[row, :] = float(power.sum())
        for kind in {spec.kind for spec in specs} & {key.partition("-")[2] for key in known}:
            key = f"{site}-{kind}"
            layer = net.layers[key]
            assert isinstance(layer, Layer)
            own = [spec for spec in specs if spec.kind == kind]
            errors = sum((_errors(p, layer, own) for p in compensation.products.get(key, ())), np.zeros(len(own)))
            for spec, error in zip(own, errors, strict=True):
                unread = lost_unread(layer, spec, compensation.products.get(key, ()))
                table[row, number[spec]] = error + unread * float(power.sum()) + float(power[_channels(spec) :].sum())
    _count_maps(table, net, compensation)
    return SiteValues(net.space, table)


def _count_maps(table: NDArray[np.float64], net: Supernet, compensation: Compensation) -> None:
    """A map takes back, of what its layer's absence costs, all but what it leaves."""
    rows = {site: (row, specs) for row, (site, specs) in enumerate(net.space.lowering.specs_at().items())}
    for key, left in compensation.left.items():
        row, specs = rows[map_site(key.partition("-")[0])]
        for spec in specs:
            table[row, net.space.lowering.specs.index(spec)] = float(
                left[: _channels(spec)].sum() - compensation.powers[key][: _channels(spec)].sum()
            )


def lost_unread(layer: Layer, spec: LayerSpec, products: Sequence[ProductMoments]) -> float:
    """The share of the squares of weights that a smaller layer lacks, for the attributes that no product reads.

    Args:
        layer: the whole one.
        spec: of the smaller one.
        products: that were looked at, whose inputs are compensated.
    """
    kept, whole = 1.0, layer.spec
    for name in attributes_of(whole):
        channels = channels_of(whole, name)
        read = {(p.weight, axis) for p in products for axis in range(len(p.answers), len(p.answers) + len(p.inputs))}
        if channels.refused or spec[name] >= whole[name] or any((a.name, a.axis) in read for a in channels.axes):
            continue
        squares = channels.sums({n: w.detach().double().square() for n, w in weights_of(layer).items()})
        kept *= float(squares[: spec[name]].sum() / squares.sum().clamp(min=1e-300))
    return 1.0 - kept


def _channels(spec: LayerSpec) -> int:
    return spec.out_shape[-1 if len(spec.out_shape) == 2 else 0]


def _errors(product: ProductMoments, layer: Layer, specs: list[LayerSpec]) -> NDArray[np.float64]:
    """What is left of the errors of a product for each spec, in the units of `gain`."""
    weights = rows_of(product, layer.get_parameter(product.weight), (*product.answers, *product.inputs))
    scaled = weights * product.gain.double().sqrt()[:, None]
    tails = prefix_errors(product, scaled)
    known: dict[tuple[int, ...], float] = {}
    found = np.zeros(len(specs))
    for i, spec in enumerate(specs):
        inputs = tuple(outline(spec).get_parameter(product.weight).shape[-len(product.inputs) :])
        if inputs not in known:
            kept = kept_inputs(product, inputs)
            count = int(kept.sum())
            in_front = bool(kept[:count].all())
            known[inputs] = float(tails[count] if in_front else error_of(product, scaled, kept).sum())
        found[i] = known[inputs]
    return found


def prefix_errors(product: ProductMoments, weights: Tensor) -> Tensor:
    """``(n + 1,)``: for every number k of inputs, what the ridge regression that keeps the first k cannot tell.

    The lower triangle L of a Cholesky factorisation answers for all k at once: what the inputs before it leave open of
    input j is column j of L from its diagonal on, so the error is the sum over j >= k of |W L_j|^2. Next to the mean
    squared error it counts the ridge, lambda (|W_P|^2 + |W_P A|^2).
    """
    moments = product.covariance.double()
    moments = moments + product.ridge * torch.eye(len(moments), dtype=moments.dtype)
    each = (weights.double() @ torch.linalg.cholesky(moments)).square().sum(dim=0)
    tails = each.flip(0).cumsum(0).flip(0)
    return torch.cat([tails, tails.new_zeros(1)])
