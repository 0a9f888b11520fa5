"""TrainingFree: a score without any training, for a search that has no supernet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitnas.errors import DataError, SearchError, VitnasError
from vitnas.files import read_json, refuse_other, write_json
from vitnas.nas.execution.executor import Executor, Outcome
from vitnas.nas.problem import Problem
from vitnas.nas.selection import spread_over_cost
from vitnas.predictors.proxies.aggregate import ASSEMBLIES, Assembly
from vitnas.search_spaces import Arch, SearchSpace

SCORE = "aggregate"
"""The assembly of proxies that is the score."""

LEAST = 2
"""Fewer proxies are no score."""

REFERENCE = 32
"""Archs that others are held against; scores have about twice as many levels."""


@dataclass(frozen=True)
class ProxyScores:
    """Some proxies of an arch, each by itself."""

    space: SearchSpace
    names: tuple[str, ...]
    seed: int
    torch_device: str = "cpu"

    def __call__(self, arch: Arch) -> dict[str, float]:
        from vitnas.predictors.proxies.scoring import score_archs
        from vitnas.supernets.evaluation import one_thread
        from vitnas.supernets.torch_device import find_device

        with one_thread():
            found = score_archs(self.space, [arch], self.names, self.seed, device=find_device(self.torch_device))
        return {name: float(values[0]) for name, values in found.items()}


Tried = dict[str, float | str]
"""Proxy -> what it gave, or why it failed."""


@dataclass(frozen=True)
class TolerantProxyScores:
    """As `ProxyScores`, where some proxies may fail."""

    space: SearchSpace
    names: tuple[str, ...]
    seed: int
    torch_device: str = "cpu"

    def __call__(self, arch: Arch) -> Tried:
        try:
            return {**ProxyScores(self.space, self.names, self.seed, self.torch_device)(arch)}
        except (VitnasError, RuntimeError):
            return {name: self._alone(name, arch) for name in self.names}

    def _alone(self, name: str, arch: Arch) -> float | str:
        try:
            return ProxyScores(self.space, (name,), self.seed, self.torch_device)(arch)[name]
        except (VitnasError, RuntimeError) as error:
            return str(error).strip().splitlines()[0]


@dataclass(frozen=True)
class TrainingFree:
    """Scores an arch by the place it takes among reference archs of the space; more is better.

    Assemblies compare archs with each other. Held against archs that stay the same, a score does not change with what
    else a search finds.

    Attributes:
        parts: the proxies.
        reference: archs -> their proxies.
    """

    parts: ProxyScores
    reference: Mapping[Arch, Mapping[str, float]]

    def __call__(self, arch: Arch) -> dict[str, float]:
        """The score and each proxy."""
        found = self.reference.get(arch) or self.parts(arch)
        assembly = Assembly(self.parts.names, ASSEMBLIES[SCORE].join)
        others = [known for other, known in self.reference.items() if other != arch]
        scores = {name: np.array([*(known[name] for known in others), found[name]]) for name in self.parts.names}
        return {"score": float(assembly(scores)[-1]), **found}

    @property
    def id(self) -> str:
        """Names the reference archs by their content."""
        return hashlib.sha256(" ".join(sorted(arch.id for arch in self.reference)).encode()).hexdigest()[:12]

    @classmethod
    def of(
        cls,
        problem: Problem,
        file: Path,
        executor: Executor,
        seed: int,
        say: Callable[[str], None],
    ) -> TrainingFree:
        """Scores the reference archs, or reads what an earlier call wrote to `file`.

        Args:
            problem: whose limits they keep, as scores tell archs apart best where others are like them; they lie evenly
                over its ``num_params``.
            file: JSON.
            executor: where proxies are computed.
            seed: of archs, weights and images.
            say: told what goes on.
        """
        space, rng = problem.space, np.random.default_rng([seed, 3])
        archs = space.decode(spread_over_cost(problem, "num_params", REFERENCE, rng))
        known = _read(file, space, archs)
        if known is None:
            refuse_other(file, b'"reference"', "list of scored archs")
            say(f"scoring {len(archs)} archs of space '{space.name}', against which others are held")
            tolerant = TolerantProxyScores(space, ASSEMBLIES[SCORE].parts, seed, executor.torch_device)
            known = _usable(space, archs, list(executor.map(tolerant, archs)), say)
            rows = [{"arch": arch.to_json(), "proxies": dict(found)} for arch, found in known.items()]
            write_json(file, {"space": space.fingerprint, "reference": rows})
        names = tuple(next(iter(known.values())))
        return cls(ProxyScores(space, names, seed, executor.torch_device), known)


def _usable(
    space: SearchSpace, archs: Sequence[Arch], outcomes: Sequence[Outcome[Tried]], say: Callable[[str], None]
) -> dict[Arch, dict[str, float]]:
    """The proxies that layers of this space support, of each arch."""
    tried = [outcome.get() for outcome in outcomes]
    failed = {name: why for each in tried for name, why in each.items() if isinstance(why, str)}
    for name, why in failed.items():
        say(f"proxy '{name}' is left out of the score, as it fails in this space: {why}")
    known = {
        arch: {name: value for name, value in each.items() if name not in failed and not isinstance(value, str)}
        for arch, each in zip(archs, tried, strict=True)
    }
    if len(tried[0]) - len(failed) < LEAST:
        raise SearchError(
            f"space '{space.name}' cannot be scored without training: only {len(tried[0]) - len(failed)} of "
            f"{len(tried[0])} proxies work; train a supernet with `vitnas train-supernet --space {space.name}`"
        )
    return known


def _read(file: Path, space: SearchSpace, archs: Sequence[Arch]) -> dict[Arch, dict[str, float]] | None:
    """What was written for these archs; None when there is nothing, or it is of others or damaged."""
    try:
        data = read_json(file)
        known = {
            Arch.from_json(row["arch"]): {k: float(v) for k, v in row["proxies"].items()} for row in data["reference"]
        }
    except (DataError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return known if data.get("space") == space.fingerprint and known and set(known) <= set(archs) else None
