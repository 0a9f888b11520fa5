"""Whether an artefact computes its layers, or keeps their weights, as the network asks for; products are known by their names.

The name of a product is ``SITE/NUMBER``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx, nn

from vitnas.deployment.compressed.graph import products_of
from vitnas.deployment.compressed.qdq import BITS, precisions_of
from vitnas.search_spaces.precision import FULL, Precision


def names_of(network: nn.Module, site: str) -> list[str]:
    """The names of the products at a site."""
    layer = network.get_submodule(site)
    assert isinstance(layer, fx.GraphModule)
    return [f"{site}/{number}" for number in range(len(products_of(layer)))]


def strays(network: nn.Module, integers: set[str], kept: Mapping[str, int], runtime: str) -> dict[str, str]:
    """The layers that are not as asked for, by site, and what is done instead.

    Args:
        network: at its precisions.
        integers: the products that a runtime computes in integers.
        kept: in how many bits the file keeps the weights of products.
        runtime: for messages.
    """
    found = {}
    for site, precision in precisions_of(network).items():
        names = names_of(network, site)
        if precision.integer:
            left = [name for name in names if name not in integers]
            reason = f"{runtime} computes {len(left)} of {len(names)} products in float"
        else:
            left = [name for name in names if kept.get(name, FULL) > most_bits(precision)]
            reason = f"the file keeps {len(left)} of {len(names)} weights in more than {most_bits(precision)} bits"
        if left:
            found[site] = reason
    return found


def most_bits(precision: Precision) -> int:
    """That a file may take for a weight: bytes, where it is not a palette."""
    return precision.weight_bits if precision.palette else BITS


def proof_of(network: nn.Module, strays: Mapping[str, str]) -> dict[str, int]:
    """How many layers have a precision, and how many of them an artefact computes or keeps as asked."""
    asked = precisions_of(network)
    return {"asked": len(asked), "as_asked": len(asked.keys() - strays.keys())}
