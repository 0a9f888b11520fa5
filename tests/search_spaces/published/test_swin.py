"""Windows of the Swin space, on images of any size."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.published.swin import windows


@pytest.mark.parametrize(
    ("side", "expected"), [(56, (4, 7, 8, 14)), (7, (7,)), (2, (2,)), (3, (3,)), (34, (17,)), (12, (4, 6, 12))]
)
def test_windows_divide_the_map(side: int, expected: tuple[int, ...]) -> None:
    assert windows(side) == expected


@pytest.mark.parametrize("image_size", [64, 224, 256])
def test_every_other_block_moves_its_windows_unless_they_are_the_whole_map(image_size: int) -> None:
    space = load_space("swin", Task(image_size=image_size))
    for arch in [*space.sample(20, np.random.default_rng(0)), *map(space.named, space.published())]:
        for site, spec in space.lower(arch).items():
            if spec.kind == "window_attention":
                block, side = int(site.split("_")[1].removeprefix("block")), spec.in_shape[1]
                assert side % spec["window"] == 0
                assert spec["shift"] == (block % 2 == 1 and spec["window"] < side)
                assert spec["heads"] * 32 == spec.in_shape[0]


def test_published_archs_take_the_nearest_window_on_other_images() -> None:
    assert dict(load_space("swin", Task(256)).named("Swin-T").genes)["window.s3"] == 8


@pytest.mark.parametrize("name", ["swin", "pvtv2", "convnext"])
@pytest.mark.parametrize(("image_size", "near"), [(100, 96), (32, 64)])
def test_images_that_leave_broken_maps_are_refused(name: str, image_size: int, near: int) -> None:
    with pytest.raises(SpaceError, match=f"image size {image_size} is not a multiple of 32.*nearest that is: {near}"):
        load_space(name, Task(image_size=image_size)).genome  # noqa: B018
