from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests import warm
from tests.nas.problem import BIG, SMALL, TINY, Score, accuracy, latency, posed, true_front
from vitnas.errors import BusyError, SearchError, SettingsError, UnknownNameError
from vitnas.nas import evaluator
from vitnas.nas.execution.ray import RayExecutor
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.answers import ANSWERS, Answers
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.nas.study import Study
from vitnas.search_spaces import Arch
from vitnas.settings import make_settings

QUICK = SearchSettings(evaluations=40, initial=12, batch=7, population=20, generations=10)


def run(space, folder, settings=QUICK, score=None, executor=None, origin=None):
    fast = replace(settings, storage=settings.storage or f"journal:///{folder}.journal")  # SQLite waits for the disk
    problem = posed(space, fast, origin=origin or {})
    return search(problem, score or Score(space), fast, folder, executor=executor, progress=False)


@dataclass(frozen=True)
class Counted:
    """Keeps a line for every evaluation, in a file that outlives the process."""

    score: Score
    log: Path
    seconds: float = 0.0

    def __call__(self, arch: Arch) -> dict[str, float]:
        time.sleep(self.seconds)
        with self.log.open("a") as file:
            file.write(arch.id + "\n")
        return self.score(arch)


def test_budget_for_the_whole_space_gives_the_exact_front(tmp_path):
    most = float(np.quantile(latency(TINY)(TINY.genome.enumerate()), 0.8))
    front = run(TINY, tmp_path / "a", replace(QUICK, limits={"latency_ms": most}))
    found = {p.arch.id: (p.objectives["accuracy"], p.objectives["latency_ms"]) for p in front.points}
    assert found == true_front(TINY, most)
    feasible = int((latency(TINY)(TINY.genome.enumerate()) <= most).sum())
    assert pq.read_table(tmp_path / "a" / "evaluations.parquet").num_rows == feasible


def test_a_sixth_of_the_evaluations_finds_nearly_all_of_the_front(tmp_path):
    front = run(SMALL, tmp_path / "a", replace(QUICK, evaluations=160, initial=40, batch=20, generations=40))
    truth = true_front(SMALL)
    found = {p.arch.id for p in front.points}
    assert len(truth) >= 20
    assert len(found & set(truth)) >= 0.9 * len(truth)


@pytest.mark.parametrize(("searcher", "predictor"), [("nsga2", "ridge"), ("random", "ridge"), ("nsga2", "none")])
def test_spends_exactly_the_budget_within_the_limit_and_evaluates_nothing_twice(tmp_path, searcher, predictor):
    most = float(np.quantile(latency(SMALL)(SMALL.genome.enumerate()), 0.5))
    score = Counted(Score(SMALL), tmp_path / "log")
    settings = replace(QUICK, limits={"latency_ms": most}, searcher=searcher, predictor=predictor)
    front = run(SMALL, tmp_path / "a", settings, score)
    ids = score.log.read_text().split()
    assert len(ids) == len(set(ids)) == 40
    table = pq.read_table(tmp_path / "a" / "evaluations.parquet").to_pylist()
    assert [row["arch_id"] for row in table] == ids
    assert max(row["latency_ms"] for row in table) <= most
    assert SMALL.smallest().id in ids
    assert {row["arch_id"] for row in table if row["on_front"]} == {p.arch.id for p in front.points}


def test_points_say_where_their_figures_come_from(tmp_path):
    front = run(BIG, tmp_path / "a", origin={"device": "cpu", "supernet": "step-00000010"})
    for point in front.points:
        codes = BIG.encode([point.arch])
        assert point.objectives == {"accuracy": accuracy(codes)[0], "latency_ms": latency(BIG)(codes)[0]}
        assert point.provenance == {"accuracy": "measured", "latency_ms": "table"}
    assert front.config["origin"] == {"device": "cpu", "supernet": "step-00000010"}
    assert front.config["evaluations"] == 40
    assert ParetoFront.load(tmp_path / "a" / "front.json", BIG) == front


@pytest.mark.heavy
def test_seed_and_settings_decide_the_front(tmp_path):
    def bytes_of(name, **changed):
        run(BIG, tmp_path / name, replace(QUICK, **changed))
        return (tmp_path / name / "front.json").read_bytes()

    assert bytes_of("a") == bytes_of("b", workers=8)
    assert bytes_of("a") != bytes_of("c", seed=1)


def test_same_front_in_another_process(tmp_path):
    run(BIG, tmp_path / "a")
    program = (
        "import sys; sys.path.insert(0, '.'); from tests.nas.test_search import *; run(BIG, Path(sys.argv[1]) / 'b')"
    )
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        environment = {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", program, str(tmp_path / seed)], check=True, env=environment)
        assert (tmp_path / seed / "b/front.json").read_bytes() == (tmp_path / "a/front.json").read_bytes()


@pytest.mark.ray
def test_two_workers_give_the_front_of_one_process(tmp_path):
    run(SMALL, tmp_path / "a")
    with RayExecutor(2) as executor:
        run(SMALL, tmp_path / "b", executor=executor)
    assert (tmp_path / "b/front.json").read_bytes() == (tmp_path / "a/front.json").read_bytes()


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_killed_again_and_again_it_ends_with_the_same_front(tmp_path, request, database):
    """With kill -9 at moments that differ."""
    folder, log = tmp_path / "killed", tmp_path / "killed.log"
    storage = f"sqlite:///{folder}.db" if database == "sqlite" else request.getfixturevalue("postgresql")()
    settings = replace(QUICK, evaluations=30)
    run(SMALL, tmp_path / "calm", settings)
    program = (
        "import sys; sys.path.insert(0, '.'); from tests.nas.test_search import *\n"
        "folder, storage = Path(sys.argv[1]), sys.argv[2]\n"
        "score = Counted(Score(SMALL), Path(sys.argv[1] + '.log'), 0.02)\n"
        "run(SMALL, folder, replace(QUICK, evaluations=30, storage=storage), score)"
    )
    kills = 0
    for target in (3, 14, 22, None):
        child = warm.start(program, folder, storage)
        try:
            while child.is_alive() and (target is None or not log.exists() or len(log.read_text().split()) < target):
                time.sleep(0.005)
        finally:
            kills += warm.end(child) == -signal.SIGKILL
    assert child.exitcode == 0
    assert kills == 3
    assert (folder / "front.json").read_bytes() == (tmp_path / "calm/front.json").read_bytes()
    times = Counter(log.read_text().split())
    assert sum(times.values()) <= 30 + kills  # a kill repeats at most what was in work
    import optuna

    from vitnas.nas.study import _storage

    trials = optuna.load_study(study_name="killed", storage=_storage(storage)).trials
    assert Counter(t.user_attrs["arch_id"] for t in trials) == Counter(dict.fromkeys(times, 1))


@pytest.mark.heavy
def test_killed_amid_trivial_scores_it_repeats_nothing_that_was_recorded(tmp_path):
    """Many evaluations are recorded at once, in SQLite in the folder; a kill may come between any two."""
    settings = SearchSettings(evaluations=900, searcher="nsga2", predictor="none", patience=0)
    calm = run(BIG, tmp_path / "calm", settings)
    folder, log = tmp_path / "killed", tmp_path / "killed.log"
    log.touch()
    storage = f"sqlite:///{folder / 'study.db'}"
    program = (
        "import sys; sys.path.insert(0, '.'); from tests.nas.test_search import *\n"
        "folder, storage = Path(sys.argv[1]), sys.argv[2]; folder.mkdir(exist_ok=True)\n"
        "score = Counted(Score(BIG), Path(sys.argv[1] + '.log'))\n"
        "settings = SearchSettings(evaluations=900, searcher='nsga2', predictor='none', patience=0, storage=storage)\n"
        "run(BIG, folder, settings, score)"
    )
    before: set[str] = set()
    since = 0
    for target in (173, 391, None):
        child = warm.start(program, folder, storage)
        try:
            while child.is_alive() and (target is None or len(log.read_text().split()) < target):
                time.sleep(0.001)
        finally:
            code = warm.end(child)
        assert code == (0 if target is None else -signal.SIGKILL)
        begun = log.read_text().split()
        assert not before & set(begun[since:])
        study = Study(BIG, [Objective.named(name) for name in settings.objectives], storage, "killed", {})
        before, since = {evaluation.arch.id for evaluation in study}, len(begun)
        assert before <= set(begun)
        assert len(before) == 900 if target is None else 0 < len(before) < 900
    assert ParetoFront.load(folder / "front.json").points == calm.points


@pytest.mark.parametrize(("at_risk_s", "sizes"), [(10.0, [12, 7, 7, 7, 7]), (0.0, [1] * 40)])
def test_quick_evaluations_are_recorded_together_and_long_ones_at_once(tmp_path, monkeypatch, at_risk_s, sizes):
    recorded, record = [], Study.record

    def counting(self, *evaluations):
        recorded.append(len(evaluations))
        record(self, *evaluations)

    monkeypatch.setattr(evaluator, "AT_RISK_S", at_risk_s)
    monkeypatch.setattr(Study, "record", counting)
    run(SMALL, tmp_path / "a", replace(QUICK, predictor="none"))
    assert recorded == sizes


def test_what_ended_before_an_interruption_is_recorded(tmp_path):
    class Interrupted:
        calls = 0

        def __call__(self, arch):
            self.calls += 1
            if self.calls == 6:
                raise KeyboardInterrupt
            return Score(SMALL)(arch)

    with pytest.raises(KeyboardInterrupt):
        run(SMALL, tmp_path / "a", score=Interrupted())
    log = tmp_path / "log"
    run(SMALL, tmp_path / "a", score=Counted(Score(SMALL), log))
    assert len(log.read_text().split()) == 40 - 5


def test_finished_search_evaluates_nothing_again_and_goes_on_with_a_larger_budget(tmp_path):
    score = Counted(Score(SMALL), tmp_path / "log")
    first = run(SMALL, tmp_path / "a", score=score)
    assert run(SMALL, tmp_path / "a", score=score) == first
    assert len(score.log.read_text().split()) == 40
    run(SMALL, tmp_path / "a", replace(QUICK, evaluations=47 + 7), score)
    ids = score.log.read_text().split()
    assert len(ids) == len(set(ids))


def test_failures_are_recorded_and_the_search_goes_on(tmp_path):
    class Touchy:
        def __init__(self):
            self.calls = Counter()

        def __call__(self, arch):
            self.calls[arch.id] += 1
            if arch["depth"] == 4 and arch["width"] == 80:
                raise RuntimeError("out of memory")
            value = Score(SMALL)(arch)
            return {**value, "accuracy": math.nan} if arch["width"] == 64 else value

    score = Touchy()
    front = run(SMALL, tmp_path / "a", score=score)
    rows = pq.read_table(tmp_path / "a" / "evaluations.parquet").to_pylist()
    errors = Counter(row["error"] and row["error"].split(" (")[0] for row in rows)
    assert errors[None]
    assert errors["RuntimeError: out of memory"]
    assert errors["accuracy is nan"]
    assert sum(errors.values()) == 40
    assert all(p.arch["width"] != 64 for p in front.points)
    calls = score.calls.total()
    assert calls == 40 + 2 * errors["RuntimeError: out of memory"]
    assert run(SMALL, tmp_path / "a", score=score) == front
    assert score.calls.total() == calls  # what failed is not tried again


@dataclass(frozen=True)
class OnImages:
    """Judges archs on 200 images, of which the worse ones fail on those that are hard."""

    score: Score

    def __call__(self, arch: Arch) -> dict[str, float | str]:
        right = np.arange(200) < 200 * self.score(arch)["accuracy"]
        right &= np.random.default_rng(int(arch.id, 16)).random(200) > 0.02
        share = float(right.mean())
        return {"accuracy": share, "accuracy_std": 0.03, ANSWERS: str(Answers.of(right))}


def test_a_search_compares_accuracies_image_by_image_and_recalls_the_answers(tmp_path):
    score = OnImages(Score(SMALL))
    front = run(SMALL, tmp_path / "a", score=score)
    assert [p.answers for p in front.points] == [score(p.arch)[ANSWERS] for p in front.points]
    assert ParetoFront.load(tmp_path / "a" / "front.json", SMALL) == front
    (tmp_path / "a" / "front.json").unlink()
    assert run(SMALL, tmp_path / "a", score=None) == front  # nothing is evaluated again
    blind = replace(front, points=tuple(replace(p, answers="") for p in front.points))
    errors = [f.trade(f.points[0]).error for f in (front, blind)]
    assert errors[0] < 0.9 * errors[1]
    assert ANSWERS not in pq.read_table(tmp_path / "a" / "evaluations.parquet").column_names
    said = (tmp_path / "a" / "search.log").read_text()
    assert f"{len(front.points)} on the front, {len(front.groups())} distinguishable group" in said


def test_an_error_that_all_share_is_kept_by_the_front(tmp_path):
    shared = {"latency_ms": 0.1}
    found = search(posed(SMALL, QUICK, shared_errors=shared), Score(SMALL), QUICK, tmp_path, progress=False)
    assert found.shared == ParetoFront.load(tmp_path / "front.json").shared == shared


def test_answers_that_cannot_be_read_are_refused_after_one_evaluation(tmp_path):
    score = Counted(lambda arch: {"accuracy": 0.5, ANSWERS: "yes"}, tmp_path / "log")
    with pytest.raises(SearchError, match="answers 'yes' are not a number of images and their bits"):
        run(SMALL, tmp_path / "a", score=score)
    assert len(score.log.read_text().split()) == 1


def test_an_error_below_zero_is_no_result(tmp_path):
    with pytest.raises(SearchError, match="the first with: accuracy_std is -1"):
        run(SMALL, tmp_path / "a", score=lambda arch: {"accuracy": 0.5, "accuracy_std": -1.0})


def test_all_evaluations_fail(tmp_path):
    def broken(arch):
        raise RuntimeError("no luck")

    with pytest.raises(SearchError, match="all 40 evaluations failed, the first with: RuntimeError: no luck"):
        run(SMALL, tmp_path / "a", score=broken)


def test_scores_that_never_differ_still_end(tmp_path):
    front = run(SMALL, tmp_path / "a", score=lambda arch: {"accuracy": 0.1})
    assert [p.arch for p in front.points] == [SMALL.smallest()]


def test_bad_input_is_refused_before_any_evaluation(tmp_path):
    def never(arch):
        raise AssertionError("evaluated")

    cases = [
        ({"limits": {"latency_ms": 0.01}}, r"latency_ms <= 0.01 on device 'cpu'.*reach from .* to .*allow at least"),
        ({"limits": {"latency": 1.0}}, "cannot limit 'latency'"),
        ({"searcher": "exhaustive", "predictor": "none"}, "1,793,340 archs"),
        ({"objectives": ("latency_ms",)}, "all come from tables"),
    ]
    for changed, message in cases:
        with pytest.raises(SearchError, match=message):
            run(BIG, tmp_path / "a", replace(QUICK, **changed), never, origin={"device": "cpu"})
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").touch()
    with pytest.raises(BusyError, match="choose another folder"):
        run(BIG, tmp_path / "file", score=never)


def test_unknown_objective_is_refused_after_one_evaluation(tmp_path):
    score = Counted(Score(SMALL), tmp_path / "log")
    with pytest.raises(SearchError, match="objective 'acuracy' is neither .* Did you mean 'accuracy'"):
        run(SMALL, tmp_path / "a", replace(QUICK, objectives=("acuracy", "latency_ms")), score)
    assert len(score.log.read_text().split()) == 1


def test_search_of_another_origin_or_space_is_not_continued(tmp_path):
    run(SMALL, tmp_path / "a", origin={"supernet": "step-1"})
    with pytest.raises(SearchError, match="has origin"):
        run(SMALL, tmp_path / "a", origin={"supernet": "step-2"})
    with pytest.raises(SearchError, match="has fingerprint"):
        run(BIG, tmp_path / "a", origin={"supernet": "step-1"})


def test_two_searches_in_one_folder(tmp_path):
    def nosy(arch):
        with pytest.raises(BusyError, match="another search is at work"):
            run(SMALL, tmp_path / "a")
        return Score(SMALL)(arch)

    run(SMALL, tmp_path / "a", replace(QUICK, evaluations=2), nosy)


def test_files_are_whole_and_alone(tmp_path):
    search(posed(TINY, QUICK), Score(TINY), QUICK, tmp_path / "a", progress=False)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        ".lock",
        "evaluations.parquet",
        "front.json",
        "search.log",
        "study.db",
    ]
    assert json.loads((tmp_path / "a" / "front.json").read_text())["seed"] == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"evaluations": 0}, "evaluations must be at least 1; got 0"),
        ({"batch": 0}, "batch must be at least 1; got 0"),
        ({"evaluation": 10}, "unknown key 'evaluation'.*Did you mean 'evaluations'"),
        ({"evaluations": "many"}, "evaluations"),
        ({"limits": {"latency_ms": -1.0}}, "limits.latency_ms must be more than 0; got -1"),
        ({"limits": {"latency_ms": "fast"}}, "limits.latency_ms must be a number; got 'fast'"),
        ({"objectives": []}, "at least one"),
        ({"objectives": ["accuracy", "accuracy"]}, "each once"),
    ],
)
def test_settings_are_checked(values, message):
    with pytest.raises(SettingsError, match=message):
        make_settings(SearchSettings, values, "[search]")


def test_unknown_searcher_and_predictor():
    with pytest.raises(UnknownNameError, match="Did you mean 'nsga2'"):
        SearchSettings(searcher="nsag2")
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        SearchSettings(predictor="rigde")
