"""Networks by the names that timm gives them, told from the name alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vitnas.errors import UnknownNameError, suggest
from vitnas.search_spaces.pruned.given import GivenArch, GivenNetwork
from vitnas.search_spaces.pruned.given_vit import GivenViT
from vitnas.search_spaces.published import SPACES
from vitnas.search_spaces.space import Task

OF_SPACES: Mapping[str, tuple[str, str]] = {
    "convnext_atto": ("convnext", "ConvNeXt-Atto"),
    "convnext_base": ("convnext", "ConvNeXt-B"),
    "convnext_femto": ("convnext", "ConvNeXt-Femto"),
    "convnext_nano": ("convnext", "ConvNeXt-Nano"),
    "convnext_pico": ("convnext", "ConvNeXt-Pico"),
    "convnext_small": ("convnext", "ConvNeXt-S"),
    "convnext_tiny": ("convnext", "ConvNeXt-T"),
    "deit_base_patch16_224": ("deit", "DeiT-B"),
    "deit_small_patch16_224": ("deit", "DeiT-S"),
    "deit_tiny_patch16_224": ("deit", "DeiT-Ti"),
    "efficientformer_l1": ("efficientformer", "EfficientFormer-L1"),
    "efficientformer_l3": ("efficientformer", "EfficientFormer-L3"),
    "efficientformer_l7": ("efficientformer", "EfficientFormer-L7"),
    "efficientformerv2_l": ("efficientformerv2", "EfficientFormerV2-L"),
    "efficientformerv2_s0": ("efficientformerv2", "EfficientFormerV2-S0"),
    "efficientformerv2_s1": ("efficientformerv2", "EfficientFormerV2-S1"),
    "efficientformerv2_s2": ("efficientformerv2", "EfficientFormerV2-S2"),
    "nextvit_base": ("nextvit", "Next-ViT-B"),
    "nextvit_large": ("nextvit", "Next-ViT-L"),
    "nextvit_small": ("nextvit", "Next-ViT-S"),
    "pvt_v2_b0": ("pvtv2", "PVTv2-B0"),
    "pvt_v2_b1": ("pvtv2", "PVTv2-B1"),
    "pvt_v2_b2": ("pvtv2", "PVTv2-B2"),
    "pvt_v2_b2_li": ("pvtv2", "PVTv2-B2-Li"),
    "pvt_v2_b3": ("pvtv2", "PVTv2-B3"),
    "pvt_v2_b4": ("pvtv2", "PVTv2-B4"),
    "pvt_v2_b5": ("pvtv2", "PVTv2-B5"),
    "swin_base_patch4_window7_224": ("swin", "Swin-B"),
    "swin_small_patch4_window7_224": ("swin", "Swin-S"),
    "swin_tiny_patch4_window7_224": ("swin", "Swin-T"),
    "tiny_vit_11m_224": ("tinyvit", "TinyViT-11M"),
    "tiny_vit_21m_224": ("tinyvit", "TinyViT-21M"),
    "tiny_vit_5m_224": ("tinyvit", "TinyViT-5M"),
}
"""timm's name -> the space that has the network, and its name there."""

SIZES: Mapping[str, dict[str, int]] = {
    name: {"width": width, "depth": depth, "heads": heads, "hidden": hidden}
    for name, width, depth, heads, hidden in [
        ("tiny", 192, 12, 3, 768),
        ("xsmall", 256, 10, 4, 1024),
        ("small", 384, 12, 6, 1536),
        ("medium", 512, 12, 8, 2048),
        ("betwixt", 640, 12, 10, 2560),
        ("base", 768, 12, 12, 3072),
        ("large", 1024, 24, 16, 4096),
        ("so400m", 1152, 27, 16, 4304),
        ("huge", 1280, 32, 16, 5120),
    ]
}

CLIP: dict[str, Any] = {"norm_first": True, "norm": "layer"}
PATCHES: dict[str, Any] = {"class_token": False, "pool": "mean"}
SIGLIP: dict[str, Any] = {"class_token": False, "pool": "attention"}
DINOV3: dict[str, Any] = {"registers": 4, "pool": "mean", "norm": "layer", "rotary": True}
VARIANTS: Mapping[str, dict[str, Any]] = {
    "": {},
    "clip": CLIP,
    "clip_quickgelu": CLIP | {"act": "quick-gelu"},
    "dinov2": {},
    "dinov3": DINOV3,
    "dinov3_qkvb": DINOV3,
    "gap": PATCHES,
    "reg4_dinov2": {"registers": 4},
    "siglip": SIGLIP,
    "siglip_gap": PATCHES,
}
"""What a plain ViT has that others have not, by what stands in its name between patch and image size."""

TANH = ("base_patch32_siglip", "large_patch16_siglip_512", "large_patch16_siglip_gap_512", "so400m_patch16_siglip")
"""Beginnings of SigLIP's names whose networks have the GELU with tanh."""

WITHOUT_SIZE = {"dinov2": 518, "reg4_dinov2": 518, "dinov3": 256, "dinov3_qkvb": 256}
"""Image sizes of what has none in its name."""

NAME = re.compile(r"(vit|deit3)_([a-z0-9]+)_patch(\d+)(?:_([a-z]\w*?))??(?:_(\d+))?")

NOT_YET: Mapping[str, str] = {
    r".*_distilled_": "has a distillation token with a head of its own, which no layer here reads",
    r".*_plus_patch16_dinov3|vit_7b_": "has a gated FFN",
    r"eva02|vit_.*_rope": "has rotary positions of another kind than DINOv3's",
    r"vit_gia|vit_gigantic": "is one of the giants, of other widths in every variant and some with a gated FFN",
    r"beit": "has relative positions in a table of its own",
    r".*_tipsv2|.*_radio|aimv2|.*_xp_|.*_rpn_|.*_18x2_|.*_36x1_|test_vit": "has blocks that no layer here computes or a size of its own",
}
"""Beginnings of names, and why their networks are not taken."""


def given_of_timm(name: str) -> GivenNetwork:
    """The network that timm calls so, with or without a tag such as ``.augreg_in21k``."""
    bare = name.partition(".")[0]
    if bare in OF_SPACES:
        space_name, label = OF_SPACES[bare]
        space = SPACES.load(space_name)()
        return GivenArch(f"timm:{name}", space, space.named(label))
    for pattern, reason in NOT_YET.items():
        if re.match(pattern, bare):
            raise UnknownNameError(
                f"network 'timm:{name}' {reason}; choose another one, such as a DeiT, ViT, DINOv2, DINOv3, CLIP or SigLIP"
            )
    found = _plain(name, bare)
    if found is None:
        raise UnknownNameError(
            f"no network 'timm:{name}' is known here; there are plain ViTs under timm's names, such as vit_small_patch16_224, "
            f"deit3_small_patch16_224, vit_small_patch14_dinov2, vit_base_patch16_clip_224 and vit_base_patch16_siglip_224; "
            f"of others {suggest(bare, OF_SPACES)}"
        )
    return found


def _plain(name: str, bare: str) -> GivenViT | None:
    match = NAME.fullmatch(bare)
    if match is None:
        return None
    kind, size, patch, variant, image = match[1], match[2], int(match[3]), match[4] or "", match[5]
    side = int(image) if image is not None else WITHOUT_SIZE.get(variant)
    if size not in SIZES or variant not in VARIANTS or side is None or (kind == "deit3" and variant):
        return None
    options = dict(SIZES[size], **VARIANTS[variant])
    if (size, variant) == ("base", "gap"):
        options["heads"] = 16
    if bare.removeprefix("vit_").startswith(TANH):
        options["act"] = "gelu-tanh"
    return GivenViT(f"timm:{name}", Task(image_size=side), patch=patch, **options)
