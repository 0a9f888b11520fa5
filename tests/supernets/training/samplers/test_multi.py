from __future__ import annotations

import numpy as np

from vitnas.search_spaces import load_space
from vitnas.supernets.training.samplers.multi import Multi

SPACE = load_space("autoformer-mini")


def test_archs_share_the_batch_in_equal_parts() -> None:
    lessons = Multi(SPACE, 0, num_steps=10, num_archs=3).plan(9)
    assert [lesson.part for lesson in lessons] == [(0, 3), (1, 3), (2, 3)]
    assert not any(lesson.teachers for lesson in lessons)
    assert len({lesson.arch for lesson in lessons}) == 3


def test_the_warm_up_allows_ever_more_choices_as_published() -> None:
    epochs, warmup, per_epoch = 120, 30, 40
    sampler = Multi(SPACE, 0, num_steps=epochs * per_epoch, warmup=warmup / epochs)
    for k in (1, 2, 3, 5, 9):
        allowed = [sampler.num_allowed(k, epoch * per_epoch) for epoch in range(epochs)]
        assert allowed == [min(k, 1 + epoch * (k - 1) // warmup) for epoch in range(epochs)]
    assert Multi(SPACE, 0, num_steps=10, warmup=0.0).num_allowed(4, 0) == 4


def test_the_largest_choices_come_first() -> None:
    sampler = Multi(SPACE, 0, num_steps=400, warmup=0.5)
    assert {lesson.arch for lesson in sampler.plan(0)} == {SPACE.largest()}
    half = [lesson.arch for step in range(100, 110) for lesson in sampler.plan(step)]
    assert {arch["width"] for arch in half} == {64, 80}
    late = [lesson.arch for step in range(200, 260) for lesson in sampler.plan(step)]
    assert {arch["width"] for arch in late} == {48, 64, 80}
    expected = SPACE.sample(2, np.random.default_rng([0, 1, 250, 0]))
    assert [lesson.arch for lesson in sampler.plan(250)] == expected


def test_tokens_are_left_out_little_by_little() -> None:
    """The warm-up of keep rates: nothing goes at first, and later ever more."""
    space = load_space("staged-vit")
    sampler = Multi(space, 0, num_steps=400, num_archs=16, warmup=0.5)

    def least_share(step: int) -> float:
        archs = [dict(lesson.arch.genes) for lesson in sampler.plan(step)]
        assert all((arch["reducer"] == "none") == ("tokens.s4" not in arch and "grid.s4" not in arch) for arch in archs)
        return min(float(arch.get("tokens.s4", arch.get("grid.s4", 1.0))) for arch in archs)  # type: ignore[arg-type]

    assert least_share(0) == 1.0
    assert least_share(45) >= 0.531
    assert least_share(300) < 0.3


def test_places_that_are_kept_to_fewer_choices_keep_to_them() -> None:
    part = SPACE.restrict(**{"mlp_ratio[0]": (2.0, 3.0), "width": (48, 64)})
    sampler = Multi(part, 0, num_steps=100, warmup=0.5)
    for step in range(0, 100, 5):
        for lesson in sampler.plan(step):
            assert part.check(lesson.arch) == lesson.arch
    assert {lesson.arch for lesson in sampler.plan(0)} == {part.largest()}
