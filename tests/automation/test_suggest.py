"""Spaces for images and limits, with the evidence."""

from __future__ import annotations

import pytest

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import ENOUGH_STEPS, Fit, at_the_limits, trainable
from vitnas.automation.candidates.pace import Pace
from vitnas.automation.suggest import suggest
from vitnas.errors import SettingsError, UnknownNameError
from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.counting.counts import count
from vitnas.supernets.data import DataSettings

pytestmark = pytest.mark.heavy  # measuring a few steps takes seconds

LIMITS = {"iphone12": 0.6}
SPACES = ("autoformer-mini", "swin", "efficientformerv2")


@pytest.fixture(scope="module")
def found():
    said: list[str] = []
    return suggest(DataSettings("digits"), LIMITS, SPACES, 0.0, said.append), said


def test_each_space_has_an_arch_within_the_limit_or_it_is_said_why_not(found):
    suggestions, said = found
    assert {one.space for one in suggestions} | {line.partition(":")[0] for line in said if "slower" in line} == set(
        SPACES
    )
    assert all(one.ms["iphone12"] <= LIMITS["iphone12"] for one in suggestions)


def test_small_images_are_enlarged_for_spaces_of_many_stages(found):
    sizes = {one.space: one.image_size for one in found[0]}
    assert sizes["autoformer-mini"] == 8
    assert sizes["efficientformerv2"] == 64


def test_counts_are_those_of_the_arch(found):
    one = next(one for one in found[0] if one.space == "autoformer-mini")
    space = load_space(one.space, Task(8, 10, 1))
    [arch] = [arch for arch in uniform_line(space) if arch.id == one.arch_id]
    counts = count(space.lower(arch))
    assert (counts.num_params, counts.macs) == (one.num_params, one.macs)


def test_short_trainings_put_those_that_learnt_most_first():
    found = suggest(DataSettings("digits"), LIMITS, ("autoformer-mini", "deit"), 1.0, lambda text: None)
    losses = [one.loss for one in found]
    assert None not in losses
    assert losses == sorted(losses)  # type: ignore[type-var]
    assert all(one.steps > 0 for one in found)


def test_without_a_limit_there_is_no_question():
    with pytest.raises(SettingsError, match="no limit is given"):
        suggest(DataSettings("digits"), {}, (), 0.0, print)


def test_a_space_that_nobody_has_is_refused():
    with pytest.raises(UnknownNameError, match="efficientformerv2"):
        suggest(DataSettings("digits"), LIMITS, ("efficientformerv9",), 0.0, print)


def test_small_networks_whose_steps_cost_more_than_their_macs_say_are_sought_again(monkeypatch):
    """Half of what a step of the largest costs is spent whatever the arch, as on small maps."""
    clock = Clock({"iphone12": 5.0})
    [largest] = at_the_limits(("autoformer-mini",), Task(8, 10, 1), clock, lambda text: None)
    monkeypatch.setattr(Fit, "pace", property(lambda self: Pace(0.5 + 0.5 * self.macs / largest.macs, False)))
    assert trainable(largest, 2.0 * ENOUGH_STEPS, clock) == largest
    seconds = 0.6 * ENOUGH_STEPS
    found = trainable(largest, seconds, clock)
    assert 0.8 * ENOUGH_STEPS <= seconds / found.pace.step_s <= 1.2 * ENOUGH_STEPS
    smallest = trainable(largest, 0.1 * ENOUGH_STEPS, clock)
    assert smallest.placed.arch == largest.space.smallest()
