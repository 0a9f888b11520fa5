from __future__ import annotations

from collections import Counter

from vitnas.search_spaces import load_space
from vitnas.supernets.training.samplers.uniform import Uniform


def test_one_arch_a_step_each_choice_equally_often() -> None:
    space = load_space("autoformer-mini")
    sampler = Uniform(space, seed=0)
    plans = [sampler.plan(step) for step in range(2000)]
    assert {len(lessons) for lessons in plans} == {1}
    assert not any(lesson.teachers for (lesson,) in plans)
    for gene, choices in (("width", 3), ("depth", 4)):
        counts = Counter(dict(lesson.arch.genes)[gene] for (lesson,) in plans)
        expected = 2000 / choices
        # Five standard deviations of a binomial count.
        assert all(abs(n - expected) < 5 * (expected * (1 - 1 / choices)) ** 0.5 for n in counts.values())
        assert len(counts) == choices
