"""What a search is held against: archs that nobody searched for, evaluated by the same judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitnas.errors import SearchError
from vitnas.nas.objectives import Objective
from vitnas.nas.problem import Problem
from vitnas.search_spaces import Arch
from vitnas.search_spaces.answers import metrics
from vitnas.search_spaces.uniform import uniform_line

WORTHS = (*metrics(), "loss", "score")


def weighed(objectives: Sequence[Objective]) -> tuple[str, str, int]:
    """The cost and the worth that a front weighs, and 1 if more worth is better, or -1; refuses objectives without both."""
    directions = {one.name: one.direction for one in objectives}
    worths = [name for name in directions if name in WORTHS]
    costs = [name for name in directions if name not in WORTHS]
    if not worths or not costs:
        raise SearchError(
            f"baselines are compared by {', '.join(WORTHS)} at equal cost, and this search weighs {', '.join(directions)}; "
            f"name a cost and one of these with --objective"
        )
    return costs[0], worths[0], 1 if directions[worths[0]] == "maximise" else -1


def unsearched(problem: Problem, n: int, seed: int) -> dict[str, Arch]:
    """Name -> arch within the limits: the space scaled uniformly in `n` even steps, and `n` random archs.

    Random archs over a limit are made cheaper until they keep it.
    """
    space = problem.space
    line = space.encode(uniform_line(space))
    line = line[problem.limits.allow(line)]
    even = np.unique(np.linspace(0, len(line) - 1, min(n, len(line))).round().astype(int))
    rng = np.random.default_rng([seed, 11])
    drawn = problem.limits.repair(space.genome.sample(n, rng), rng)
    found = {f"uniform {arch.id}": arch for arch in space.decode(line[even])}
    return found | {f"random {arch.id}": arch for arch in space.decode(drawn) if f"uniform {arch.id}" not in found}
