"""Resolutions follow the images of the task, and never leave a network with a single token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.published.stages import scaled_resolutions

PUBLISHED = {
    "attentivenas": (192, 224, 256, 288),
    "nasvit": (192, 224, 256, 288),
    "elasticvit": (128, 160, 176, 192, 224, 256),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_task_of_the_papers_has_their_resolutions(name: str) -> None:
    space = load_space(name)
    assert space.all_genes[0].choices == PUBLISHED[name]
    assert space.task.image_size == max(PUBLISHED[name])


@given(st.sampled_from(list(PUBLISHED.values())), st.integers(1, 600), st.sampled_from([16, 32, 64]))
def test_resolutions_are_near_their_share_of_the_image(published: tuple[int, ...], size: int, stride: int) -> None:
    found = scaled_resolutions(published, size, stride)
    assert list(found) == sorted(set(found))
    assert all(r % 8 == 0 and -(-r // stride) >= 2 for r in found)
    for resolution in published:
        share = resolution * size / max(published)
        assert any(abs(r - share) <= 4 for r in found) or share < found[0] == stride + 8


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("size", [8, 32, 96])
@pytest.mark.heavy
def test_the_last_map_of_small_images_has_more_than_one_token(name: str, size: int) -> None:
    space = load_space(name, Task(image_size=size, num_classes=10))
    for arch in (space.smallest(), space.largest()):
        assert list(space.lower(arch))[-1].in_shape[1] >= 2
