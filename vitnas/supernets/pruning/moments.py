"""Moments: one pass over unlabelled images sees all that compensation needs, for every width at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from vitnas.errors import DataError, VitnasError
from vitnas.search_spaces import Arch, LayerSpec
from vitnas.supernets.compensation import Compensation, ProductMoments
from vitnas.supernets.data import Images
from vitnas.supernets.layers import outline
from vitnas.supernets.layers.low_rank import keep_apart
from vitnas.supernets.precision.products import run_layer
from vitnas.supernets.pruning.products import Product, ProductWatch
from vitnas.supernets.pruning.residual_maps import maps_of, rows_of
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.supernet import Supernet

NUM_IMAGES, BATCH_SIZE = 512, 32

Shape = tuple[int, ...]


@dataclass
class _Sums:
    """What has been seen of a product so far; inputs count from `near`, a first mean, to lose no digits."""

    bias: str
    near: Tensor
    rows: int
    first: Tensor
    second: Tensor
    gain: Tensor


def measure_moments(
    net: Supernet, images: Images, arch: Arch | None = None, num_images: int = NUM_IMAGES, seed: int = 0
) -> Compensation:
    """Runs some images through an arch, forward and once backward from its logits; labels are not looked at.

    Args:
        net: it is left as it was.
        images: of which a sample is taken.
        arch: whose inputs are seen, by default the largest; layers that it lacks are not made up for.
        num_images: how many of the images.
        seed: of the sample, and of the signs with which logits are summed.
    """
    if len(images) == 0:
        raise DataError("compensation needs images to see what goes through the network; give at least one")
    space = net.space
    arch = space.largest() if arch is None else space.check(arch)
    blueprint = space.lower(arch)
    network = net.uncompensated(arch).eval().requires_grad_(False)
    recalibrate(network, images)  # as whatever is evaluated is
    keep_apart(network)
    device = next(net.parameters()).device
    specs_at = space.lowering.specs_at()
    smaller = {
        f"{site}.{name}": (shape, others)
        for site, spec in blueprint.items()
        for name, shape, others in _smaller(specs_at[site], spec)
    }
    sums: dict[str, _Sums] = {}
    powers: dict[str, Tensor] = {}
    residual = {site for site, spec in blueprint.items() if outline(spec).is_residual()}
    maps = maps_of(net)
    left: dict[str, Tensor] = {}
    signs = torch.Generator().manual_seed(seed)
    sample = images.sample(num_images, seed)
    for x, _ in sample.batches(BATCH_SIZE):
        seen, edges = _run(network, x.to(device), signs, residual)
        for call, grad in seen:
            if call.weight in smaller and _inputs(*smaller[call.weight], call.inputs.shape[1]) is not None:
                _add(sums, call, grad)
        for site, before, branch, grad in edges:
            powers[site] = powers.get(site, 0) + _power(branch, grad)
            if site in maps:
                left[site] = left.get(site, 0) + _power(branch - (maps[site](before) - before).detach(), grad)
    keys = {site: f"{site}-{spec.kind}" for site, spec in blueprint.items()}
    products: dict[str, tuple[ProductMoments, ...]] = {}
    for name, found in sums.items():
        site, _, weight = name.partition(".")
        moments = _moments(weight, found, smaller[name], len(sample))
        products[keys[site]] = (*products.get(keys[site], ()), moments)
    each = {keys[site]: (power / len(sample)).float() for site, power in powers.items()}
    mapped = {keys[site]: (power / len(sample)).float() for site, power in left.items()}
    return Compensation(products, each, len(sample), mapped)


def _run(
    network: nn.Module, x: Tensor, signs: torch.Generator, residual: Collection[str]
) -> tuple[list[tuple[Product, Tensor]], list[tuple[str, Tensor, Tensor, Tensor]]]:
    """The products of a batch, and what every layer reads and writes, each with the gradient of a random sum of logits.

    A residual layer writes its branch.
    Gradients with random signs have the squares, on average, of those of all logits together.
    """
    calls: list[Product] = []
    edges: list[tuple[str, Tensor, Tensor, Tensor]] = []
    watch = ProductWatch(network, calls.append)
    with torch.enable_grad():
        for site, layer in network.named_children():
            before, x = x, run_layer(layer, x, watch)
            if x.ndim > 2:
                if not x.requires_grad:
                    x.requires_grad_()
                edges.append((site, before.detach(), (x - before if site in residual else x).detach(), x))
        random = (torch.randint(0, 2, x.shape, generator=signs) * 2 - 1).to(x)
        answers = [*(call.answer for call in calls), *(after for *_, after in edges)]
        grads = torch.autograd.grad(x, answers, random, allow_unused=True, materialize_grads=True)
    rest = grads[len(calls) :]
    return list(zip(calls, grads, strict=False)), [(*edge[:3], g) for edge, g in zip(edges, rest, strict=True)]


def _smaller(specs: Sequence[LayerSpec], spec: LayerSpec) -> Iterator[tuple[str, Shape, set[Shape]]]:
    """The weights of a layer that are smaller with the attributes of other specs: name, shape, and the smaller shapes."""
    large = outline(spec)
    found: dict[str, set[Shape]] = {}
    for attrs in {other.attrs for other in specs if other.kind == spec.kind}:
        try:
            small = outline(LayerSpec(spec.kind, spec.in_shape, spec.out_shape, attrs))
        except (VitnasError, ValueError, RuntimeError, AssertionError):
            continue
        for name, part in small.named_parameters():
            found.setdefault(name, set()).add(tuple(part.shape))
    for name, whole in large.named_parameters():
        if name not in large.centred and name not in large.averaged and found.get(name, set()) - {tuple(whole.shape)}:
            yield name, tuple(whole.shape), found[name]


def _inputs(shape: Shape, others: set[Shape], n: int) -> Shape | None:
    """The axes of a weight that its n inputs lie along, if they, and they alone, are shorter in one of the others."""
    split = next((i for i in range(1, len(shape)) if prod(shape[i:]) == n), None)
    if split is None:
        return None
    lose = any(other[:split] == shape[:split] and other[split:] != shape[split:] for other in others)
    return shape[split:] if lose else None


def _add(sums: dict[str, _Sums], call: Product, grad: Tensor) -> None:
    x = call.inputs
    if call.weight not in sums:
        n, out = x.shape[1], call.answer.shape[call.axis]
        zeros = (torch.zeros(*shape, dtype=torch.float64) for shape in ((n,), (n, n), (out,)))
        sums[call.weight] = _Sums(call.bias, x.mean(dim=0), 0, *zeros)
    own = sums[call.weight]
    x = x - own.near
    own.rows += len(x)
    own.first += x.sum(dim=0, dtype=torch.float64).cpu()
    own.second += (x.T @ x).double().cpu()
    own.gain += call.rows(grad).square().sum(dim=0).double().cpu()


def _moments(weight: str, found: _Sums, shapes: tuple[Shape, set[Shape]], num_images: int) -> ProductMoments:
    off = found.first / found.rows
    mean = found.near.double().cpu() + off
    moments = found.second / found.rows - torch.outer(off, off)
    if not found.bias:
        moments += torch.outer(mean, mean)
    inputs = _inputs(*shapes, len(mean))
    assert inputs is not None
    answers = shapes[0][: -len(inputs)]
    bias = found.bias.partition(".")[2]
    return ProductMoments(
        weight, bias, answers, inputs, mean.float(), moments.float(), (found.gain / num_images).float()
    )


def _power(branch: Tensor, grad: Tensor) -> Tensor:
    """What each channel that is written does to the logits, summed over the images of a batch."""
    errors, gains = (rows_of(t).square().double() for t in (branch, grad))
    return (errors.mean(dim=0) * gains.sum(dim=0)).cpu()
