"""The contract of every registered sampler."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from vitnas.errors import SettingsError
from vitnas.search_spaces import SPACES, SearchSpace, load_space
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.samplers import SAMPLERS, Lesson, Sampler
from vitnas.supernets.training.samplers.options import make_sampler

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"
CHEAP = ["autoformer-mini", "matformer-tiny", *sorted(map(str, EXAMPLES.glob("own_space.*")))]
AGREEING = ("complexity", "nested", "pareto", "performance")
"""Samplers whose ranks train the same archs by default."""
QUICK: dict[str, dict[str, Any]] = {
    "complexity": {"tabulated": 200, "label_share": 0.02},
    "constrained": {"tabulated": 100},
    "nested": {"mix": "one"},
    "pareto": {"tabulated": 100, "label_share": 0.02},
    "performance": {"tabulated": 200, "label_share": 0.02, "capacity": 4},
    "sandwich": {"label_share": 0.02},
}
SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tests.supernets.training.samplers.test_samplers import plans, make
from vitnas.supernets.training.samplers import SAMPLERS
print(json.dumps({n: [[l.arch.id for l in plan] for plan in plans(make(n), 4)] for n in SAMPLERS}))
"""


@lru_cache
def space(name: str) -> SearchSpace:
    return load_space("autoformer-mini").restrict(depth=(3, 4)) if name == "small" else load_space(name)


def make(name: str, seed: int = 5, of: str = "small") -> Sampler:
    return make_sampler(name, space(of), seed, QUICK.get(name, {}), steps_per_epoch=10, num_steps=100)


def pretended_loss(lesson_arch: Any, step: int) -> float:
    """A loss that depends on arch and step as a real one does, and is the same everywhere."""
    return (int(lesson_arch.id, 16) * (step + 1) % 9973) / 9973


def take(sampler: Sampler, step: int, rank: int = 0) -> tuple[Lesson, ...]:
    """One step as the training makes it."""
    asked = sampler.audition(step)
    if asked:
        sampler.hear(step, {arch: pretended_loss(arch, step) for arch in asked})
    lessons = sampler.plan(step, rank)
    sampler.observe(step, lessons, [pretended_loss(lesson.arch, step) for lesson in lessons])
    return lessons


def plans(sampler: Sampler, until: int, since: int = 0, rank: int = 0) -> list[tuple[Lesson, ...]]:
    return [take(sampler, step, rank) for step in range(since, until)]


def check_contract(name: str, of: str) -> None:
    sampler = make(name, of=of)
    planned = plans(sampler, 12)
    assert all(space(of).why_invalid(arch) is None for arch in sampler.audition(12))
    for lessons in planned:
        assert lessons
        for i, lesson in enumerate(lessons):
            assert space(of).why_invalid(lesson.arch) is None
            assert all(0 <= teacher < i for teacher in lesson.teachers)
            assert lesson.loss in ("soft", "alpha")
            assert 0 <= lesson.part[0] < lesson.part[1]
    assert plans(make(name, of=of), 12) == planned


@pytest.mark.heavy
@pytest.mark.parametrize("of", CHEAP, ids=lambda of: Path(of).name)
@pytest.mark.parametrize("name", SAMPLERS.names())
def test_it_plans_for_the_space(name: str, of: str) -> None:
    check_contract(name, of)


@pytest.mark.slow
@pytest.mark.parametrize("of", [name for name in SPACES if name not in CHEAP])
def test_they_plan_for_every_space(of: str) -> None:
    for name in SAMPLERS:
        check_contract(name, of)


@pytest.mark.parametrize("of", SPACES.names())
def test_the_default_takes_every_space_through_its_warm_up(of: str) -> None:
    default = TrainSettings()
    sampler = make_sampler(default.sampler, space(of), 0, default.sampler_options, steps_per_epoch=10, num_steps=40)
    planned = plans(sampler, 40)
    assert {lesson.arch for lesson in planned[0]} == {space(of).largest()}
    for lessons in planned:
        assert sorted(lesson.part for lesson in lessons) == [(0, 2), (1, 2)]
        assert all(space(of).why_invalid(lesson.arch) is None for lesson in lessons)
    assert len({lesson.arch for lessons in planned[10:] for lesson in lessons}) > 20


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_a_plan_follows_from_seed_and_step(name: str) -> None:
    forwards, backwards, other = make(name), make(name), make(name, seed=6)
    planned = [forwards.plan(step) for step in range(30)]
    assert [backwards.plan(step) for step in reversed(range(30))] == planned[::-1]
    assert ([other.plan(step) for step in range(30)] == planned) == (name == "single")
    assert (len(set(planned)) > 2) == (name != "single")


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_interrupted_it_plans_as_if_it_had_not_been(name: str) -> None:
    whole = make(name)
    undisturbed = plans(whole, 60)
    sampler, resumed = make(name), []
    for since, until in ((0, 13), (13, 14), (14, 41), (41, 60)):
        resumed += plans(sampler, until, since)
        state = json.loads(json.dumps(sampler.state()))
        sampler = make(name)
        sampler.load_state(state)
    assert resumed == undisturbed
    assert sampler.state() == whole.state()


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_ranks_agree_where_they_must(name: str) -> None:
    options = {} if name == "nested" else QUICK.get(name, {})
    worlds = [make_sampler(name, space("small"), 5, options, 10, 100) for _ in range(3)]
    of_rank = [plans(sampler, 30, rank=rank) for rank, sampler in enumerate(worlds)]
    assert (of_rank[0] == of_rank[1] == of_rank[2]) == (name in (*AGREEING, "single"))
    assert [lesson.part for plan in of_rank[0] for lesson in plan] == [x.part for plan in of_rank[1] for x in plan]


def test_another_process_plans_the_same() -> None:
    root = str(Path(__file__).parents[4])
    done = subprocess.run([sys.executable, "-c", SCRIPT, root], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        name: [[lesson.arch.id for lesson in plan] for plan in plans(make(name), 4)] for name in SAMPLERS
    }


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sandwhich", {}, "no sampler named 'sandwhich'.*Did you mean 'sandwich'"),
        ("uniform", {"n": 1}, "sampler 'uniform' has no option 'n'; there are none"),
        ("multi", {"num_step": 3}, r"no option 'num_step'; have \[num_archs, warmup\]"),
        ("multi", {"num_steps": 3}, r"no option 'num_steps'; have \[num_archs, warmup\]"),
        ("sandwich", {"num_random": "two"}, "sampler 'sandwich': num_random must be a whole number; got 'two'"),
        ("sandwich", {"num_random": True}, "must be a whole number; got True"),
        ("sandwich", {"num_random": -1}, "num_random must be at least 0; got -1, change it"),
        ("sandwich", {"distil": "hard"}, r"sampler 'sandwich': distil cannot be 'hard'; have \[soft, alpha\]"),
        ("multi", {"num_archs": 0}, "num_archs must be at least 1"),
        ("multi", {"warmup": 1.5}, "sampler 'multi': warmup must be from 0 to 1; got 1.5"),
        ("complexity", {"num_random": 0}, "num_random must be at least 1; got 0"),
        ("complexity", {"band_width": 0.0}, "band_width must be more than 0; got 0.0"),
        ("complexity", {"levels": 0}, "levels must be a number of them, at least 1"),
        ("complexity", {"levels": [3e6, 2e6]}, "or rising MACs from"),
        ("complexity", {"levels": [1e6, 9e9]}, "which the space reaches"),
        ("complexity", {"levels": [924_001.0], "band_width": 2.0}, "found no arch.*move that level"),
        ("performance", {"capacity": 0}, "capacity must be at least 1"),
        ("performance", {"exploit_last": 2.0}, "exploit_last must be from 0 to 1; got 2.0"),
        ("constrained", {"groups": 0}, "groups must be at least 1"),
        ("pareto", {"candidates": 0}, "candidates must be at least 1"),
        ("nested", {"granularities": 0}, "at least 1; got 0"),
        ("nested", {"mix": "one", "shares": [0.5, 0.2]}, "a probability for each of 4"),
        ("nested", {"shares": [0.25, 0.25, 0.25, 0.25]}, 'shares are for mix = "one"'),
    ],
)
def test_options_that_cannot_be_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_sampler(name, space("small"), 0, options, 10, 100)
