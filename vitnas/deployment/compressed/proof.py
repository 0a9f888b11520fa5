"""Whether an artefact computes its layers, or keeps their weights, as the network asks for; products are known by their names.

The name of a product is ``SITE/NUMBER``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx, nn

from vitnas.deployment.compressed.graph import BLOCKS, products_of, weight_name
from vitnas.deployment.compressed.qdq import BITS, precisions_of
from vitnas.search_spaces.precision import FULL


def names_of(network: nn.Module, site: str) -> list[str]:
    """The names of the products at a site."""
    layer = network.get_submodule(site)
    assert isinstance(layer, fx.GraphModule)
    return [f"{site}/{number}" for number in range(len(products_of(layer)))]


def kept_bits(network: nn.Module, site: str) -> list[int]:
    """In how many bits a file is to keep the weights of the products at a site: some numbers of bits are none of a file."""
    layer, precision = network.get_submodule(site), precisions_of(network)[site]
    assert isinstance(layer, fx.GraphModule)
    if precision.palette:
        return [precision.stored_bits] * len(products_of(layer))
    return [precision.stored_bits if weight_name(product).endswith(BLOCKS) else BITS for product in products_of(layer)]


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
        wide = [name for name, bits in zip(names, kept_bits(network, site), strict=True) if kept.get(name, FULL) > bits]
        in_float = [name for name in names if precision.integer and name not in integers]
        if in_float:
            found[site] = f"{runtime} computes {len(in_float)} of {len(names)} products in float"
        elif wide:
            found[site] = f"the file keeps {len(wide)} of {len(names)} weights in {kept.get(wide[0], FULL)} bits"
    return found


def proof_of(network: nn.Module, strays: Mapping[str, str]) -> dict[str, int]:
    """How many layers have a precision, and how many of them an artefact computes or keeps as asked."""
    asked = precisions_of(network)
    return {"asked": len(asked), "as_asked": len(asked.keys() - strays.keys())}
