"""Layer kinds, one file each, and how to build one from its spec."""

from __future__ import annotations

from functools import lru_cache

import torch

from vitnas.registry import Registry
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer

LAYERS: Registry[type[Layer]] = Registry(
    "layer kind",
    "vitnas.layers",
    {
        "attention": "vitnas.supernets.layers.attention:Attention",
        "attention_downsampling": "vitnas.supernets.layers.attention_downsampling:AttentionDownsampling",
        "classifier": "vitnas.supernets.layers.classifier:Classifier",
        "conv_feed_forward": "vitnas.supernets.layers.conv_feed_forward:ConvFeedForward",
        "conv_merging": "vitnas.supernets.layers.conv_merging:ConvMerging",
        "convnext_block": "vitnas.supernets.layers.convnext:ConvNeXtBlock",
        "depthwise_conv": "vitnas.supernets.layers.depthwise_conv:DepthwiseConv",
        "downsample_conv": "vitnas.supernets.layers.downsample_conv:DownsampleConv",
        "feed_forward": "vitnas.supernets.layers.feed_forward:FeedForward",
        "gated_feed_forward": "vitnas.supernets.layers.gated_feed_forward:GatedFeedForward",
        "hilo_attention": "vitnas.supernets.mixers.hilo_attention:HiloAttention",
        "layernorm_downsampling": "vitnas.supernets.layers.layernorm_downsampling:LayerNormDownsampling",
        "map_attention": "vitnas.supernets.mixers.softmax_attention:SoftmaxAttention",
        "map_classifier": "vitnas.supernets.layers.map_classifier:MapClassifier",
        "map_feed_forward": "vitnas.supernets.layers.map_feed_forward:MapFeedForward",
        "map_residual_reduction": "vitnas.supernets.layers.map_residual_reduction:MapResidualReduction",
        "map_stem": "vitnas.supernets.layers.map_stem:MapStem",
        "meta_feed_forward": "vitnas.supernets.layers.meta_feed_forward:MetaFeedForward",
        "next_conv_block": "vitnas.supernets.layers.next_conv_block:NextConvBlock",
        "next_transformer_block": "vitnas.supernets.layers.next_transformer_block:NextTransformerBlock",
        "offset_attention": "vitnas.supernets.layers.offset_attention:OffsetAttention",
        "patch_embedding": "vitnas.supernets.layers.patch_embedding:PatchEmbedding",
        "conv_stem": "vitnas.supernets.layers.conv_stem:ConvStem",
        "conv_head": "vitnas.supernets.layers.conv_head:ConvHead",
        "mbconv": "vitnas.supernets.layers.mbconv:MBConv",
        "value_conv_attention": "vitnas.supernets.layers.value_conv_attention:ValueConvAttention",
        "feed_forward_stack": "vitnas.supernets.layers.feed_forward_stack:FeedForwardStack",
        "patch_merging": "vitnas.supernets.layers.patch_merging:PatchMerging",
        "pool_embedding": "vitnas.supernets.layers.pool_embedding:PoolEmbedding",
        "pool_mixing": "vitnas.supernets.layers.pool_mixing:PoolMixing",
        "pooled_reduction_attention": "vitnas.supernets.mixers.spatial_reduction:PooledReductionAttention",
        "pooling_mixer": "vitnas.supernets.mixers.pooling:PoolingMixer",
        "postact_mbconv": "vitnas.supernets.layers.postact_mbconv:PostactMBConv",
        "spatial_reduction_attention": "vitnas.supernets.mixers.spatial_reduction:SpatialReductionAttention",
        "stacked_stem": "vitnas.supernets.layers.stacked_stem:StackedStem",
        "talking_attention": "vitnas.supernets.layers.talking_attention:TalkingAttention",
        "tokens_to_token": "vitnas.supernets.layers.tokens_to_token:TokensToToken",
        "window_attention": "vitnas.supernets.mixers.window_attention:WindowAttention",
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


__all__ = ["LAYERS", "Layer", "build", "outline"]
