"""The kinds of layers by name, and how to build one from its spec."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from vitnas.registry import Registry
from vitnas.search_spaces import LayerSpec

if TYPE_CHECKING:
    from vitnas.supernets.layers.layer import Layer

LAYERS: Registry[type[Layer]] = Registry(
    "layer kind",
    "vitnas.layers",
    {
        "additive_attention": "vitnas.supernets.mixers.additive_attention:AdditiveAttention",
        "attention": "vitnas.supernets.layers.attention:Attention",
        "attention_classifier": "vitnas.supernets.layers.attention_classifier:AttentionClassifier",
        "attention_downsampling": "vitnas.supernets.layers.attention_downsampling:AttentionDownsampling",
        "channel_embedding": "vitnas.supernets.layers.channel_embedding:ChannelEmbedding",
        "bottleneck_conv": "vitnas.supernets.layers.bottleneck_conv:BottleneckConv",
        "classifier": "vitnas.supernets.layers.classifier:Classifier",
        "conv_feed_forward": "vitnas.supernets.layers.conv_feed_forward:ConvFeedForward",
        "conv_head": "vitnas.supernets.layers.conv_head:ConvHead",
        "conv_merging": "vitnas.supernets.layers.conv_merging:ConvMerging",
        "conv_patch_embedding": "vitnas.supernets.layers.conv_patch_embedding:ConvPatchEmbedding",
        "conv_stem": "vitnas.supernets.layers.conv_stem:ConvStem",
        "convnext_block": "vitnas.supernets.layers.convnext:ConvNeXtBlock",
        "cross_window_attention": "vitnas.supernets.mixers.cross_window_attention:CrossWindowAttention",
        "depthwise_conv": "vitnas.supernets.layers.depthwise_conv:DepthwiseConv",
        "depthwise_downsampling": "vitnas.supernets.layers.depthwise_downsampling:DepthwiseDownsampling",
        "downsample_conv": "vitnas.supernets.layers.downsample_conv:DownsampleConv",
        "excited_mbconv": "vitnas.supernets.layers.excited_mbconv:ExcitedMBConv",
        "feed_forward": "vitnas.supernets.layers.feed_forward:FeedForward",
        "feed_forward_stack": "vitnas.supernets.layers.feed_forward_stack:FeedForwardStack",
        "flexible_patch_embedding": "vitnas.supernets.layers.flexible_patch_embedding:FlexiblePatchEmbedding",
        "fused_mbconv": "vitnas.supernets.layers.fused_mbconv:FusedMBConv",
        "gated_feed_forward": "vitnas.supernets.layers.gated_feed_forward:GatedFeedForward",
        "gated_linear_unit": "vitnas.supernets.mixers.gated_linear_unit:GatedLinearUnit",
        "global_exit": "vitnas.supernets.layers.global_exit:GlobalExit",
        "global_query_attention": "vitnas.supernets.mixers.global_query_attention:GlobalQueryAttention",
        "hilo_attention": "vitnas.supernets.mixers.hilo_attention:HiloAttention",
        "idle_feed_forward": "vitnas.supernets.layers.idle_feed_forward:IdleFeedForward",
        "large_kernel": "vitnas.supernets.mixers.large_kernel:LargeKernel",
        "layernorm_downsampling": "vitnas.supernets.layers.layernorm_downsampling:LayerNormDownsampling",
        "linear_attention": "vitnas.supernets.mixers.linear_attention:LinearAttention",
        "local_exit": "vitnas.supernets.layers.local_exit:LocalExit",
        "lookup": "vitnas.supernets.mixers.lookup:Lookup",
        "low_rank_attention": "vitnas.supernets.layers.low_rank_attention:LowRankAttention",
        "low_rank_feed_forward": "vitnas.supernets.layers.low_rank_feed_forward:LowRankFeedForward",
        "map_attention": "vitnas.supernets.mixers.softmax_attention:SoftmaxAttention",
        "map_classifier": "vitnas.supernets.layers.map_classifier:MapClassifier",
        "map_feed_forward": "vitnas.supernets.layers.map_feed_forward:MapFeedForward",
        "map_residual_reduction": "vitnas.supernets.layers.map_residual_reduction:MapResidualReduction",
        "map_stem": "vitnas.supernets.layers.map_stem:MapStem",
        "mbconv": "vitnas.supernets.layers.mbconv:MBConv",
        "mask_head": "vitnas.supernets.layers.mask_head:MaskHead",
        "meta_feed_forward": "vitnas.supernets.layers.meta_feed_forward:MetaFeedForward",
        "mix_shift": "vitnas.supernets.mixers.mix_shift:MixShift",
        "mixture_mask_attention": "vitnas.supernets.mixers.mixture_mask_attention:MixtureMaskAttention",
        "neighbourhood_attention": "vitnas.supernets.mixers.neighbourhood_attention:NeighbourhoodAttention",
        "next_conv_block": "vitnas.supernets.layers.next_conv_block:NextConvBlock",
        "next_transformer_block": "vitnas.supernets.layers.next_transformer_block:NextTransformerBlock",
        "offset_attention": "vitnas.supernets.layers.offset_attention:OffsetAttention",
        "overlapping_merging": "vitnas.supernets.layers.overlapping_merging:OverlappingMerging",
        "padded_stem": "vitnas.supernets.layers.padded_stem:PaddedStem",
        "patch_embedding": "vitnas.supernets.layers.patch_embedding:PatchEmbedding",
        "patch_merging": "vitnas.supernets.layers.patch_merging:PatchMerging",
        "pool_embedding": "vitnas.supernets.layers.pool_embedding:PoolEmbedding",
        "pool_mixing": "vitnas.supernets.layers.pool_mixing:PoolMixing",
        "pooled_reduction_attention": "vitnas.supernets.mixers.spatial_reduction:PooledReductionAttention",
        "pooling_mixer": "vitnas.supernets.mixers.pooling:PoolingMixer",
        "postact_mbconv": "vitnas.supernets.layers.postact_mbconv:PostactMBConv",
        "recursive_block": "vitnas.supernets.layers.recursive_block:RecursiveBlock",
        "recursive_gate": "vitnas.supernets.mixers.recursive_gate:RecursiveGate",
        "reducing_attention": "vitnas.supernets.layers.reducing_attention:ReducingAttention",
        "residual_map": "vitnas.supernets.layers.residual_map:ResidualMap",
        "residual_reduction": "vitnas.supernets.layers.residual_reduction:ResidualReduction",
        "retention": "vitnas.supernets.mixers.retention:Retention",
        "rotary_attention": "vitnas.supernets.layers.rotary_attention:RotaryAttention",
        "scale_aware_modulation": "vitnas.supernets.mixers.scale_aware_modulation:ScaleAwareModulation",
        "slim_attention": "vitnas.supernets.layers.slim_attention:SlimAttention",
        "spatial_reduction_attention": "vitnas.supernets.mixers.spatial_reduction:SpatialReductionAttention",
        "spectral_gate": "vitnas.supernets.mixers.spectral_gate:SpectralGate",
        "stacked_stem": "vitnas.supernets.layers.stacked_stem:StackedStem",
        "stitch": "vitnas.supernets.layers.stitch:Stitch",
        "talking_attention": "vitnas.supernets.layers.talking_attention:TalkingAttention",
        "tanh_classifier": "vitnas.supernets.layers.tanh_classifier:TanhClassifier",
        "tokens_to_token": "vitnas.supernets.layers.tokens_to_token:TokensToToken",
        "unbiased_window_attention": "vitnas.supernets.mixers.unbiased_window_attention:UnbiasedWindowAttention",
        "value_conv_attention": "vitnas.supernets.layers.value_conv_attention:ValueConvAttention",
        "widening_classifier": "vitnas.supernets.layers.widening_classifier:WideningClassifier",
        "window_attention": "vitnas.supernets.mixers.window_attention:WindowAttention",
        "windowed_attention": "vitnas.supernets.layers.windowed_attention:WindowedAttention",
        "window_merging": "vitnas.supernets.layers.window_merging:WindowMerging",
    },
)


def build(spec: LayerSpec) -> Layer:
    """The layer of this spec with freshly initialised weights."""
    return LAYERS.load(spec.kind)(spec)


@lru_cache(maxsize=100_000)
def outline(spec: LayerSpec) -> Layer:
    """The layer of this spec on the meta device: its structure and shapes without any weights."""
    with torch.device("meta"):
        return build(spec)
