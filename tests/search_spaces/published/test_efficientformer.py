"""EfficientFormer and EfficientFormerV2 against closed formulas, with and without a teacher's head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracle import closed_forms, needs_oracle
from vitnas.errors import InvalidArchError, SpaceError
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.search_spaces.published.efficientformer import efficientformer
from vitnas.search_spaces.published.efficientformerv2 import efficientformerv2
from vitnas.supernets.counting.counts import count


def _per_stage(arch: Arch, gene: str) -> list[Any]:
    return [arch[f"{gene}.s{stage}"] for stage in range(1, 5)]


def _some(space: SearchSpace) -> list[Arch]:
    return [space.smallest(), space.largest(), *space.sample(6, np.random.default_rng(0))]


@needs_oracle
@pytest.mark.parametrize("distilled", [True, False])
def test_random_archs_count_as_the_closed_form_says(distilled: bool) -> None:
    space = efficientformer(distilled=distilled)
    for arch in _some(space):
        found = count(space.lower(arch))
        expected = closed_forms().ef_v1(
            _per_stage(arch, "width"), _per_stage(arch, "depth"), arch["attention"], distilled
        )
        assert (found.num_params, found.macs) == expected


@pytest.mark.heavy
@needs_oracle
@pytest.mark.parametrize("distilled", [True, False])
def test_random_archs_of_the_second_version_count_as_the_closed_form_says(distilled: bool) -> None:
    space = efficientformerv2(distilled=distilled)
    for arch in _some(space):
        found = count(space.lower(arch))
        genes = [_per_stage(arch, gene) for gene in ("width", "depth", "expansion")]
        expected = closed_forms().ef_v2(*genes, arch["attention"], distilled)
        assert (found.num_params, found.macs) == expected


@pytest.mark.parametrize("make", [efficientformer, efficientformerv2])
def test_published_archs_count_without_the_teachers_head_too(make: Any) -> None:
    space = make(distilled=False)
    known = {
        "EfficientFormer-L1": 11_840_928,
        "EfficientFormer-L3": 30_893_000,
        "EfficientFormer-L7": 81_460_328,
        "EfficientFormerV2-S0": 3_423_256,
        "EfficientFormerV2-S1": 5_960_560,
        "EfficientFormerV2-S2": 12_421_112,
        "EfficientFormerV2-L": 25_937_288,
    }
    for name, published in space.published().items():
        found = count(space.lower(space.named(name)))
        assert found.num_params == published.num_params == known[name]
        assert found.macs == published.macs


@pytest.mark.parametrize("name", ["efficientformer", "efficientformerv2"])
def test_attention_stands_in_the_last_blocks(name: str) -> None:
    space = load_space(name)
    for arch in space.sample(20, np.random.default_rng(1)):
        wanted = {f"stage4_block{b}" for b in range(arch["depth.s4"] - arch["attention"], arch["depth.s4"])}  # type: ignore[operator]
        kinds = ("offset_attention", "talking_attention")
        found = {s.rpartition("_")[0] for s, spec in space.lower(arch).items() if spec.kind in kinds and "stage4" in s}
        assert found == wanted


def test_more_attention_than_blocks_is_refused() -> None:
    space = load_space("efficientformer")
    genes = {**dict(space.named("EfficientFormer-L3").genes), "attention": 7}
    with pytest.raises(InvalidArchError, match=r"depth\.s4.*cannot be 6 while 'attention' is 7"):
        space.arch(**genes)


@pytest.mark.parametrize("name", ["efficientformer", "efficientformerv2", "tinyvit", "nextvit"])
def test_images_that_leave_a_single_place_are_refused(name: str) -> None:
    with pytest.raises(SpaceError, match=r"side 32 leaves a single place.*33 or more"):
        load_space(name, Task(image_size=32)).lowering  # noqa: B018
