"""Plain ViTs under the names of timm: small ones answer as timm's do, and each name stands for what timm makes of it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from tests.timm_import import import_timm
from vitnas.errors import CheckpointError, UnknownNameError
from vitnas.search_spaces import Task
from vitnas.search_spaces.pruned.given_vit import GivenViT
from vitnas.search_spaces.pruned.pruned_space import Pruned, pruned
from vitnas.search_spaces.pruned.timm_names import NOT_YET, OF_SPACES, given_of_timm
from vitnas.supernets.layers import outline
from vitnas.supernets.layers.rotary_attention import RotaryAttention
from vitnas.supernets.weights.given_weights import given_network
from vitnas.supernets.weights.pretrained.families import rules_of_family
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights
from vitnas.supernets.weights.sources import TimmState

SIDE, PATCH, WIDTH, DEPTH, HEADS, HIDDEN = 32, 8, 24, 2, 3, 40
LAYER_NORM = partial(nn.LayerNorm, eps=1e-5)

# What timm's VisionTransformer is told -> what ours is.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ViT": ({}, {}),
    "without biases": ({"qkv_bias": False}, {}),
    "DeiT-III": ({"no_embed_class": True, "init_values": 0.1}, {}),
    "DINOv2": ({"init_values": 0.1}, {}),
    "DINOv2 with registers": (
        {"init_values": 0.1, "reg_tokens": 4, "no_embed_class": True},
        {"registers": 4},
    ),
    "registers with positions": ({"reg_tokens": 3}, {"registers": 3}),
    "mean of patches": (
        {"class_token": False, "global_pool": "avg", "fc_norm": False},
        {"class_token": False, "pool": "mean"},
    ),
    "mean, then norm": ({"global_pool": "avg"}, {"pool": "mean", "pool_first": True}),
    "CLIP": ({"pre_norm": True, "norm_layer": LAYER_NORM}, {"norm_first": True, "norm": "layer"}),
    "CLIP of OpenAI": (
        {"pre_norm": True, "norm_layer": LAYER_NORM, "act_layer": "quick_gelu"},
        {"norm_first": True, "norm": "layer", "act": "quick-gelu"},
    ),
    "SigLIP": ({"class_token": False, "global_pool": "map"}, {"class_token": False, "pool": "attention"}),
    "SigLIP with tanh": (
        {"class_token": False, "global_pool": "map", "act_layer": "gelu_tanh"},
        {"class_token": False, "pool": "attention", "act": "gelu-tanh"},
    ),
}


def space_of(ours: dict[str, Any], side: int = SIDE, classes: int = 5) -> Pruned:
    sizes = {"width": WIDTH, "depth": DEPTH, "heads": HEADS, "hidden": HIDDEN, "patch": PATCH}
    return pruned(GivenViT("small", Task(side, classes), **sizes, **ours))


def timm_model(options: dict[str, Any], classes: int = 5, side: int = SIDE) -> nn.Module:
    """A small transformer of timm whose every weight is random."""
    transformer = import_timm().models.vision_transformer.VisionTransformer
    torch.manual_seed(3)
    sizes = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS, "mlp_ratio": HIDDEN / WIDTH}
    model: nn.Module = transformer(side, PATCH, 3, classes, **sizes, **options)
    return lively(model)


def lively(model: nn.Module) -> nn.Module:
    """Every weight random, and activations of order one."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.1)
            else:
                parameter.uniform_(0.3, 1.5)
    return model.eval()


def compare(model: nn.Module, network: nn.Module, side: int = SIDE) -> None:
    x = torch.randn(2, 3, side, side)
    expected: Tensor = model(x)
    assert 0.05 < expected.std() < 10
    torch.testing.assert_close(network(x), expected, rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_answers_as_timm(variant: str) -> None:
    options, ours = VARIANTS[variant]
    model = timm_model(options)
    found = given_network(space_of(ours), TimmState(model.state_dict()))
    assert not found.new_head
    compare(model, found.network)


@torch.no_grad()
@pytest.mark.parametrize(("name", "side"), [("vit_small_patch16_dinov3", 48), ("vit_small_patch16_dinov3_qkvb", 64)])
def test_dinov3_turns_queries_and_keys_as_timm_does(name: str, side: int) -> None:
    sizes = {"embed_dim": 32, "depth": DEPTH, "num_heads": 2, "num_classes": 5, "dynamic_img_size": False}
    torch.manual_seed(3)
    model = lively(import_timm().create_model(name, img_size=side, **sizes))
    with torch.no_grad():
        for block in model.blocks:  # type: ignore[union-attr]
            block.attn.qkv.weight.mul_(3)  # so that it matters where tokens look
    small = replace(cast(GivenViT, given_of_timm(name)), width=32, depth=DEPTH, heads=2, hidden=128)
    found = given_network(pruned(replace(small, task=Task(side, 5))), TimmState(model.state_dict()))
    compare(model, found.network, side)
    for layer in (m for m in found.network if isinstance(m, RotaryAttention)):
        layer.sines.zero_()
    with pytest.raises(AssertionError):
        compare(model, found.network, side)


@torch.no_grad()
@pytest.mark.parametrize("variant", ["ViT", "DINOv2 with registers", "SigLIP"])
@pytest.mark.parametrize("side", [48, 24])
def test_positions_of_other_images_are_resampled_as_timm_does(variant: str, side: int) -> None:
    options, ours = VARIANTS[variant]
    model, other = timm_model(options), timm_model(options, side=side)
    state = model.state_dict()
    resample = import_timm().layers.resample_abs_pos_embed
    leading = state["pos_embed"].shape[1] - (SIDE // PATCH) ** 2
    position = resample(state["pos_embed"], [side // PATCH] * 2, num_prefix_tokens=leading)
    other.load_state_dict(state | {"pos_embed": position})
    found = given_network(space_of(ours, side), TimmState(state))
    assert found.resampled == SIDE // PATCH
    compare(other, found.network, side)


@pytest.mark.parametrize("classes", [0, 7])
def test_other_classes_or_none_get_a_new_head(classes: int) -> None:
    options, ours = VARIANTS["DINOv2"]
    model = timm_model(options, classes)
    found = given_network(space_of(ours), TimmState(model.state_dict()))
    assert found.new_head
    norm = found.network.get_submodule("head.norm").state_dict()
    torch.testing.assert_close(norm["weight"], model.state_dict()["norm.weight"])


def test_weights_of_another_network_are_refused() -> None:
    state = timm_model({}).state_dict()
    with pytest.raises(CheckpointError, match=r"have no 'norm_pre\.weight'"):
        given_network(space_of(VARIANTS["CLIP"][1]), TimmState(state))
    with pytest.raises(CheckpointError, match="hold .* tensors that the architecture has no place for"):
        given_network(space_of({}), TimmState(timm_model({"pre_norm": True}).state_dict()))
    with pytest.raises(CheckpointError, match="has a distillation token"):
        given_network(space_of({}), TimmState(state | {"dist_token": torch.zeros(1)}))


def _plain_names() -> list[str]:
    """timm's names that are taken for a plain ViT."""
    found = []
    for name in import_timm().list_models(["vit_*", "deit*", "flexivit*", "eva*"]):
        with contextlib.suppress(UnknownNameError):
            if isinstance(given_of_timm(name), GivenViT):
                found.append(name)
    return found


def _check_name(name: str) -> None:
    """On the meta device: shapes, and what shapes do not show."""
    given = given_of_timm(name)
    assert isinstance(given, GivenViT)
    more = {} if "dinov3" in name else {"weight_init": "skip"}
    with torch.device("meta"):
        model: Any = import_timm().create_model(name, num_classes=11, **more)
    block = model.blocks[0]
    acts = {"GELU": "gelu", "GELUTanh": "gelu-tanh", "QuickGELU": "quick-gelu"}
    pools = {"token": "class", "avg": "mean", "map": "attention"}
    assert (type(block).__name__, type(block.attn).__name__) == (
        ("EvaBlock", "EvaAttention") if given.rotary else ("Block", "Attention")
    )
    assert given.task.image_size == model.patch_embed.img_size[0]
    assert given.heads == block.attn.num_heads
    assert given.act == acts[type(block.mlp.act).__name__]
    assert given.pool == pools[model.global_pool]
    assert given.pool_first == (not isinstance(model.fc_norm, nn.Identity))
    assert not getattr(model, "pool_include_prefix", False)
    assert {"layer": 1e-5, "layer-1e-6": 1e-6}[given.norm] == block.norm1.eps
    blueprint = given.blueprint(Task(given.task.image_size, 11))
    weights = TimmWeights(model.state_dict())
    for (_, tensors), spec in zip(rules_of_family("deit", blueprint)(blueprint, weights), blueprint, strict=True):
        assert {n: t.shape for n, t in tensors.items()} == {n: t.shape for n, t in outline(spec).state_dict().items()}
    weights.require_all_read()


@pytest.mark.parametrize(
    "name",
    ["vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2", "deit3_small_patch16_384", "vit_base_patch16_gap_224"],
)
def test_a_name_stands_for_what_timm_makes_of_it(name: str) -> None:
    _check_name(name)


@pytest.mark.slow
def test_every_name_stands_for_what_timm_makes_of_it() -> None:
    names = _plain_names()
    assert len(names) >= 60
    for name in names:
        _check_name(name)


def test_reasons_are_given_for_names_of_timm() -> None:
    names = import_timm().list_models(["vit_*", "deit*", "eva02*", "beit*", "aimv2*", "test_vit*"])
    for pattern in NOT_YET:
        assert any(re.match(pattern, name) for name in names), pattern
    assert set(OF_SPACES) <= set(import_timm().list_models())
