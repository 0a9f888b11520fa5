"""Networks with timm's weights answer what timm's models answer, at random weights and statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.timm_import import import_timm
from vitnas.search_spaces import SearchSpace, Task, load_space
from vitnas.search_spaces.published.efficientformer import efficientformer
from vitnas.search_spaces.published.staged_vit import StagedViT
from vitnas.supernets.layers.patch_merging import PatchMerging
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.pretrained import find_arch, load_timm, network_from_timm

MODELS = {
    "deit_tiny_patch16_224": ("deit", "DeiT-Ti"),
    "deit_small_patch16_224": ("deit", "DeiT-S"),
    "efficientformer_l1": ("efficientformer", "EfficientFormer-L1"),
    "efficientformer_l3": ("efficientformer", "EfficientFormer-L3"),
    "efficientformerv2_s0": ("efficientformerv2", "EfficientFormerV2-S0"),
    "tiny_vit_5m_224": ("tinyvit", "TinyViT-5M"),
    "nextvit_small": ("nextvit", "Next-ViT-S"),
    "swin_tiny_patch4_window7_224": ("swin", "Swin-T"),
    "convnext_tiny": ("convnext", "ConvNeXt-T"),
    "pvt_v2_b0": ("pvtv2", "PVTv2-B0"),
}
LARGER = {
    "deit_base_patch16_224": ("deit", "DeiT-B"),
    "efficientformer_l7": ("efficientformer", "EfficientFormer-L7"),
    "efficientformerv2_s1": ("efficientformerv2", "EfficientFormerV2-S1"),
    "efficientformerv2_s2": ("efficientformerv2", "EfficientFormerV2-S2"),
    "efficientformerv2_l": ("efficientformerv2", "EfficientFormerV2-L"),
    "tiny_vit_11m_224": ("tinyvit", "TinyViT-11M"),
    "tiny_vit_21m_224": ("tinyvit", "TinyViT-21M"),
    "nextvit_base": ("nextvit", "Next-ViT-B"),
    "nextvit_large": ("nextvit", "Next-ViT-L"),
    "swin_small_patch4_window7_224": ("swin", "Swin-S"),
    "swin_base_patch4_window7_224": ("swin", "Swin-B"),
    "convnext_atto": ("convnext", "ConvNeXt-Atto"),
    "convnext_femto": ("convnext", "ConvNeXt-Femto"),
    "convnext_pico": ("convnext", "ConvNeXt-Pico"),
    "convnext_nano": ("convnext", "ConvNeXt-Nano"),
    "convnext_small": ("convnext", "ConvNeXt-S"),
    "convnext_base": ("convnext", "ConvNeXt-B"),
    "pvt_v2_b1": ("pvtv2", "PVTv2-B1"),
    "pvt_v2_b2": ("pvtv2", "PVTv2-B2"),
    "pvt_v2_b2_li": ("pvtv2", "PVTv2-B2-Li"),
    "pvt_v2_b3": ("pvtv2", "PVTv2-B3"),
    "pvt_v2_b4": ("pvtv2", "PVTv2-B4"),
    "pvt_v2_b5": ("pvtv2", "PVTv2-B5"),
}


@lru_cache(maxsize=2)
def _model(model_name: str, **options: Any) -> nn.Module:
    """A model of timm whose every weight and statistic is random, and whose activations stay of order one."""
    model: nn.Module = import_timm().create_model(model_name, num_classes=1000, **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.05, generator=generator)
            else:
                parameter.uniform_(0.2, 0.6, generator=generator)
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                norm.momentum = 1.0
        model.train()(_images(2, options.get("img_size", 224)))  # so that the statistics fit the weights
    return model.eval()


def _images(n: int, side: int) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def _assert_same_answers(model: nn.Module, network: Callable[[Tensor], Tensor], side: int = 224) -> None:
    x = _images(1, side).flip(-1)
    expected = model(x)
    assert 0.05 < expected.std() < 10  # neither faded nor exploded, so the comparison means something
    torch.testing.assert_close(network(x), expected, rtol=0, atol=1e-4)


def _compare(name: str) -> None:
    family, label = (MODELS | LARGER)[name]
    space, model = load_space(family), _model(name)
    _assert_same_answers(model, network_from_timm(space, space.named(label), model.state_dict()).eval())


@pytest.mark.heavy
@pytest.mark.parametrize("name", MODELS)
def test_a_network_with_timm_weights_answers_like_timm(name: str) -> None:
    _compare(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGER)
def test_a_larger_network_with_timm_weights_answers_like_timm(name: str) -> None:
    _compare(name)


@pytest.mark.heavy
def test_a_vit_in_stages_with_timm_weights_answers_like_timm() -> None:
    space, model = load_space("staged-vit"), _model("deit_tiny_patch16_224")
    assert find_arch(space, model.state_dict()) == (space.named("DeiT-Ti"), 1000)
    _assert_same_answers(model, network_from_timm(space, space.named("DeiT-Ti"), model.state_dict()).eval())


@pytest.mark.heavy
@torch.no_grad()
def test_fewer_tokens_take_the_same_weights() -> None:
    """Without any training the answers lie between those of a DeiT and chance; with one token fewer they hardly move."""
    space = StagedViT(
        "late", width=(192,), depth=((3,),) * 4, heads=(3,), ratio=(4.0,),
        tokens=((1.0,), (1.0,), (0.5, 0.995)), grid=((1.0,), (1.0,), (0.25,)),
    )  # fmt: skip
    model = _model("deit_tiny_patch16_224")
    supernet = Supernet(space).eval()
    whole = next(arch for arch in space.decode(space.genome.enumerate()) if arch["reducer"] == "none")
    load_timm(supernet, whole, model.state_dict())
    x = _images(1, 224).flip(-1)
    expected = model(x)
    off = {}
    for arch in space.decode(space.genome.enumerate()):
        share = dict(arch.genes).get("tokens.s4", 1.0 if arch == whole else 0.25)
        off[arch["reducer"], share] = float((supernet(x, arch) - expected).square().mean().sqrt() / expected.std())
    assert off["none", 1.0] < 1e-4
    for reducer in ("keep", "merge"):
        assert off["none", 1.0] < off[reducer, 0.995] < off[reducer, 0.5]
        assert off[reducer, 0.995] < 0.1
    assert off["window", 0.25] > 0


@pytest.mark.heavy
def test_other_image_sizes_pad_their_windows_as_timm_does() -> None:
    space = load_space("tinyvit", Task(image_size=256))
    model = _model("tiny_vit_5m_224")
    _assert_same_answers(model, network_from_timm(space, space.named("TinyViT-5M"), model.state_dict()).eval(), 256)


def test_other_image_sizes_of_efficientformerv2_agree() -> None:
    space = load_space("efficientformerv2", Task(image_size=192))
    model = _model("efficientformerv2_s0", img_size=192)
    arch = space.named("EfficientFormerV2-S0")
    _assert_same_answers(model, network_from_timm(space, arch, model.state_dict()).eval(), 192)


@pytest.mark.heavy
def test_one_head_that_is_the_mean_of_two_answers_the_same() -> None:
    space = efficientformer(distilled=False)
    model = _model("efficientformer_l1")
    _assert_same_answers(model, network_from_timm(space, space.named("EfficientFormer-L1"), model.state_dict()).eval())


@pytest.mark.heavy
def test_a_supernet_takes_the_weights_into_the_slices_of_an_arch() -> None:
    space: SearchSpace = load_space("tinyvit").restrict(
        **{"width.s4": (320, 352), "width.s3": (160, 192), "width.s2": (128, 160), "width.s1": (64, 96)}
    )
    model, supernet = _model("tiny_vit_5m_224"), Supernet(space)
    arch = space.named("TinyViT-5M")
    load_timm(supernet, arch, model.state_dict())
    assert supernet.training
    supernet.eval()
    _assert_same_answers(model, lambda x: supernet(x, arch))
    _assert_same_answers(model, supernet.extract(arch))


@pytest.mark.heavy
def test_a_table_of_offsets_lands_in_the_middle_of_that_of_a_larger_window() -> None:
    kept = {f"depth.s{i}": (depth,) for i, depth in enumerate((2, 2, 6, 2), 1)}
    kept |= {"width.s1": (96, 128), "width.s2": (192,), "width.s3": (384,), "width.s4": (768,)}
    space = load_space("swin").restrict(**kept, **{f"window.s{i}": (7, 14) for i in (1, 2, 3)})
    name = "swin_tiny_patch4_window7_224"
    model, supernet, arch = _model(name), Supernet(space), space.named("Swin-T")
    load_timm(supernet, arch, model.state_dict())
    _assert_same_answers(model, supernet.eval().extract(arch))
    table = supernet.state_dict()["layers.stage2_block1_attention-window_attention.offset_bias"]
    theirs = model.state_dict()["layers.1.blocks.1.attn.relative_position_bias_table"]
    assert table.shape == (6, 27, 27)
    torch.testing.assert_close(table[:, 7:20, 7:20].flatten(1), theirs.T)


def test_a_supernet_of_wider_heads_takes_the_weights_of_narrow_ones() -> None:
    kept = {f"depth.s{i}": (2,) for i in (1, 2, 3, 4)}
    space = load_space("pvtv2").restrict(**kept, head_width=(32, 48))
    model, supernet, arch = _model("pvt_v2_b0"), Supernet(space), space.named("PVTv2-B0")
    load_timm(supernet, arch, model.state_dict())
    _assert_same_answers(model, supernet.eval().extract(arch))


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "convnext_tiny", "pvt_v2_b0"])
def test_every_layer_norm_has_the_epsilon_of_timm(name: str) -> None:
    family, label = MODELS[name]
    space, model = load_space(family), _model(name)
    network = network_from_timm(space, space.named(label), model.state_dict())
    ours = Counter(m.eps for m in network.modules() if isinstance(m, nn.LayerNorm))
    ours[1e-5] += sum(isinstance(m, PatchMerging) for m in network.modules())
    assert ours == Counter(m.eps for m in model.modules() if isinstance(m, nn.LayerNorm))
