"""Scores of many archs by many proxies, each arch built once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import SearchError, SettingsError
from vitnas.predictors.proxies import PROXIES
from vitnas.predictors.proxies.aggregate import ASSEMBLIES
from vitnas.predictors.proxies.proxy import Proxy
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.supernet import build_network
from vitnas.supernets.torch_device import CPU


def score_archs(
    space: SearchSpace,
    archs: Sequence[Arch],
    names: Sequence[str],
    seed: int = 0,
    images: Tensor | None = None,
    device: torch.device = CPU,
    progress: Callable[[int], object] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """One score for each arch and name; higher is better.

    Args:
        space: of the archs.
        archs: to score; those of `ASSEMBLIES` compare them with each other.
        names: of `PROXIES` and `ASSEMBLIES`. The parts of an assembly come along.
        seed: of the weights and images; the same for every arch, so that nothing else than the archs differs.
        images: real ones ``(N, C, H, W)``, normalised; otherwise they are drawn from a normal distribution.
        device: where the networks run. Weights and images are drawn on the CPU.
        progress: told how many archs are done.
    """
    proxies = [PROXIES.load(name)() for name in parts_of(names)]
    if not archs:
        raise SearchError("there is no arch to score")
    if len(archs) == 1 and (together := [name for name in names if name in ASSEMBLIES]):
        raise SearchError(
            f"'{together[0]}' ranks archs among each other, and there is one; give more, or name its parts: "
            + ", ".join(ASSEMBLIES[together[0]].parts)
        )
    for arch in archs:
        space.check(arch)
    found: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
    for i, scores in enumerate(_each(space, archs, proxies, seed, images, device)):
        for name, score in scores.items():
            found[name].append(score)
        if progress is not None:
            progress(i + 1)
    return with_assemblies({name: np.array(scores) for name, scores in found.items()}, names)


def parts_of(names: Sequence[str]) -> list[str]:
    """The proxies that must be measured for these names."""
    if not names:
        raise SettingsError(f"name at least one proxy of [{', '.join([*PROXIES, *ASSEMBLIES])}]")
    for name in names:
        if name not in ASSEMBLIES:
            PROXIES.load(name)  # refuses what is not known
    wanted = (ASSEMBLIES[name].parts if name in ASSEMBLIES else (name,) for name in names)
    return list(dict.fromkeys(part for parts in wanted for part in parts))


def with_assemblies(scores: dict[str, NDArray[np.float64]], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Adds the assemblies among the names to the scores of their parts."""
    return {**scores, **{name: ASSEMBLIES[name](scores) for name in names if name in ASSEMBLIES}}


def _each(
    space: SearchSpace,
    archs: Sequence[Arch],
    proxies: Sequence[Proxy],
    seed: int,
    images: Tensor | None,
    device: torch.device,
) -> Iterator[dict[str, float]]:
    num_images = max(1, *(proxy.num_images for proxy in proxies))
    for arch in archs:
        blueprint = space.lower(arch)
        if images is None:
            source = torch.Generator().manual_seed(seed)
            seen = torch.randn(num_images, *blueprint.in_shape, generator=source)
        elif tuple(images.shape[1:]) != blueprint.in_shape:
            raise SearchError(
                f"arch {arch.id} looks at images of {blueprint.in_shape}, those given have {tuple(images.shape[1:])}; "
                "scale them first, or let images be drawn"
            )
        else:
            seen = images
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(blueprint).to(device)
        scores = {proxy.name: proxy.score(network, blueprint, seen.to(device), seed) for proxy in proxies}
        for name, score in scores.items():
            if not np.isfinite(score):
                raise SearchError(
                    f"proxy '{name}' gives {score} for arch {arch.id} of '{space.name}', so it cannot rank it; try "
                    "another seed or proxy"
                )
        yield scores
