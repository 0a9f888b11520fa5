"""Pretrained weights for patches of any size: timm's network with a kernel resampled by timm answers as ours does."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from tests.timm_import import import_timm
from vitnas.search_spaces import Task
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.pretrained import find_arch, load_timm, network_from_timm

SIZE, WIDTH, DEPTH = 64, 32, 2


def space(**more: Any) -> PlainViT:
    own: dict[str, Any] = {
        "width": (16, WIDTH),
        "depth": (1, DEPTH),
        "heads": (1, 2),
        "mlp_ratio": (2.0, 4.0),
        "head_width": 16,
    }
    return PlainViT("flexible", Task(SIZE, 10), **{"patches": (8, 16, 32), **own, **more})


def timm_network(patch: int = 16) -> Any:
    timm = import_timm()
    torch.manual_seed(0)
    own = {"img_size": SIZE, "embed_dim": WIDTH, "depth": DEPTH, "num_heads": 2, "num_classes": 10}
    return timm.models.vision_transformer.VisionTransformer(patch_size=patch, **own).eval()


@torch.no_grad()
def test_weights_for_one_patch_are_found_whatever_else_the_genes_could_be() -> None:
    given = space(patches=(8, 16), windows=(1, 2), resolution=(0.5, 1.0))
    arch, classes = find_arch(given, timm_network().state_dict())
    assert classes == 10
    assert {name: arch[name] for name in ("patch", "resolution", "windows", "width", "depth")} == {
        "patch": 16, "resolution": 64, "windows": 1, "width": WIDTH, "depth": DEPTH,
    }  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("patch", [8, 16, 32])
def test_patches_of_any_size_answer_as_timm_resampled(patch: int) -> None:
    given, model = space(), timm_network()
    supernet = Supernet(given).eval()
    arch, _ = find_arch(given, model.state_dict())
    load_timm(supernet, arch, model.state_dict())
    genes = dict(arch.genes) | {"patch": patch}
    x, other = torch.randn(2, 3, SIZE, SIZE), timm_network(patch)
    resample = importlib.import_module("timm.layers.patch_embed").resample_patch_embed
    state = model.state_dict()
    if patch != 16:
        kernel = resample(state["patch_embed.proj.weight"], [patch, patch], interpolation="bilinear", antialias=True)
        maps = state["pos_embed"][:, 1:].reshape(1, SIZE // 16, SIZE // 16, WIDTH).permute(0, 3, 1, 2)
        places = F.interpolate(maps, (SIZE // patch,) * 2, mode="bilinear", antialias=True).flatten(2).transpose(1, 2)
        state |= {"patch_embed.proj.weight": kernel, "pos_embed": torch.cat([state["pos_embed"][:, :1], places], dim=1)}
    other.load_state_dict(state)
    torch.testing.assert_close(supernet(x, given.arch(**genes)), other(x), rtol=1e-4, atol=1e-4)
    alone = network_from_timm(given, given.arch(**genes), model.state_dict()).eval()
    torch.testing.assert_close(alone(x), other(x), rtol=1e-4, atol=1e-4)
