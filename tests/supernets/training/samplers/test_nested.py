from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vitnas.search_spaces import load_space
from vitnas.supernets.training.samplers.nested import Nested


def test_matformer_trains_exactly_its_published_networks() -> None:
    space = load_space("matformer-tiny")
    archs = [lesson.arch for lesson in Nested(space, 0).plan(0)]
    assert archs == [space.named(name) for name in space.published()]


def test_only_what_keeps_layers_and_maps_is_cut() -> None:
    space = load_space("elasticvit")
    small, *_, large = Nested(space, 0).archs
    assert large == space.largest()
    for gene in space.all_genes:
        kept = gene.name == "resolution" or gene.name.startswith("depth")
        # Widths may not shrink along the network, and the smallest of each stage do not.
        assert small[gene.name] == (gene.choices[-1] if kept else gene.choices[0])
    assert len(space.lower(small)) == len(space.lower(large))


def test_one_granularity_a_step_with_its_probability() -> None:
    space = load_space("matformer-tiny")
    sampler = Nested(space, 0, mix="one", shares=(0.4, 0.3, 0.2, 0.1))
    drawn = Counter(lesson.arch for step in range(3000) for lesson in sampler.plan(step))
    assert [drawn[arch] / 3000 for arch in sampler.archs] == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.04)


def test_granularities_that_are_the_same_network_are_trained_once() -> None:
    space = load_space("autoformer-mini").restrict(width=(64,), heads=(4,), mlp_ratio=(2.0, 4.0))
    lessons = Nested(space, 0, granularities=5).plan(0)
    assert [set(np.ravel(lesson.arch["mlp_ratio"])) for lesson in lessons] == [{2.0}, {4.0}]
