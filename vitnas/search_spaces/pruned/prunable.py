"""What may be removed from a layer, kind by kind: attributes that shrink, and layers that can be left out.

An attribute stands here if a layer with less of it is the given layer with the weights of the rest at zero; a test holds
every entry against the layers themselves. Kinds that are not here keep the one form that they have.
"""

from __future__ import annotations

from collections.abc import Mapping

from vitnas.search_spaces.blueprint import LayerSpec

SHRINKS: Mapping[str, tuple[str, ...]] = {
    "attention": ("heads",),
    "attention_downsampling": ("heads",),
    "bottleneck_conv": ("hidden",),
    "conv_feed_forward": ("hidden",),
    "convnext_block": ("hidden",),
    "excited_mbconv": ("hidden",),
    "feed_forward": ("hidden",),
    "feed_forward_stack": ("hidden",),
    "fused_mbconv": ("hidden",),
    "gated_feed_forward": ("hidden",),
    "gated_linear_unit": ("hidden",),
    "linear_attention": ("heads",),
    "low_rank_attention": ("rank",),
    "low_rank_feed_forward": ("rank",),
    "map_attention": ("heads",),
    "map_feed_forward": ("hidden",),
    "mbconv": ("hidden",),
    "meta_feed_forward": ("hidden",),
    "mixture_mask_attention": ("heads",),
    "neighbourhood_attention": ("heads",),
    "next_conv_block": ("hidden",),
    "next_transformer_block": ("hidden",),
    "offset_attention": ("heads", "value_width"),
    "pooled_reduction_attention": ("heads",),
    "postact_mbconv": ("hidden",),
    "retention": ("heads",),
    "rotary_attention": ("heads", "value_width"),
    "slim_attention": ("heads", "key_width", "value_width"),
    "spatial_reduction_attention": ("heads",),
    "talking_attention": ("heads",),
    "unbiased_window_attention": ("heads",),
    "value_conv_attention": ("heads", "value_width"),
    "window_attention": ("heads",),
    "windowed_attention": ("heads",),
}

RESIDUAL = frozenset(
    {
        "additive_attention", "attention", "conv_feed_forward", "convnext_block", "feed_forward", "feed_forward_stack",
        "gated_feed_forward", "gated_linear_unit", "idle_feed_forward", "linear_attention", "low_rank_attention",
        "low_rank_feed_forward", "map_attention", "map_feed_forward", "meta_feed_forward", "mixture_mask_attention", "neighbourhood_attention", "next_conv_block", "offset_attention",
        "pool_mixing", "pooled_reduction_attention", "pooling_mixer", "reducing_attention", "residual_map", "retention", "rotary_attention", "slim_attention",
        "spatial_reduction_attention", "talking_attention", "unbiased_window_attention", "value_conv_attention",
        "window_attention", "windowed_attention",
    }
)  # fmt: skip
"""Kinds that are x + f(x) wherever their two shapes agree, so that f can be left out."""

TOKEN_STREAM = frozenset(
    {
        "patch_embedding",
        "flexible_patch_embedding",
        "channel_embedding",
        "attention",
        "windowed_attention",
        "slim_attention",
        "rotary_attention",
        "feed_forward",
        "idle_feed_forward",
        "low_rank_attention",
        "low_rank_feed_forward",
        "residual_map",
        "classifier",
    }
)
"""Kinds on tokens of one width that no attribute repeats: a network of these alone can be narrowed as a whole."""


def shrinking(spec: LayerSpec) -> tuple[str, ...]:
    """The attributes of a layer that may become smaller."""
    if spec.kind == "mbconv" and not spec["expand"]:
        return ()  # its hidden channels are those that come in
    return SHRINKS.get(spec.kind, ())


def can_be_left_out(spec: LayerSpec) -> bool:
    """Whether a network without this layer is a network."""
    return spec.kind in RESIDUAL and spec.in_shape == spec.out_shape


def steps(full: int, most: int, multiple: int) -> tuple[int, ...]:
    """Up to `most` sizes in equal steps up to `full`.

    All but the last are multiples of `multiple`, or of its half, quarter and so on where `full` has not so many.
    """
    while multiple > 1 and full < most * multiple:
        multiple //= 2
    sizes = {(2 * full * i + most * multiple) // (2 * most * multiple) * multiple for i in range(1, most)}
    return (*sorted(size for size in sizes if 0 < size < full), full)
