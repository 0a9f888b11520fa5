"""SReT: passes are free of weights but for what each has for itself, and slices divide any map."""

from __future__ import annotations

import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.counting.counts import count


def test_more_passes_cost_products_and_few_parameters() -> None:
    space = load_space("sret")
    genes = dict(space.named("SReT-T").genes)
    counts = [
        count(
            space.lower(
                space.arch(**genes | {f"loops.s{s}": (n,) * d for s, d in zip((1, 2, 3), (2, 5, 3), strict=True)})
            )
        )
        for n in (1, 2, 3)
    ]
    once, twice, thrice = counts
    own = sum(depth * (2 * width**2 + 4 * width + 2) for depth, width in ((2, 64), (5, 128), (3, 256)))
    assert twice.num_params - once.num_params == thrice.num_params - twice.num_params == own
    assert once.macs < twice.macs < thrice.macs
    assert twice.macs > 1.8 * once.macs


@pytest.mark.parametrize("size", [64, 96, 224])
def test_slices_divide_every_map(size: int) -> None:
    for spec in load_space("sret", Task(size)).lowering.specs:
        if spec.kind == "recursive_block":
            places = spec.in_shape[1] * spec.in_shape[2]
            assert all(places % int(slices) == 0 for slices in spec["slices"].split("."))
    published = {s["slices"] for s in load_space("sret").lowering.specs if s.kind == "recursive_block"}
    assert published == {"8.2", "4.1", "1.1"}


def test_blocks_with_more_passes_share_the_weights_of_those_with_fewer() -> None:
    for specs in load_space("sret", Task(64)).lowering.specs_at().values():
        assert len({spec.kind for spec in specs}) == 1


def test_images_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(SpaceError, match="image size 80 is not a multiple of 32 of at least 64"):
        load_space("sret", Task(80)).lowering  # noqa: B018
