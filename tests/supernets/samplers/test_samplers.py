"""The contract of every registered sampler."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from vitnas.search_spaces import load_space
from vitnas.supernets.samplers import SAMPLERS, Sampler, make_sampler

SPACE = load_space("autoformer-mini")
SCRIPT = """
import json, sys
from vitnas.search_spaces import load_space
from vitnas.supernets.samplers import SAMPLERS, make_sampler
space = load_space("autoformer-mini")
made = {n: make_sampler(n, space, 5, {}, 10, 100) for n in SAMPLERS}
print(json.dumps({n: [[l.arch.id for l in s.plan(i)] for i in range(4)] for n, s in made.items()}))
"""


def make(name: str, seed: int = 5) -> Sampler:
    return make_sampler(name, SPACE, seed, {}, steps_per_epoch=10, num_steps=100)


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_lessons_are_archs_of_the_space_and_teachers_come_first(name: str) -> None:
    sampler = make(name)
    for step in range(20):
        lessons = sampler.plan(step)
        assert lessons
        for i, lesson in enumerate(lessons):
            assert SPACE.why_invalid(lesson.arch) is None
            assert all(0 <= teacher < i for teacher in lesson.teachers)


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_a_plan_follows_from_seed_and_step(name: str) -> None:
    forwards = [make(name).plan(step) for step in range(8)]
    sampler = make(name)
    assert [sampler.plan(step) for step in reversed(range(8))] == forwards[::-1]
    assert [make(name, seed=6).plan(step) for step in range(8)] != forwards
    assert len(set(forwards)) > 4


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_state_is_json_and_restores_the_sampler(name: str) -> None:
    old, new = make(name), make(name)
    for step in range(5):
        lessons = old.plan(step)
        old.observe(step, lessons, [1.0] * len(lessons))
    new.load_state(json.loads(json.dumps(old.state())))
    assert new.plan(5) == old.plan(5)


def test_another_process_plans_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    elsewhere = json.loads(done.stdout)
    assert elsewhere == {n: [[x.arch.id for x in make(n).plan(i)] for i in range(4)] for n in SAMPLERS}
