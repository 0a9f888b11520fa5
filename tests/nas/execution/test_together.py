"""Several archs at once: the same figures, each arch once, and one by one where a group fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.nas.problem import SMALL
from vitnas.nas.execution.executor import SerialExecutor
from vitnas.nas.execution.together import scored
from vitnas.search_spaces import Arch


@dataclass
class Grouped:
    """The number of calls so far; fails for groups that hold `bad`, and alone for it."""

    bad: Arch | None = None
    at_once: int = 3
    groups: list[int] = field(default_factory=list)
    alone: int = 0

    def __call__(self, arch: Arch) -> dict[str, float | str]:
        self.alone += 1
        if arch == self.bad:
            raise ValueError("this arch is bad")
        return {"accuracy": float(len(arch.id))}

    def together(self, archs: Sequence[Arch]) -> list[dict[str, float | str]]:
        if self.bad in archs:
            raise ValueError("one of these archs is bad")
        self.groups.append(len(archs))
        return [{"accuracy": float(len(arch.id))} for arch in archs]


@pytest.fixture(scope="module")
def archs() -> list[Arch]:
    return SMALL.sample(8, np.random.default_rng(0))


def test_each_arch_is_scored_once_in_groups(archs: list[Arch]) -> None:
    score = Grouped()
    found = dict(scored(SerialExecutor(), score, archs))
    assert score.groups == [3, 3, 2]
    assert score.alone == 0
    assert sorted(found) == list(range(8))
    assert [found[i].get() for i in range(8)] == [{"accuracy": float(len(arch.id))} for arch in archs]


def test_an_arch_that_fails_takes_no_other_with_it(archs: list[Arch]) -> None:
    found = dict(scored(SerialExecutor(), Grouped(bad=archs[4]), archs))
    assert sorted(found) == list(range(8))
    assert [i for i, outcome in found.items() if outcome.error is not None] == [4]
    assert "this arch is bad" in str(found[4].error)


def test_one_by_one_where_each_may_take_only_so_long(archs: list[Arch]) -> None:
    executor, score = SerialExecutor(), Grouped()
    executor.timeout_s = 10.0
    found = dict(scored(executor, score, archs))
    assert (score.groups, score.alone, len(found)) == ([], 8, 8)
