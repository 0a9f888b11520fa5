"""When the samplers whose lessons teach one another begin to do so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import SettingsError
from vitnas.search_spaces import load_space
from vitnas.supernets.training.samplers.options import make_sampler
from vitnas.supernets.training.samplers.sandwich import Sandwich

SPACE = load_space("autoformer-mini").restrict(depth=(3, 4))
TAUGHT = ("complexity", "pareto", "performance", "sandwich")
QUICK = {"complexity": {"tabulated": 50}, "pareto": {"tabulated": 50}, "performance": {"tabulated": 50}, "sandwich": {}}
NUM_STEPS = 40


def taught_at(name: str, **options: Any) -> list[int]:
    """The steps of a training in which any lesson has a teacher."""
    sampler = make_sampler(name, SPACE, 0, QUICK[name] | options, 10, NUM_STEPS)
    return [step for step in range(NUM_STEPS) if any(lesson.teachers for lesson in sampler.plan(step))]


@pytest.mark.parametrize("name", TAUGHT)
@pytest.mark.parametrize("share", [0.0, 0.25, 0.3, 1.0])
def test_the_share_of_the_training_that_is_told_learns_from_labels_alone(name: str, share: float) -> None:
    assert taught_at(name, label_share=share) == list(range(round(share * NUM_STEPS), NUM_STEPS))


@pytest.mark.parametrize("name", TAUGHT)
def test_unless_told_otherwise_nobody_is_taught(name: str) -> None:
    assert taught_at(name) == []


@pytest.mark.parametrize("name", TAUGHT)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_number_of_steps_wins_over_a_share(name: str, share: float) -> None:
    assert taught_at(name, label_steps=7, label_share=share) == list(range(7, NUM_STEPS))
    assert taught_at(name, label_steps=0, label_share=share) == list(range(NUM_STEPS))


@given(share=st.floats(0, 1), num_steps=st.integers(1, 10_000), step=st.integers(0, 10_000))
def test_teaching_begins_where_the_share_ends(share: float, num_steps: int, step: int) -> None:
    lessons = Sandwich(SPACE, 0, num_steps=num_steps, num_random=0, label_share=share).plan(step)
    assert [lesson.teachers for lesson in lessons] == [(), () if step < share * num_steps else (0,)]


@pytest.mark.parametrize("name", TAUGHT)
def test_shares_and_steps_that_cannot_be_are_refused(name: str) -> None:
    for options, message in (
        ({"label_share": 1.1}, f"sampler '{name}': label_share must be from 0 to 1; got 1.1"),
        ({"label_steps": -1}, f"sampler '{name}': label_steps must be at least 0, or left out; got -1"),
    ):
        with pytest.raises(SettingsError, match=message):
            make_sampler(name, SPACE, 0, options, 10, NUM_STEPS)
