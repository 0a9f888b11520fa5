"""The space `mixers`: what each stage offers, chains at 224 and 32 px, sharing, and bad image sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import OFF, LayerSpec, Task, load_space
from vitnas.search_spaces.published.mixer_choices import MIXERS
from vitnas.search_spaces.published.mixers import Pyramid
from vitnas.supernets.counting.counts import count_layer

SMALL = Task(image_size=32, num_classes=10)


def pyramid(task: Task = Task()) -> Pyramid:
    space = load_space("mixers", task)
    assert isinstance(space, Pyramid)
    return space


def test_every_mixer_stands_somewhere_at_both_sizes() -> None:
    for task in (Task(), SMALL):
        space = pyramid(task)
        assert {name for stage in range(1, 5) for name in space.mixers(stage)} == set(MIXERS)


def test_maps_halve_from_stage_to_stage() -> None:
    assert [pyramid().side(stage) for stage in range(1, 5)] == [56, 28, 14, 7]
    assert [pyramid(SMALL).side(stage) for stage in range(1, 5)] == [16, 8, 4, 2]


def test_a_stage_offers_only_what_its_map_allows() -> None:
    space = pyramid()
    assert "attention" not in space.mixers(1)
    assert "attention" in space.mixers(2)
    assert "shifted_window" not in space.mixers(4)  # the window is the map
    for stage in range(1, 5):
        for name in space.mixers(stage):
            for width in space.width[stage - 1]:
                spec = MIXERS[name](width, space.side(stage))
                assert spec is not None
                attrs = dict(spec.attrs)
                for divisor in ("window", "reduction", "stripe", "grid"):
                    assert space.side(stage) % int(attrs.get(divisor, 1)) == 0, (name, stage)


@pytest.mark.parametrize("size", [32, 48, 64, 96, 128, 160, 192, 224, 256, 384])
def test_sampled_archs_are_chains_of_fitting_layers(size: int) -> None:
    space = pyramid(Task(image_size=size, num_classes=10))
    for arch in space.sample(20, np.random.default_rng(0)):
        blueprint = space.lower(arch)  # checks that shapes chain
        assert blueprint.in_shape == (3, size, size)
        assert blueprint.out_shape == (10,)
    space.lowering.specs_at()


def test_a_convnext_block_has_no_ffn_gene() -> None:
    space = pyramid()
    codes = space.genome.sample(200, np.random.default_rng(0))
    names = [column.name for column in space.columns]
    mixer, ffn = names.index("mixer.s3[0]"), names.index("ffn.s3[0]")
    is_convnext = codes[:, mixer] == space.columns[mixer].choices.index("convnext")
    assert is_convnext.any()
    assert (codes[is_convnext, ffn] == OFF).all()
    assert (codes[~is_convnext, ffn] != OFF).all()
    sites = space.lower(space.decode(codes[is_convnext][:1])[0]).sites
    assert "s3_block0_convnext" in sites
    assert not {"s3_block0_mixer", "s3_block0_ffn"} & set(sites)


def test_an_image_size_that_does_not_halve_often_enough_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"image size 200 .* multiple of 32.*nearest that is: 192"):
        pyramid(Task(image_size=200)).genes()
    with pytest.raises(SpaceError, match="at least 32"):
        pyramid(Task(image_size=16)).genes()


def test_lookups_choose_their_compressed_tokens() -> None:
    task = Task(image_size=64, num_classes=10)
    plain, space = load_space("mixers", task), replace(pyramid(task), lookup_grid=(2, 4, 8, 5))
    grids = {gene.name: gene.choices for gene in space.all_genes if gene.name.startswith("grid")}
    assert grids == {"grid.s1": (2, 4, 8), "grid.s2": (2, 4, 8), "grid.s3": (2, 4, 8), "grid.s4": (2, 4)}
    assert not any(gene.name.startswith("grid") for gene in plain.all_genes)
    lookups = [spec for spec in space.lowering.specs_at()["s3_block0_mixer"] if spec.kind == "lookup"]
    assert {spec["grid"] for spec in lookups} == {2, 4, 8}
    assert len({(spec.out_shape, spec["heads"], spec["hidden"]) for spec in lookups}) == len(lookups) // 3
    for arch in space.sample(30, np.random.default_rng(0)):
        for stage in range(1, 5):
            mixers, chosen = arch[f"mixer.s{stage}"], dict(arch.genes).get(f"grid.s{stage}", ())
            assert "lookup" in mixers or not chosen
            assert all(
                (name == "lookup") == (grid is not None) for name, grid in zip(mixers, chosen, strict=bool(chosen))
            )


def test_fewer_compressed_tokens_cost_less_and_share_all_weights() -> None:
    one = [
        LayerSpec.of("lookup", (64, 8, 8), (64, 8, 8), heads=2, head_width=32, grid=g, hidden=256) for g in (2, 4, 8)
    ]
    found = [count_layer(spec) for spec in one]
    assert len({counts.num_params for counts in found}) == 1
    assert [counts.macs for counts in found] == sorted({counts.macs for counts in found})


def test_a_lookup_grid_that_is_none_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"lookup_grid must be whole numbers from 1 on, got \[0\]"):
        replace(pyramid(), lookup_grid=(0,)).lowering  # noqa: B018
