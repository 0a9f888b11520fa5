"""A training is judged on its way so often that it costs a twentieth, and in the end on all images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.search_spaces import load_space
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import load_dataset
from vitnas.supernets.evaluation import cut_out, evaluate, landmarks
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.judging import FORWARD, IMAGES, MOST, SHARE, judge, steps_between
from vitnas.supernets.training.samplers import Lesson


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@given(
    batch_size=st.integers(8, 512), num_steps=st.integers(1, 100_000), parts=st.integers(1, 4), passes=st.integers(1, 4)
)
def test_it_costs_its_share_and_no_more(digits, batch_size, num_steps, parts, passes):
    space = load_space("autoformer-mini", digits.task)
    archs = list(landmarks(space).values())
    lessons = [Lesson(archs[0], part=(0, parts))] * passes
    every = steps_between(space, archs, lessons, digits, batch_size, num_steps)
    macs = PopulationCounter(space)(space.encode(archs)).macs
    judged = range(every, num_steps, every)
    on_the_way = FORWARD * (len(digits.val) + 4 * 64) * macs.sum()
    last = FORWARD * (len(digits.val) + min(16 * 64, len(digits.train))) * macs.sum()
    allowed = SHARE * num_steps * batch_size * passes / parts * macs.mean()
    left = max(allowed - last, allowed / 2)
    assert len(judged) * on_the_way <= left * (1 + 1e-9)
    assert len(judged) < MOST
    more = len(judged) + 1  # as often as that allows
    assert more == MOST or more * on_the_way >= left * (1 - 1e-9) or -(-num_steps // (more + 1)) == every


def test_at_the_end_all_images_decide(digits):
    space = load_space("autoformer-mini", digits.task)
    net, archs = Supernet(space), landmarks(space)
    whole = judge(net, archs, digits, whole=True)
    assert list(whole) == list(archs)
    assert whole["middle"] == evaluate(cut_out(net, archs["middle"], digits.train), digits.val)
    few = judge(net, archs, digits, whole=False)
    assert {one.num_images for one in few.values()} == {min(IMAGES, len(digits.val))}
