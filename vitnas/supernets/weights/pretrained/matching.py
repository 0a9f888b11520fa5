"""Which arch of a space a pretrained network is, told from the shapes of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import Tensor

from vitnas.errors import CheckpointError, suggest
from vitnas.search_spaces import OFF, Arch, Blueprint, Codes, LayerSpec, SearchSpace
from vitnas.supernets.layers import outline
from vitnas.supernets.weights.pretrained.families import Rules, rules_for
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights

MOST_CANDIDATES = 10_000

Shapes = Mapping[str, tuple[int, ...]]


def find_arch(space: SearchSpace, state: Mapping[str, Tensor]) -> tuple[Arch, int]:
    """The arch of the space that a timm model is, whatever its number of classes, and that number.

    Published archs are tried first. Of several others that are the same weights, as those of all patch sizes are, it is the one
    that resamples, divides and leaves out nothing; else nothing is guessed.
    """
    rules = rules_for(space)
    for arch in (space.named(name) for name in space.published() if _still_there(space, name)):
        if (classes := _classes_if(rules, space.lower(arch), state)) is not None:
            return arch, classes
    found = [
        (arch, classes)
        for arch in space.decode(_candidates(space, rules, state))
        if (classes := _classes_if(rules, space.lower(arch), state)) is not None
    ]
    if len({_weights_of(space.lower(arch)) for arch, _ in found}) == 1:
        return next((pair for pair in found if not _resamples(space.lower(pair[0]))), found[0])
    if len(found) > 1:
        first, second = (dict(arch.genes) for arch, _ in found[:2])
        untold = [name for name in first if first[name] != second.get(name)]
        raise CheckpointError(
            f"the pretrained weights fit {len(found)} archs of space '{space.name}', whose shapes do not tell "
            f"{', '.join(untold)}; restrict the space to one choice of them"
        )
    if not found:
        raise CheckpointError(
            f"the pretrained network does not lie in space '{space.name}': {_difference(space, rules, state)}; "
            f"choose a space that holds it, or the image size and channels that it was trained with"
        )
    return found[0]


def _weights_of(blueprint: Blueprint) -> tuple[object, ...]:
    """What tells the slices of shared weights that a network is."""
    return tuple((site, spec.kind, *sorted(_shapes(spec).items())) for site, spec in blueprint.items())


def _resamples(blueprint: Blueprint) -> bool:
    """Whether its patches are of another size than the weights are of."""
    return any(
        "kernel" in attrs and attrs.get("patch") != attrs["kernel"] for attrs in (dict(s.attrs) for s in blueprint)
    )


def class_tensors(spec: LayerSpec) -> set[str]:
    """The tensors of a classifier whose shape hangs on the number of classes."""
    more = _shapes(replace(spec, out_shape=(spec.out_shape[0] + 1,)))
    return {name for name, shape in _shapes(spec).items() if more[name] != shape}


def _still_there(space: SearchSpace, name: str) -> bool:
    """Whether a published arch is left in a restricted space."""
    return space.why_invalid(Arch(space.name, tuple(space.published()[name].genes.items()))) is None


def _classes_if(rules: Rules, blueprint: Blueprint, state: Mapping[str, Tensor]) -> int | None:
    """The number of classes of the weights if they are of this network, else None."""
    weights = TimmWeights(state)
    classes = None
    try:
        for (site, tensors), spec in zip(rules(blueprint, weights), blueprint, strict=True):
            if (classes := _fitting_classes(spec, _shapes_of(tensors))) is None:
                return None
            assert site in blueprint.sites
        weights.require_all_read()
    except (CheckpointError, RuntimeError):  # a name that is not there, or a tensor that cannot be reshaped
        return None
    return classes


def _fitting_classes(spec: LayerSpec, given: Shapes) -> int | None:
    """The size of the output with which a layer has these shapes; of all but classifiers only its own counts."""
    if given == _shapes(spec):
        return spec.out_shape[0]
    if len(spec.out_shape) > 1:
        return None
    sizes = {size for shape in given.values() for size in shape}
    return next((n for n in sorted(sizes) if given == _shapes(replace(spec, out_shape=(n,)))), None)


def _candidates(space: SearchSpace, rules: Rules, state: Mapping[str, Tensor]) -> Codes:
    """Archs all of whose sites have layers of the shapes given, and which leave no site out that has weights."""
    lowering, columns = space.lowering, space.columns
    position = {column.name: i for i, column in enumerate(columns)}
    fits, due = [], [max((position[gene] for gene in site.genes), default=0) for site in lowering.sites]
    specs_at = lowering.specs_at()
    for site in lowering.sites:
        fitting = {spec for spec in specs_at[site.name] if _fits(rules, site.name, spec, state)}
        absent = not fitting
        fits.append(np.array([*(spec in fitting for spec in lowering.specs), absent]))  # the last one answers -1
    codes = space.genome.empty(1)
    for i, column in enumerate(columns):
        above = np.zeros(len(codes), np.intp) if column.parent is None else codes[:, column.parent].astype(np.intp)
        grown = []
        for code in (*reversed(range(len(column.choices))), OFF):
            part = codes[column.allowed[above, code]]
            part[:, i] = code
            grown.append(part)
        codes = np.concatenate(grown)
        for site_number in (n for n, last in enumerate(due) if last == i):
            numbers = lowering.spec_numbers(codes)[:, site_number]
            codes = codes[fits[site_number][numbers]]
        codes = codes[:MOST_CANDIDATES]
    return codes


def _fits(rules: Rules, site: str, spec: LayerSpec, state: Mapping[str, Tensor]) -> bool:
    given = _given(rules, site, spec, state)
    return given is not None and _fitting_classes(spec, given) is not None


def _given(rules: Rules, site: str, spec: LayerSpec, state: Mapping[str, Tensor]) -> Shapes | None:
    """Shapes of what the weights hold for one layer, or None if they do not have it."""
    try:
        ((_, tensors),) = rules(Blueprint((site,), (spec,)), TimmWeights(state))
    except (CheckpointError, RuntimeError):
        return None
    return _shapes_of(tensors)


def _difference(space: SearchSpace, rules: Rules, state: Mapping[str, Tensor]) -> str:
    """The first site where the weights are of no layer of the space, and the tensor that tells."""
    for site, specs in space.lowering.specs_at().items():
        given = [(spec, shapes) for spec in specs if (shapes := _given(rules, site, spec, state)) is not None]
        if given and not any(_fitting_classes(spec, shapes) is not None for spec, shapes in given):
            return f"site '{site}': {min(map(_gap, *zip(*given, strict=True)), key=len)[0]}"
        if not given and site == space.lowering.sites[0].name:
            return f"it has no weights for site '{site}' under the names that are known; {suggest('cls_token', sorted(state))}"
    return "each of its layers is one of the space, but no arch has just these, no fewer and no more"


def _gap(spec: LayerSpec, given: Shapes) -> list[str]:
    """The tensors in which the weights are not of this layer."""
    own = _shapes(spec)
    return [
        *(f"the space has '{name}', the weights do not" for name in own if name not in given),
        *(f"the weights have '{name}', the space does not" for name in given if name not in own),
        *(
            f"'{name}' has shape {given[name]}, in the space {shape}"
            for name, shape in own.items()
            if given.get(name, shape) != shape
        ),
    ]


def _shapes(spec: LayerSpec) -> Shapes:
    return _shapes_of(outline(spec).state_dict())


def _shapes_of(tensors: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


__all__ = ["class_tensors", "find_arch"]
