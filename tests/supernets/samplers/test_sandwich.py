from __future__ import annotations

from vitnas.search_spaces import load_space
from vitnas.supernets.samplers.sandwich import Sandwich

SPACE = load_space("autoformer-mini")


def test_the_largest_teaches_the_smallest_and_the_random_ones() -> None:
    lessons = Sandwich(SPACE, seed=0, num_random=3).plan(7)
    assert len(lessons) == 5
    assert lessons[0].arch == SPACE.largest()
    assert lessons[1].arch == SPACE.smallest()
    assert lessons[0].teachers == ()
    assert {lesson.teachers for lesson in lessons[1:]} == {(0,)}


def test_without_random_archs_the_ends_remain() -> None:
    assert [x.arch for x in Sandwich(SPACE, 0, 0).plan(3)] == [SPACE.largest(), SPACE.smallest()]
