"""ViT-ResNAS against closed formulas, and how it cuts images of other sizes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle import closed_forms, needs_oracle
from vitnas.errors import SpaceError
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.counting.counts import count


@pytest.mark.heavy
@needs_oracle
@pytest.mark.parametrize(("name", "head_width"), [("vitres", 64), ("vitresnas-tiny", 32), ("vitresnas-small", 32)])
def test_random_archs_count_as_the_closed_form_says(name: str, head_width: int) -> None:
    space = load_space(name)
    head_widths = [64] * 3 if head_width == 64 else [32, 48, 64]
    for arch in [space.smallest(), space.largest(), *space.sample(5, np.random.default_rng(0))]:
        widths = [arch[f"width.s{i}"] for i in (1, 2, 3)]
        blocks = [list(zip(arch[f"heads.s{i}"], arch[f"ffn.s{i}"], strict=True)) for i in (1, 2, 3)]  # type: ignore[arg-type]
        found = count(space.lower(arch))
        assert (found.num_params, found.macs) == closed_forms().vit_res(widths, blocks, head_widths)


def test_widths_never_shrink_so_that_the_residual_fits() -> None:
    for name in ("vitres", "vitresnas-tiny", "vitresnas-small"):
        for spec in load_space(name).lowering.specs:
            if spec.kind == "residual_reduction":
                assert spec.in_shape[1] <= spec.out_shape[1]


@pytest.mark.parametrize(("size", "patch"), [(32, 2), (64, 4), (192, 12), (224, 14), (280, 14)])
def test_small_images_have_as_many_patches_as_large_ones(size: int, patch: int) -> None:
    space = load_space("vitresnas-tiny", Task(image_size=size))
    blueprint = space.lower(space.smallest())
    stem = next(iter(blueprint))
    assert stem["patch"] == patch
    assert stem.out_shape[0] == (size // patch) ** 2 + 1


@pytest.mark.parametrize(("size", "nearest"), [(16, 32), (52, 64), (230, 224)])
def test_images_that_cannot_be_cut_are_refused(size: int, nearest: int) -> None:
    with pytest.raises(SpaceError, match=rf"side {size} has no square.*such as {nearest}"):
        load_space("vitresnas-tiny", Task(image_size=size)).lowering  # noqa: B018
