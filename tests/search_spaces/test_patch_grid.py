"""Patch size, resolution and windows as genes of plain ViTs, on square images and others: layers, counts, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import Blueprint, SearchSpace, Task, load_space
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.search_spaces.published.staged_vit import StagedViT
from vitnas.supernets.counting.counts import count

WIDE = Task(image_size=(224, 320), num_classes=10)


def plain(task: Task = Task(image_size=96, num_classes=10), **more: Any) -> PlainViT:
    own: dict[str, Any] = {"width": (16, 24), "depth": (2, 4), "heads": (1, 2), "mlp_ratio": (2.0,), "head_width": 8}
    return PlainViT("small", task, **own, **more)


def staged(task: Task = Task(image_size=96, num_classes=10), **more: Any) -> StagedViT:
    space = load_space("staged-vit", task)
    assert isinstance(space, StagedViT)
    return replace(space, width=(16, 24), heads=(1, 2), head_width=8, depth=((1, 2),) * 4, winners={}, **more)


def genes_of(space: SearchSpace) -> dict[str, tuple[object, ...]]:
    return {gene.name: gene.choices for gene in space.all_genes}


def stem_of(blueprint: Blueprint) -> tuple[object, ...]:
    stem = blueprint.layers[0]
    return stem.in_shape, stem.out_shape[0], stem["patch"]


both = pytest.mark.parametrize("make", [plain, staged])


@both
def test_every_patch_and_resolution_is_an_arch_of_its_own(make: Any) -> None:
    space = make(patches=(8, 16, 32), resolution=(1.0, 2 / 3))
    assert genes_of(space)["patch"] == (32, 16, 8)
    assert genes_of(space)["resolution"] == (64, 96)
    found = {stem_of(space.lower(arch)) for arch in space.sample(80, np.random.default_rng(0))}
    assert found == {((3, s, s), 1 + (s // p) ** 2, p) for s in (64, 96) for p in (8, 16, 32)}
    assert {spec["kernel"] for spec in space.lowering.specs_at()["stem"]} == {16}


@both
def test_without_new_genes_a_space_is_as_it_was(make: Any) -> None:
    space = make()
    assert not {"patch", "resolution", "windows"} & set(genes_of(space))
    assert {spec.kind for spec in space.lowering.specs} & {"flexible_patch_embedding", "windowed_attention"} == set()


@both
def test_a_plain_arch_costs_what_it_costs_in_the_space_without_patches(make: Any) -> None:
    space = make(patches=(8, 16))
    arch = space.restrict(patch=(16,)).largest()
    own = {name: value for name, value in arch.genes if name != "patch"}
    without = make()
    assert count(space.lower(arch)) == count(without.lower(without.arch(**own)))


@both
def test_images_that_are_not_square_give_rows_and_columns(make: Any) -> None:
    space = make(WIDE, patches=(16, 32))
    for arch in space.sample(20, np.random.default_rng(0)):
        blueprint = space.lower(arch)
        assert stem_of(blueprint) == ((3, 224, 320), 1 + (224 // arch["patch"]) * (320 // arch["patch"]), arch["patch"])
        assert blueprint.in_shape == (3, 224, 320)


def test_windows_halve_rows_and_columns_of_images_that_are_not_square() -> None:
    space = staged(Task(image_size=(64, 128), num_classes=10))
    shares = {"grid.s2": 0.5, "grid.s3": 0.5, "grid.s4": 0.25}
    stages = {
        f"{name}.s{s}": v for s in range(1, 5) for name, v in {"depth": 1, "heads": (1,), "ratio": (2.0,)}.items()
    }
    blueprint = space.lower(space.arch(width=16, reducer="window", **stages, **shares))
    merging = [spec for spec in blueprint if spec.kind == "window_merging"]
    assert [(spec["columns"], spec["down"], spec["across"]) for spec in merging] == [(8, 1, 2), (4, 2, 1)]
    assert [spec.out_shape[0] for spec in merging] == [1 + 4 * 4, 1 + 2 * 4]


def test_windowed_and_global_attention_take_turns() -> None:
    space = plain(windows=(1, 3), patches=(8, 16), registers=(0, 2))
    assert genes_of(space)["windows"] == (3, 1)
    arch = space.restrict(depth=(4,), windows=(3,), patch=(16,), registers=(2,)).largest()
    attention = [spec for spec in space.lower(arch) if "attention" in spec.kind]
    assert [spec.kind for spec in attention] == ["windowed_attention", "attention"] * 2
    assert (attention[0]["windows"], attention[0]["columns"], attention[0]["leading"]) == (3, 6, 3)
    every_third = replace(space, global_every=3)
    kinds = [spec.kind for spec in every_third.lower(every_third.largest()) if "attention" in spec.kind]
    assert kinds == ["windowed_attention", "windowed_attention", "attention", "windowed_attention"]


def test_stages_with_fewer_tokens_have_no_windows() -> None:
    space = staged(windows=(2, 1))
    for arch in space.restrict(windows=(2,)).sample(60, np.random.default_rng(0)):
        for site, spec in space.lower(arch).items():
            if spec.kind == "windowed_attention":
                assert (spec["windows"] == 2) == (spec.in_shape[0] == 37), site
                assert site.endswith("block0_attention")


@both
def test_what_leaves_no_whole_patches_or_windows_is_refused(make: Any) -> None:
    with pytest.raises(
        SpaceError, match="image size 96 is not a multiple of its patch size 20; the nearest that is: 100"
    ):
        make(patches=(16, 20)).lowering  # noqa: B018
    with pytest.raises(
        SpaceError, match="image size 200x320 is not a multiple of its patch size 16; the nearest that is: 192x320"
    ):
        make(Task(image_size=(200, 320))).lowering  # noqa: B018
    with pytest.raises(
        SpaceError, match="2x2 windows do not divide 3x3 patches; choose windows that divide all of 6x6, 3x3"
    ):
        make(patches=(16, 32), windows=(1, 2)).lowering  # noqa: B018
    with pytest.raises(SpaceError, match=r"patches must be whole numbers from 1 on, each once; got \[16, 16\]"):
        make(patches=(16, 16)).lowering  # noqa: B018
    with pytest.raises(SpaceError, match=r"resolution must be shares above 0 up to 1, each once; got \[1.5\]"):
        make(resolution=(1.5,)).lowering  # noqa: B018


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(SpaceError, match="know a class token and one grid of patches, no patch and no windows"):
        plain(relative_reach=2, patches=(8, 16), windows=(2,)).lowering  # noqa: B018
    with pytest.raises(SpaceError, match="relative positions .* know square images, and those of the task are 224x320"):
        plain(WIDE, relative_reach=2).lowering  # noqa: B018
    with pytest.raises(SpaceError, match="tokens of single channels"):
        plain(per_channel=(True,), patches=(8,)).lowering  # noqa: B018
    with pytest.raises(SpaceError, match="images of 224x320 are not square, and only plain ViTs look at such images"):
        load_space("swin", WIDE).lowering  # noqa: B018


WHOLE = """
name = "mine"

[constants]
tokens = "(image_height // 4) * (image_width // 4) + 1"

[[genes]]
name = "width"
choices = [8, 16]

[[sites]]
name = "stem"
kind = "patch_embedding"
in_shape = ["in_channels", "image_height", "image_width"]
out_shape = ["tokens", "width"]
attrs = { patch = 4 }

[[sites]]
name = "head"
kind = "classifier"
in_shape = ["tokens", "width"]
out_shape = ["num_classes"]
attrs = { pool = "mean" }
"""


def test_expressions_of_a_file_read_height_and_width(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(WHOLE)
    space = load_space(str(file), Task(image_size=(8, 16), num_classes=3))
    stem = space.lower(space.smallest()).layers[0]
    assert (stem.in_shape, stem.out_shape) == ((3, 8, 16), (9, 8))
    file.write_text(WHOLE.replace("image_height // 4", "image_size // 4"))
    assert load_space(str(file), Task(image_size=8, num_classes=3)).lowering.specs
    with pytest.raises(SpaceError, match="reads 'image_size'"):
        load_space(str(file), Task(image_size=(8, 16), num_classes=3))


def test_a_file_gives_choices_where_the_space_has_none(tmp_path: Path) -> None:
    file = tmp_path / "any-patch.toml"
    text = 'name = "any"\nextends = "deit"\n[task]\nimage_size = [64, 96]\n[change]\npatches = [8, 16]\nresolution = [0.5, 1]\n'
    file.write_text(text)
    space = load_space(str(file))
    assert (space.task.image_size, genes_of(space)["patch"], genes_of(space)["resolution"]) == (
        (64, 96),
        (16, 8),
        (32, 64),
    )
    file.write_text(text.replace("patches = [8, 16]", 'patches = ["8"]'))
    with pytest.raises(SpaceError, match=r"\[change\], key 'patches': got '8'; it takes the form of 0"):
        load_space(str(file))
