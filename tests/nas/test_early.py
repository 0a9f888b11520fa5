"""Evaluations that are stopped early: the front is that of the same archs, had all been evaluated to the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.nas.problem import SMALL, TINY, Score, accuracy, posed
from vitnas.errors import SearchError
from vitnas.nas.early import AT_MOST, SEEN, check_early, least_accuracies
from vitnas.nas.execution.executor import Outcome, SerialExecutor
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.nas.study import Study, database
from vitnas.search_spaces import Arch, SearchSpace

IMAGES, AT_A_TIME = 400, 50
BLIND = SearchSettings(
    evaluations=60, initial=10, batch=10, searcher="random", predictor="none", patience=0, seed=3, measure=False
)
"""A search that asks for the same archs whatever it is told."""


@dataclass
class ByImage:
    """Right or wrong on every image, by the accuracy of the tests' problem; remembers how many images it looked at."""

    space: SearchSpace
    seen: dict[str, int] = field(default_factory=dict)
    most: int | None = None

    def right(self, arch: Arch) -> np.ndarray:
        share = 0.98 - 4 * (0.7 - float(accuracy(self.space.encode([arch]))[0]))
        return np.random.default_rng(int(arch.id, 16)).random(IMAGES) < share

    def __call__(self, arch: Arch) -> dict[str, float]:
        return self.unless_beaten([(arch, 0.0)])[0]

    def unless_beaten(self, tasks: Sequence[tuple[Arch, float]]) -> list[dict[str, float]]:
        return [self._judge(arch, least) for arch, least in tasks]

    def _judge(self, arch: Arch, least: float) -> dict[str, float]:
        if self.most is not None and len(self.seen) >= self.most:
            raise KeyboardInterrupt
        right = self.right(arch)
        for n in range(AT_A_TIME, IMAGES, AT_A_TIME):
            at_most = (IMAGES - int((~right[:n]).sum())) / IMAGES
            if at_most < least:
                self.seen[arch.id] = n
                return {AT_MOST: at_most, SEEN: n}
        self.seen[arch.id] = IMAGES
        return {"accuracy": right.mean()}


class Backwards(SerialExecutor):
    """Ends the last item first, as many workers may."""

    def as_completed(self, function: Callable, items: Sequence) -> Iterator[tuple[int, Outcome]]:
        yield from reversed(list(super().as_completed(function, items)))


def found(folder: Path, settings: SearchSettings, score=None, executor=None, space: SearchSpace = SMALL, **more):
    score = score or ByImage(space)
    settings = replace(
        settings, storage=settings.storage or f"journal:///{folder}.journal"
    )  # SQLite waits for the disk
    return search(posed(space, settings), score, settings, folder, executor=executor, progress=False, **more)


def told(folder: Path) -> dict[str, object]:
    """A front without how it was made."""
    front = json.loads((folder / "front.json").read_text())
    return {name: value for name, value in front.items() if name not in ("seal", "config")}


@given(
    arrays(float, (6,), elements=st.sampled_from([0.25, 0.5, 0.75])),
    arrays(float, (6, 2), elements=st.integers(0, 2).map(float)),
    arrays(float, (4, 2), elements=st.integers(0, 2).map(float)),
)
def test_the_least_accuracy_is_that_of_the_best_arch_that_costs_no_more(accuracies, costs, new) -> None:
    for least, row in zip(least_accuracies(accuracies, costs, new), new, strict=True):
        better = [a for a, c in zip(accuracies, costs, strict=True) if c[0] <= row[0] and c[1] <= row[1]]
        assert least == max(better, default=0.0)


def test_nothing_is_known_before_the_first_arch() -> None:
    assert least_accuracies(np.empty(0), np.empty((0, 1)), np.ones((3, 1))).tolist() == [0, 0, 0]


def test_the_front_is_the_same_and_fewer_images_are_looked_at(tmp_path: Path) -> None:
    whole, early = ByImage(SMALL), ByImage(SMALL)
    found(tmp_path / "whole", BLIND, whole)
    found(tmp_path / "early", replace(BLIND, stop_early=True), early)
    assert told(tmp_path / "early") == told(tmp_path / "whole")
    assert whole.seen.keys() == early.seen.keys()
    assert set(whole.seen.values()) == {IMAGES}
    assert sum(early.seen.values()) < 0.9 * sum(whole.seen.values())


def test_what_a_predictor_asks_for_is_judged_as_if_to_the_end(tmp_path: Path) -> None:
    settings = replace(BLIND, searcher="nsga2", predictor="ridge", population=20, generations=5, stop_early=True)
    early = ByImage(SMALL)
    front = found(tmp_path / "early", settings, early)
    assert min(early.seen.values()) < IMAGES
    archs = [
        Arch.from_json(json.loads(text)) for text in pd.read_parquet(tmp_path / "early/evaluations.parquet")["arch"]
    ]
    whole = found(tmp_path / "whole", replace(BLIND, evaluations=len(archs)), include=archs)
    assert [(p.arch, p.objectives) for p in front.points] == [(p.arch, p.objectives) for p in whole.points]


def test_neither_workers_nor_a_stop_of_the_search_change_anything(tmp_path: Path) -> None:
    settings = replace(BLIND, stop_early=True)
    found(tmp_path / "calm", settings)
    found(tmp_path / "backwards", settings, executor=Backwards())
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path / "killed", settings, ByImage(SMALL, most=33))
    again = ByImage(SMALL)
    found(tmp_path / "killed", settings, again)
    assert len(again.seen) < 60
    for name in ("backwards", "killed"):
        assert (tmp_path / name / "front.json").read_bytes() == (tmp_path / "calm/front.json").read_bytes()
        ours, calm = (
            pd.read_parquet(tmp_path / n / "evaluations.parquet").drop(columns="seconds") for n in (name, "calm")
        )
        pd.testing.assert_frame_equal(ours, calm)


def test_what_was_stopped_says_so_and_is_on_no_front(tmp_path: Path) -> None:
    score = ByImage(SMALL)
    front = found(tmp_path, replace(BLIND, stop_early=True), score)
    rows = pd.read_parquet(tmp_path / "evaluations.parquet").set_index("arch_id")
    stopped = rows[rows["stopped"].notna()]
    assert sorted(stopped.index) == sorted(arch for arch, seen in score.seen.items() if seen < IMAGES)
    assert stopped["accuracy"].isna().all()
    assert not stopped["on_front"].any()
    assert not {point.arch.id for point in front.points} & set(stopped.index)
    assert stopped["stopped"].iloc[0].startswith("accuracy at most 0.")
    log = (tmp_path / "search.log").read_text()
    assert f"0 failed, {len(stopped)} stopped early" in log


def test_archs_that_were_asked_for_by_name_are_evaluated_to_the_end(tmp_path: Path) -> None:
    """Also where the batch that they are in is not the first one any more."""
    settings = replace(BLIND, evaluations=24, batch=2, seconds=1e6, stop_early=True)
    free, named = ByImage(TINY), ByImage(TINY)
    found(tmp_path / "free", settings, free, space=TINY)
    asked = {arch.id: arch for arch in TINY.decode(TINY.genome.enumerate())}
    order = list(free.seen)
    first = next(i for i, arch in enumerate(order) if free.seen[arch] < IMAGES)
    found(tmp_path / "named", settings, named, space=TINY, include=[asked[arch] for arch in order[: first + 1]])
    assert list(named.seen) == order
    assert named.seen[order[first]] == IMAGES
    assert min(named.seen.values()) < IMAGES


def test_a_stop_counts_only_for_who_would_have_stopped_too(tmp_path: Path) -> None:
    """Others may have other limits, so what beat the arch for one search may not be allowed in another."""
    early, whole = ByImage(SMALL), ByImage(SMALL)
    settings = replace(BLIND, storage=database(tmp_path), study="a")
    found(tmp_path, replace(settings, stop_early=True), early)
    stopped = {arch for arch, seen in early.seen.items() if seen < IMAGES}
    front = found(tmp_path, settings, whole)
    assert set(whole.seen) == stopped
    assert [p.arch for p in front.points] == [p.arch for p in ParetoFront.load(tmp_path / "front.json", SMALL).points]
    problem = posed(SMALL, BLIND)
    study = Study(SMALL, problem.objectives, settings.storage, settings.study, problem.origin)
    assert len(study) == 60
    assert all(one.is_whole for one in study)  # read anew, the later trial counts


@pytest.mark.parametrize(
    ("changed", "score", "measured", "why"),
    [
        ({"objectives": ("loss", "latency_ms")}, ByImage(TINY), False, r"evaluates \['loss'\]; leave out stop_early"),
        ({}, ByImage(TINY), True, "measures latencies; give --no-measure"),
        ({}, Score(TINY), False, "needs the supernet of a run"),
    ],
)
def test_what_a_stop_could_make_wrong_is_refused(changed, score, measured, why) -> None:
    with pytest.raises(SearchError, match=why):
        check_early(posed(TINY, replace(BLIND, **changed)), score, measured)
