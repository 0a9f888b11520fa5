"""As-ViT against closed formulas over genotype strings; its seed space; maps that windows divide."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle import closed_forms, needs_oracle
from vitnas.errors import SpaceError
from vitnas.search_spaces import Arch, Task, load_space
from vitnas.supernets.counting.counts import count

SPLITS_OF_WHOLE = {0.125: 8, 0.25: 4, 0.5: 2, 1.0: 1}


def _genotype(arch: Arch) -> str:
    stages = []
    for i in range(1, 5):
        split = SPLITS_OF_WHOLE[arch[f"window.s{i}"]]  # type: ignore[index]
        stages.append(f"{arch[f'kernel.s{i}']},{split},{arch[f'ratio.s{i}']},{arch[f'depth.s{i}']}")
    return "|".join([*stages, f"{arch['heads']},{arch['width']}"])


@needs_oracle
@pytest.mark.heavy
def test_random_archs_count_as_the_closed_form_says() -> None:
    space = load_space("asvit")
    named = [space.named(name) for name in space.published()]
    for arch in [*named, space.smallest(), space.largest(), *space.sample(8, np.random.default_rng(0))]:
        found = count(space.lower(arch))
        assert (found.num_params, found.macs) == closed_forms().asvit(_genotype(arch))


def test_published_archs_have_their_published_genotypes() -> None:
    space = load_space("asvit")
    assert _genotype(space.named("As-ViT-seed")) == "8,2,3,1|4,1,2,1|4,1,4,1|4,1,6,1|32,32"
    assert _genotype(space.named("As-ViT-L")) == "8,2,3,5|4,1,2,2|4,1,4,5|4,1,6,2|32,180"


def test_the_seed_space_has_its_published_size() -> None:
    seed = load_space("asvit").restrict(width=(32,), **{f"depth.s{i}": (1,) for i in range(1, 5)})
    assert seed.genome.size() == 4_556_250


def test_windows_divide_the_maps_of_every_allowed_image() -> None:
    for size in (64, 96, 224, 256):
        for spec in load_space("asvit", Task(image_size=size)).lowering.specs:
            if spec.kind == "unbiased_window_attention":
                assert spec.in_shape[1] % spec["window"] == 0
                assert spec["window"] > 1


@pytest.mark.parametrize(("size", "nearest"), [(32, 64), (80, 64), (230, 224)])
def test_other_images_are_refused(size: int, nearest: int) -> None:
    with pytest.raises(SpaceError, match=rf"size {size} is not a multiple of 32.*nearest that is: {nearest}"):
        load_space("asvit", Task(image_size=size)).lowering  # noqa: B018
