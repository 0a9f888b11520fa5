"""Flexible patches: the laws of the resampling, timm's own resampling, and the plain layer that is deployed."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch.nn import functional as F

from tests.timm_import import import_timm
from vitnas.deployment.folding import fold
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.layers import build
from vitnas.supernets.layers.flexible_patch_embedding import FlexiblePatchEmbedding, kernel_map, resize_map
from vitnas.supernets.layers.patch_embedding import PatchEmbedding
from vitnas.supernets.supernet import build_network

KERNEL, WIDTH = 8, 6
HEIGHT, BREADTH = 32, 48


def spec_at(patch: int, height: int = HEIGHT, breadth: int = BREADTH) -> LayerSpec:
    tokens = 1 + (height // patch) * (breadth // patch)
    image = (3, height, breadth)
    return LayerSpec.of("flexible_patch_embedding", image, (tokens, WIDTH), patch=patch, kernel=KERNEL)


def flexible(patch: int) -> FlexiblePatchEmbedding:
    torch.manual_seed(0)
    layer = build(spec_at(patch))
    assert isinstance(layer, FlexiblePatchEmbedding)
    return layer.eval()


@pytest.mark.parametrize(("before", "after"), [(8, 8), (8, 16), (8, 12), (8, 5), (16, 4), (1, 3), (3, 1)])
def test_rows_are_resized_as_torch_resizes_them(before: int, after: int) -> None:
    x = torch.randn(1, 1, before, 2)
    expected = F.interpolate(x, (after, 2), mode="bilinear", antialias=True)[0, 0]
    found = torch.from_numpy(resize_map(before, after)) @ x[0, 0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_at_its_own_size_it_is_a_patch_embedding_to_the_bit() -> None:
    layer, x = flexible(KERNEL), torch.randn(2, 3, HEIGHT, BREADTH)
    plain = build(LayerSpec.of("patch_embedding", (3, HEIGHT, BREADTH), layer.spec.out_shape, patch=KERNEL))
    plain.load_state_dict(layer.state_dict())
    assert torch.equal(layer(x), plain(x))


@torch.no_grad()
@pytest.mark.parametrize("patch", [12, 16])
def test_enlarged_kernels_see_in_enlarged_patches_what_kernels_see_in_patches(patch: int) -> None:
    """FlexiViT's law: exact wherever patches are enlarged."""
    layer, patches = flexible(patch), torch.randn(5, 3, KERNEL, KERNEL)
    enlarged = F.interpolate(patches, (patch, patch), mode="bilinear", antialias=True)
    side, weight = torch.from_numpy(kernel_map(KERNEL, patch)), layer.projection.weight
    expected = F.conv2d(patches, weight)
    torch.testing.assert_close(F.conv2d(enlarged, side @ weight @ side.T), expected, rtol=0, atol=1e-5)
    as_images = F.interpolate(weight, (patch, patch), mode="bilinear", antialias=True)
    assert not torch.allclose(F.conv2d(enlarged, as_images), expected, atol=1e-2), "a kernel resized as images are"


@torch.no_grad()
@pytest.mark.parametrize("patch", [4, 16])
def test_kernels_are_those_of_timm(patch: int) -> None:
    import_timm()
    resample = importlib.import_module("timm.layers.patch_embed").resample_patch_embed
    layer = flexible(patch)
    expected = resample(layer.projection.weight, [patch, patch], interpolation="bilinear", antialias=True)
    torch.testing.assert_close(layer.kernel(), expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("patch", [4, 16])
def test_positions_are_interpolated(patch: int) -> None:
    layer = flexible(patch)
    assert layer.position is not None
    maps = layer.position.permute(2, 0, 1)[None]
    size = (HEIGHT // patch, BREADTH // patch)
    expected = F.interpolate(maps, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    found = layer.positions()
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("patch", [4, KERNEL, 16])
def test_what_is_deployed_is_a_plain_patch_embedding(patch: int) -> None:
    layer, x = flexible(patch), torch.randn(2, 3, HEIGHT, BREADTH)
    plain = layer.deployed()
    assert type(plain) is PatchEmbedding
    assert plain.projection.weight.shape == (WIDTH, 3, patch, patch)
    torch.testing.assert_close(plain(x), layer(x), rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_folded_graph_holds_one_convolution_and_nothing_that_resamples() -> None:
    spec = LayerSpec.of("flexible_patch_embedding", (3, 128, 128), (1 + 4, 64), patch=64, kernel=16)
    network, x = build_network(Blueprint.single(spec)).eval(), torch.randn(2, 3, 128, 128)
    folded = fold(network, x)
    names = [str(node.target) for node in folded.get_submodule("layer").graph.nodes if node.op == "call_function"]
    assert sum("conv2d" in name for name in names) == 1
    assert not any("matmul" in name or "upsample" in name for name in names)
    torch.testing.assert_close(folded(x), network(x), rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("patches", [(4, 8, 16), (4, KERNEL)])
def test_all_patches_are_slices_of_one_layer(patches: tuple[int, ...]) -> None:
    specs = [spec_at(patch) for patch in patches]
    whole = build(LayerSpec.join(specs)).eval()
    assert whole.state_dict()["projection.weight"].shape == (WIDTH, 3, KERNEL, KERNEL)
    x = torch.randn(2, 3, HEIGHT, BREADTH)
    for spec in specs:
        torch.testing.assert_close(whole.at(spec)(x), whole.narrow(spec)(x))
        assert whole.at(spec)(x).shape == (2, *spec.out_shape)


@torch.no_grad()
def test_images_of_another_size_are_interpolated_first() -> None:
    layer, x = flexible(16), torch.randn(2, 3, 2 * HEIGHT, 2 * BREADTH)
    smaller = F.interpolate(x, (HEIGHT, BREADTH), mode="bilinear", antialias=True)
    torch.testing.assert_close(layer(x), layer(smaller))
