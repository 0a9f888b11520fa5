"""Two given networks in the supernet of their routes, and the stitches between them, fitted to images without labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vitnas.errors import CheckpointError, DataError
from vitnas.search_spaces import LayerSpec, Stitched
from vitnas.search_spaces.pruned.given_names import split_given
from vitnas.search_spaces.stitched.stitched_space import site_in, stitch_into
from vitnas.supernets.data import Images
from vitnas.supernets.layers.stitch import Stitch
from vitnas.supernets.pruning.affine import AffineFit
from vitnas.supernets.supernet import Donor, Supernet
from vitnas.supernets.torch_device import CPU
from vitnas.supernets.weights.given_weights import Wanted, layers_of, read_network, take_layers, told_of

IMAGES, BATCH_SIZE = 256, 32


def take_stitched(net: Supernet, source: str) -> str:
    """Writes both networks of a space of routes into its supernet; says what was done. Stitches stay as they were drawn.

    Args:
        net: of a space of two networks, both of whose whole routes it has.
        source: ``stitch:A+B``, where A and B say where the weights of the networks lie.
    """
    space = net.space
    if not isinstance(space, Stitched) or not source.startswith("stitch:"):
        raise CheckpointError(
            f"--init {source}: it names a space, or the weights of two networks, and space '{space.name}' is not made of two; "
            "give --space stitch:A+B with --init stitch:A+B, or the weights of one network"
        )
    routes = space.all_genes[0].choices
    if not {"A", "B"} <= set(routes):
        raise CheckpointError(
            f"--init {source}: routes A and B, the networks themselves, are not among those that the space is kept to, "
            f"{list(routes)}; keep them, or begin with a run of the whole space"
        )
    found, told = [], f"took the weights of the networks that space '{space.name}' was made of"
    for network, part in enumerate(split_given(source)):
        wanted = Wanted(space.name, space.given[network], space.task, space.given[network].blueprint(space.task))
        given = read_network(wanted, part, part)
        take_layers(net, {site_in(network, site): layer for site, layer in layers_of(given).items()})
        found.append(Donor(space.whole(network), given.new_head))
        told += f"; {'AB'[network]} from {part}{told_of(given)}"
    net.donors = tuple(found)
    return told


@torch.no_grad()
def fit_stitches(net: Supernet, images: Images, seed: int = 0) -> int:
    """Gives every stitch the affine map that takes the tokens of one network nearest to those of the other.

    Both networks look at the images side by side, on a processor; labels are not looked at.

    Args:
        net: of a space of two networks, with the weights of both.
        images: of which a sample is taken.
        seed: of the sample.

    Returns:
        How many images were looked at.
    """
    if len(images) == 0:
        raise DataError("stitches are fitted to what goes through the networks; give at least one image")
    space = net.space
    assert isinstance(space, Stitched)
    sample = images.sample(IMAGES, seed)
    pixels = [x for x, _ in sample.batches(BATCH_SIZE)]
    seen: list[list[Tensor]] = [pixels, pixels]
    wholes = [dict(net.extract(space.whole(network)).to(CPU).eval().named_children()) for network in (0, 1)]
    for level in range(1, space.num_stretches):
        for network in (0, 1):
            part = nn.Sequential(*(wholes[network][site] for site, _ in space.stretch(network, level)))
            seen[network] = [part(x) for x in seen[network]]
        for network in (0, 1):
            _give(net, stitch_into(network, level), space.stitch(network), seen[1 - network], seen[network])
    return len(sample)


def _give(net: Supernet, site: str, spec: LayerSpec, inputs: Sequence[Tensor], answers: Sequence[Tensor]) -> None:
    """Fits the stitch of a site, if the supernet has it; what it has learned begins anew."""
    key = f"{site}-{spec.kind}"
    if key not in net.layers:
        return
    layer = net.layers[key]
    assert isinstance(layer, Stitch)
    fit = AffineFit()
    for x, y in zip(inputs, answers, strict=True):
        fit.see(x.flatten(0, -2), y.flatten(0, -2))
    weight, bias = fit.solve()
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    layer.up.zero_()
