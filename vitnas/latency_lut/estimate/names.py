"""What the operators of torch are called, in functional calls as in exported graphs, and the kind of work behind them."""

from __future__ import annotations

from vitnas.latency_lut.estimate.ops import Kind

_NAMES: dict[Kind, str] = {
    "norm": "batch_norm layer_norm group_norm instance_norm rms_norm normalize linalg_vector_norm norm local_response_norm",
    "softmax": "softmax log_softmax",
    "activation": (
        "relu relu6 hardtanh clamp clamp_min clip gelu silu sigmoid hardswish hardsigmoid tanh elu selu mish leaky_relu prelu "
        "softplus star_relu quick_gelu"
    ),
    "elementwise": (
        "add sub rsub mul div pow rpow sqrt rsqrt exp log neg abs square sin cos reciprocal maximum minimum where masked_fill "
        "addcmul lerp bitwise_not logical_not eq ne gt lt ge le"
    ),
    "reduce": "mean sum amax amin max min var std cumsum argmax argsort sort topk",
    "pool": "avg_pool1d avg_pool2d max_pool1d max_pool2d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d lp_pool2d",
    "reshape": (
        "reshape view flatten unflatten squeeze unsqueeze expand expand_as view_as reshape_as broadcast_to"
    ),
    "move": (
        "permute transpose t swapaxes movedim cat concat stack chunk split split_with_sizes unbind tensor_split getitem "
        "slice select narrow index index_select gather take roll flip pad repeat repeat_interleave tile unfold im2col fold "
        "pixel_shuffle pixel_unshuffle channel_shuffle scatter index_put grid_sample embedding meshgrid"
    ),
    "resize": "interpolate upsample upsample_nearest2d upsample_bilinear2d upsample_bicubic2d",
}  # fmt: skip
KINDS: dict[str, Kind] = {name: kind for kind, names in _NAMES.items() for name in names.split()}

CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d"})
PRODUCTS = frozenset({"matmul", "bmm", "mm", "einsum", "baddbmm", "addmm"})
NOTHING = frozenset(
    [
        "dropout",
        "identity",
        "contiguous",
        "clone",
        "to",
        "float",
        "type",
        "type_as",
        "half",
        "detach",
        "detach_",
        "alias",
        "lift_fresh_copy",
        "dropout2d",
        "feature_dropout",
        "alpha_dropout",
        "requires_grad_",
        "_to_copy",
        "_assert",
        "sym_size",
        "copy_",
        "data",
    ]
)
"""Copies, casts and checks that a converter drops."""

SPELLINGS = {
    "truediv": "div", "divide": "div", "true_divide": "div", "multiply": "mul", "subtract": "sub", "concatenate": "cat",
    "special_softmax": "softmax", "rtruediv": "div", "invert": "bitwise_not", "swapdims": "transpose",
    "scaled_dot_product_attention": "attention", "_softmax": "softmax", "unsafe_view": "view", "mT": "transpose",
    "T": "permute", "native_layer_norm": "layer_norm", "native_group_norm": "group_norm", "relu6": "hardtanh",
    "upsample_nearest2d": "interpolate", "upsample_bilinear2d": "interpolate", "upsample_bicubic2d": "interpolate",
}  # fmt: skip


def plain(name: str) -> str:
    """One name for an operator, its in-place twin and the operator sign that stands for it."""
    name = name.removeprefix("aten::").split(".")[0]
    bare = name.strip("_")
    if name.startswith("__"):  # __add__, __radd__, __iadd__
        for prefix in ("r", "i", ""):
            if bare.startswith(prefix) and (bare[len(prefix) :] in KINDS or bare[len(prefix) :] in SPELLINGS):
                bare = bare[len(prefix) :]
                break
    return SPELLINGS.get(bare, bare)
