from __future__ import annotations

from vitnas.search_spaces import load_space
from vitnas.supernets.training.samplers.sandwich import Sandwich

SPACE = load_space("autoformer-mini")


def test_the_largest_teaches_the_smallest_and_the_random_ones() -> None:
    lessons = Sandwich(SPACE, seed=0, num_steps=10, num_random=3, label_share=0.0).plan(7)
    assert len(lessons) == 5
    assert lessons[0].arch == SPACE.largest()
    assert lessons[1].arch == SPACE.smallest()
    assert lessons[0].teachers == ()
    assert {lesson.teachers for lesson in lessons[1:]} == {(0,)}


def test_without_random_archs_the_ends_remain() -> None:
    assert [x.arch for x in Sandwich(SPACE, 0, num_steps=10, num_random=0).plan(3)] == [
        SPACE.largest(),
        SPACE.smallest(),
    ]


def test_at_first_all_learn_from_labels() -> None:
    sampler, published = (Sandwich(SPACE, 0, num_steps=10, label_share=share) for share in (0.5, 0.0))
    assert not any(lesson.teachers for lesson in sampler.plan(4))
    assert [lesson.teachers for lesson in sampler.plan(5)] == [(), (0,), (0,), (0,)]
    assert [lesson.arch for lesson in sampler.plan(4)] == [lesson.arch for lesson in published.plan(4)]


def test_pupils_may_learn_by_the_alpha_divergence() -> None:
    lessons = Sandwich(SPACE, 0, num_steps=10, label_share=0.0, distil="alpha").plan(0)
    assert [lesson.loss for lesson in lessons] == ["soft", "alpha", "alpha", "alpha"]
