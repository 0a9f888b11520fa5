"""Costs: what every layer of a smaller arch does to the logits, after compensation, so that archs are costed by look-up."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.compensation import Compensation, ProductMoments, error_of, kept_inputs, rows_of
from vitnas.supernets.layers import Layer, outline
from vitnas.supernets.supernet import Supernet


def error_table(net: Supernet, compensation: Compensation) -> SiteValues:
    """The mean square of what each layer of an arch changes in the logits, taken one by one and to first order.

    A layer that is narrower inside leaves the error of its compensated products; one that writes fewer channels, or is
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
                table[row, number[spec]] = error + float(power[_channels(spec) :].sum())
    return SiteValues(net.space, table)


def _channels(spec: LayerSpec) -> int:
    return spec.out_shape[-1 if len(spec.out_shape) == 2 else 0]


def _errors(product: ProductMoments, layer: Layer, specs: list[LayerSpec]) -> NDArray[np.float64]:
    """What is left of the errors of a product for each spec, in the units of `gain`."""
    weights = rows_of(product, layer.get_parameter(product.weight), (*product.answers, *product.inputs))
    scaled = weights * product.gain.double().sqrt()[:, None]
    tails = prefix_errors(product, scaled)
    found = np.zeros(len(specs))
    for i, spec in enumerate(specs):
        shape = tuple(outline(spec).get_parameter(product.weight).shape)
        kept = kept_inputs(product, shape)
        count = int(kept.sum())
        if bool(kept[:count].all()):
            found[i] = float(tails[count])
        else:
            found[i] = float(error_of(product, scaled, kept).sum())
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
