"""Smaller images on the weights for larger ones: what they cost, what weights they use, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from vitnas.errors import SettingsError
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.layers.attention import _Pairs
from vitnas.supernets.resolution import (
    allowed_resolutions,
    check_sizes,
    lower_at,
    size_at,
    size_for,
    space_at,
    sparse,
    view,
)
from vitnas.supernets.settings.resolution import Resolution
from vitnas.supernets.supernet import Supernet


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("autoformer-mini", Task(image_size=16, num_classes=5, in_channels=3))


@pytest.fixture(scope="module")
def net(space: SearchSpace) -> Supernet:
    return Supernet(space)


def _images(space: SearchSpace, n: int = 2) -> torch.Tensor:
    size = space.task.image_size
    return torch.randn(n, space.task.in_channels, size, size, generator=torch.Generator().manual_seed(0))


def test_whole_images_change_no_bit(space: SearchSpace, net: Supernet) -> None:
    x, arch = _images(space), space.largest()
    whole = Resolution(progressive=((0.5, 4),))
    assert view(whole, x, 16) is x
    assert torch.equal(net(x, arch, image_size=16), net(x, arch))
    assert lower_at(space, arch, 16) == space.lower(arch)


def test_sparse_pixels_are_what_a_convolution_of_larger_stride_and_dilation_sees(
    space: SearchSpace, net: Supernet
) -> None:
    x, arch = _images(space), space.largest()
    stem = net.at(arch, image_size=8)[0]
    weight, bias = stem.projection.weight, stem.projection.bias
    enlarged = F.conv2d(x, weight, bias, stride=2 * 2, dilation=2)
    expected = enlarged.flatten(2).transpose(1, 2) + stem.position.flatten(0, 1)
    torch.testing.assert_close(stem(sparse(x, 8))[:, 1:], expected)
    shared = net.layers["stem-patch_embedding"]
    assert weight is shared.projection.weight, "the weights are unchanged"
    mean = shared.position.reshape(4, 2, 4, 2, -1).mean(dim=(1, 3))
    torch.testing.assert_close(stem.position, mean)


def test_relative_positions_keep_their_offsets(space: SearchSpace, net: Supernet) -> None:
    arch = space.largest()
    large, small = net.at(arch)[1], net.at(arch, image_size=8)[1]
    near, near_small = (_Pairs(layer.relative, layer.offsets).key_TTE for layer in (large, small))
    # The tokens of the upper left 4x4 of an 8x8 map lie to each other as those of a 4x4 map do.
    corner = [0, *(1 + 8 * row + column for row in range(4) for column in range(4))]
    torch.testing.assert_close(near_small, near[corner][:, corner])


@pytest.mark.parametrize(
    ("name", "image_size", "size", "share"),
    [
        ("autoformer-mini", 16, 8, 0.3),
        ("deit", 64, 32, 0.3),
        ("elasticvit", 256, 128, 0.3),
        ("efficientformerv2", 128, 64, 0.3),
        ("nextvit", 128, 64, 0.3),
        ("swin", 128, 64, 0.3),
    ],
)
@pytest.mark.heavy
def test_fewer_tokens_cost_less_and_train_the_same_weights(name: str, image_size: int, size: int, share: float) -> None:
    task = Task(image_size=image_size, num_classes=5, in_channels=3)
    space = load_space(name, task)
    arch, largest = space.smallest(), space.largest()
    small, large = count(lower_at(space, largest, size)).macs, count(space.lower(largest)).macs
    assert small < share * large
    net = Supernet(space)
    y = net(sparse(_images(space), size), arch, image_size=size)
    assert y.shape == (2, 5)
    assert y.isfinite().all()
    y.square().sum().backward()
    stem = next(iter(net.layers.values()))
    grads = [p.grad for p in stem.parameters()]
    assert all(g is not None and g.isfinite().all() for g in grads)
    assert any(g is not None and g.any() for g in grads)


@pytest.mark.heavy
def test_a_restricted_space_and_a_space_with_a_resolution_take_smaller_images() -> None:
    space = load_space("elasticvit").restrict(resolution=(256,))
    arch = space.largest()
    smaller = lower_at(space, arch, 128)
    assert smaller.in_shape == (3, 128, 128)
    assert smaller.sites == space.lower(arch).sites


def test_allowed_resolutions_are_those_that_the_space_tiles(space: SearchSpace) -> None:
    assert allowed_resolutions(space) == tuple(range(2, 17, 2))
    assert allowed_resolutions(load_space("deit")) == tuple(range(16, 225, 16))
    assert allowed_resolutions(load_space("convnext")) == (64, 96, 128, 160, 192, 224)
    assert allowed_resolutions(load_space("vitresnas-tiny")) == (224,), "its patch follows the size of the image"


def test_sizes_that_fit_nothing_are_refused_before_training(space: SearchSpace) -> None:
    deit = load_space("deit")
    with pytest.raises(
        SettingsError, match="cannot look at images of 100: .*multiple of its patch size.*choose of 16, 32"
    ):
        check_sizes(Resolution(sizes=(100,)), deit)
    with pytest.raises(SettingsError, match="larger than those that its weights are for"):
        check_sizes(Resolution(sizes=(32,)), space)
    with pytest.raises(SettingsError, match="400 times fewer tokens are images of 1"):
        check_sizes(Resolution(progressive=((0.5, 400),)), space)
    check_sizes(Resolution(progressive=((0.3, 4), (0.6, 2))), deit)
    assert [size_for(deit, factor) for factor in (4, 2, 1)] == [112, 160, 224]
    assert space_at(deit, 224) is deit
    for wrong in (
        {"progressive": ((0.6, 2), (0.3, 4))},
        {"progressive": ((0.5, 0.5),)},
        {"progressive": ((0.5, 2),), "sizes": (8,)},
    ):
        with pytest.raises(SettingsError, match=r"\[train.resolution\]"):
            Resolution(**wrong)  # type: ignore[arg-type]


def test_the_plan_goes_from_few_tokens_to_all(space: SearchSpace) -> None:
    plan = Resolution(progressive=((0.25, 4), (0.5, 2)))
    sizes = [size_at(plan, space, step, 8, seed=0) for step in range(8)]
    assert sizes == [8, 8, 12, 12, 16, 16, 16, 16]
    x = _images(space)
    assert torch.equal(view(plan, x, 8), x[:, :, ::2, ::2])


def test_sizes_are_drawn_by_the_step_alone(space: SearchSpace) -> None:
    several = Resolution(sizes=(8, 12, 16))
    sizes = [size_at(several, space, step, 100, seed=1) for step in range(40)]
    assert set(sizes) == {8, 12, 16}
    assert sizes == [size_at(several, replace(space), step, 7, seed=1) for step in range(40)]
    flat = torch.full((1, 3, 16, 16), 2.5)
    torch.testing.assert_close(view(several, flat, 12), torch.full((1, 3, 12, 12), 2.5))


def test_windows_of_stages_follow_the_map() -> None:
    """Rows of window merging are as long as the map is wide, which gives no weight another role."""
    space = load_space("staged-vit", Task(image_size=64, num_classes=5))
    assert allowed_resolutions(space) == (32, 64)
    merging = [spec for spec in lower_at(space, _windowed(space), 32) if spec.kind == "window_merging"]
    assert [(spec["columns"], spec.out_shape[0]) for spec in merging] == [(2, 2)]


def _windowed(space: SearchSpace) -> Arch:
    kept = {"reducer": ("window",), "grid.s2": (1.0,), "grid.s3": (1.0,), "grid.s4": (0.25,)}
    return space.restrict(**kept).smallest()


def test_images_that_are_not_square_keep_their_shape() -> None:
    task = Task(image_size=(32, 48), num_classes=5)
    space = replace(load_space("deit", task), patch=8, width=(16,), heads=(1,), depth=(1,), head_width=8, winners={})
    assert allowed_resolutions(space) == ((16, 24), (32, 48))
    assert size_for(space, 4) == (16, 24)
    x, settings = torch.randn(2, 3, 32, 48), Resolution(sizes=((16, 24), (32, 48)))
    check_sizes(settings, space)
    assert {size_at(settings, space, step, 10, 0) for step in range(20)} == {(16, 24), (32, 48)}
    assert view(settings, x, (16, 24)).shape == (2, 3, 16, 24)
    assert view(settings, x, (32, 48)) is x
    net = Supernet(space).eval()
    assert net(view(settings, x, (16, 24)), space.largest(), image_size=(16, 24)).shape == (2, 5)
    with pytest.raises(SettingsError, match="for images of 32x48 cannot look at images of 48x32: they are larger"):
        space_at(space, (48, 32))
    with pytest.raises(SettingsError, match=r"sizes: a size must be one whole number .* got \(16, 0\)"):
        Resolution(sizes=((16, 0),))
