"""Widths and reductions of the PVT v2 space."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.search_spaces import Task, load_space


@pytest.mark.parametrize("image_size", [64, 224])
def test_each_stage_reduces_its_map_to_its_map_of_keys(image_size: int) -> None:
    space = load_space("pvtv2", Task(image_size=image_size))
    for arch in space.sample(20, np.random.default_rng(0)):
        genes = dict(arch.genes)
        kind = {"pooled": "pooled_reduction_attention", "convolved": "spatial_reduction_attention"}[genes["reduction"]]
        found = [(site, spec) for site, spec in space.lower(arch).items() if spec.kind.endswith("reduction_attention")]
        assert len(found) == sum(genes[f"depth.s{stage}"] for stage in (1, 2, 3, 4))
        for site, spec in found:
            stage = site[len("stage")]
            assert spec.kind == kind
            assert spec.in_shape[1] == spec["reduction"] * genes[f"keys.s{stage}"]
            assert spec.in_shape[0] == genes["head_width"] * genes[f"heads.s{stage}"]


def test_published_reductions_are_8_4_2_and_1() -> None:
    space = load_space("pvtv2")
    layers = space.lower(space.named("PVTv2-B2"))
    found = [spec["reduction"] for spec in layers if spec.kind == "spatial_reduction_attention"]
    assert found == [8] * 3 + [4] * 4 + [2] * 6 + [1] * 3


def test_the_pooled_form_rectifies_its_feed_forward() -> None:
    space = load_space("pvtv2")
    for name in ("PVTv2-B2", "PVTv2-B2-Li"):
        blocks = [spec for spec in space.lower(space.named(name)) if spec.kind == "conv_feed_forward"]
        assert {spec["rectified"] for spec in blocks} == {name.endswith("Li")}
