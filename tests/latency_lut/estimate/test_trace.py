"""Operators of a network: against hand counts, torch.export, the flop counter and ONNX."""

import importlib.util
import operator

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from vitnas.errors import DeviceError, UnknownNameError
from vitnas.latency_lut.estimate.names import KINDS, plain
from vitnas.latency_lut.estimate.networks import layer_ops, timm_network, timm_ops
from vitnas.latency_lut.estimate.onnx import onnx_ops
from vitnas.latency_lut.estimate.trace import Recorder, trace
from vitnas.latency_lut.runtimes.onnx import to_onnx
from vitnas.search_spaces import load_space
from vitnas.supernets.layers import build
from vitnas.supernets.supernet import build_network

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.GELU())
        self.mix = nn.Conv2d(8, 8, 5, 1, 2, groups=8)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.mix(x)
        x = self.norm(x.flatten(2).transpose(1, 2))
        q, k, v = self.qkv(x).unsqueeze(1).chunk(3, dim=-1)
        x = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.head(x.squeeze(1).mean(1))


def on_meta(network):
    return network.to("meta").eval()


def test_operators_by_hand():
    ops = trace(on_meta(Small()), (3, 16, 16))
    assert [(op.kind, op.name, op.activation) for op in ops] == [
        ("conv", "conv2d", "gelu"),
        ("depthwise", "conv2d", ""),
        ("elementwise", "add", ""),
        ("reshape", "flatten", ""),
        ("move", "transpose", ""),
        ("norm", "layer_norm", ""),
        ("linear", "linear", ""),
        ("reshape", "unsqueeze", ""),
        ("move", "chunk", ""),
        ("matmul", "matmul", ""),
        ("softmax", "softmax", ""),
        ("matmul", "matmul", ""),
        ("reshape", "squeeze", ""),
        ("reduce", "mean", ""),
        ("linear", "linear", ""),
    ]
    stem, mix, *_ = ops
    assert (stem.macs, stem.read, stem.written, stem.weights) == (8 * 64 * 27, 3 * 256, 8 * 64, 8 * 27)
    assert (stem.kernel, stem.stride, stem.channels_in, stem.channels_out) == (3, 2, 3, 8)
    assert (mix.macs, mix.batch, mix.weights) == (8 * 64 * 25, 8, 8 * 25 + 8)
    assert [op.macs for op in ops if op.kind == "matmul"] == [64 * 64 * 8] * 2
    assert [op.macs for op in ops if op.kind == "linear"] == [64 * 8 * 24, 5 * 8]


def test_constants_cost_nothing_and_scales_fold():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 6, 1)
            self.gamma = nn.Parameter(torch.ones(6, 1, 1))
            self.table = nn.Parameter(torch.ones(3, 6))

        def forward(self, x):
            bias = self.table.softmax(0)[1].reshape(6, 1, 1) * 2
            return (self.conv(x) * self.gamma).relu_() + bias

    ops = trace(on_meta(Scaled()), (4, 8, 8))
    assert [(op.kind, op.activation) for op in ops] == [("conv", "relu"), ("elementwise", "")]
    assert ops[1].weights == 6


def exported_ops(network, shape):
    """The same recorder over the graph of torch.export."""
    program = torch.export.export(network, (torch.empty(1, *shape, device="meta"),), strict=False)
    recorder = Recorder()
    images = set(program.graph_signature.user_inputs)
    values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in images:
            recorder.follow(values[node.name])
        if node.target is operator.getitem:  # one of several results is the very tensor
            values[node.name] = values[node.args[0].name][node.args[1]]
        if node.op == "call_function" and hasattr(node.target, "_schema"):
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: values[n.name])
            recorder.record(node.target._schema.name, args, kwargs, values[node.name])
    return recorder.ops


def work(ops):
    """What an exported graph and a run must agree in: order and shapes of all that computes."""
    kept = ("conv", "depthwise", "grouped", "linear", "matmul", "norm", "softmax")
    return [(op.kind, op.out_shape, op.macs, op.weights, op.activation) for op in ops if op.kind in kept]


def test_it_is_the_exported_graph():
    network = on_meta(Small())
    assert work(trace(network, (3, 16, 16))) == work(exported_ops(network, (3, 16, 16)))


@needs_timm
@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv4_conv_small",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("efficientformerv2_s0", "deit_tiny_patch16_224", "mobilevitv2_050", "repvit_m0_9")
        ),
    ],
)
def test_timm_models_are_their_exported_graphs(name):
    network, shape = timm_network(name)
    ours, exported = trace(network, shape), exported_ops(network, shape)
    assert work(ours) == work(exported)
    # views are spelled in several ways; what they move must be the same to a few operators
    moved = [sum(op.written for op in ops if op.kind == "move") for ops in (ours, exported)]
    assert moved[0] == pytest.approx(moved[1], rel=0.35)


@pytest.mark.heavy
@needs_timm
def test_deployed_forms_have_one_branch():
    ops = timm_ops("mobileone_s0")
    assert not any(op.name == "batch_norm" for op in ops)
    assert sum(op.kind in ("conv", "depthwise", "grouped") for op in ops) == 43


@needs_timm
def test_an_unknown_model_names_near_ones():
    with pytest.raises(UnknownNameError, match="no model 'fastvit_sa13'; did you mean fastvit_sa"):
        timm_ops("fastvit_sa13")
    with pytest.raises(DeviceError, match="does not run on 512 pixels"):
        timm_ops("efficientformer_l1", 512)


@pytest.mark.heavy
@pytest.mark.parametrize("space", ["autoformer-tiny", "elasticvit", "mixers"])
def test_layers_count_the_macs_that_the_flop_counter_counts(space):
    space = load_space(space)
    for spec in space.lower(space.largest()):
        flops = FlopCounterMode(display=False)
        with torch.device("meta"):
            layer = build(spec).to("meta").eval()
        with torch.no_grad(), flops:
            layer(torch.empty(1, *spec.in_shape, device="meta"))
        assert sum(op.macs for op in layer_ops(spec)) == flops.get_total_flops() // 2, spec.key


def test_a_network_has_the_operators_of_its_layers():
    space = load_space("elasticvit")
    blueprint = space.lower(space.smallest())
    with torch.device("meta"):
        network = build_network(blueprint)
    whole = trace(on_meta(network), blueprint.in_shape)
    assert whole == [op for spec in blueprint for op in layer_ops(spec)]


@pytest.mark.parametrize("open_batch", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_onnx_file_holds_the_same_work(open_batch, tmp_path):
    to_onnx(Small().eval(), torch.zeros(1, 3, 16, 16), tmp_path / "small.onnx", dynamic_batch=open_batch)
    computing = [
        [(op.kind, op.macs, op.activation) for op in ops if op.macs or op.kind in ("norm", "softmax")]
        for ops in (trace(on_meta(Small()), (3, 16, 16)), onnx_ops(tmp_path / "small.onnx"))
    ]
    assert computing[0] == computing[1]


def test_bad_onnx_files_are_named(tmp_path):
    with pytest.raises(DeviceError, match="does not exist"):
        onnx_ops(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    with pytest.raises(DeviceError, match="cannot be read as an ONNX network"):
        onnx_ops(tmp_path / "bad.onnx")


def test_macs_agree_with_the_flop_counter_on_a_network():
    network = on_meta(Small())
    flops = FlopCounterMode(display=False)
    with torch.no_grad(), flops:
        network(torch.empty(1, 3, 16, 16, device="meta"))
    assert sum(op.macs for op in trace(network, (3, 16, 16))) == flops.get_total_flops() // 2


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("__iadd__", "add"),
        ("add_", "add"),
        ("__rsub__", "sub"),
        ("aten::mul.Tensor", "mul"),
        ("__getitem__", "getitem"),
    ],
)
def test_spellings_of_one_operator(name, known):
    assert plain(name) == known
    assert known in KINDS


def test_every_leaf_is_seen_once():
    recorder = Recorder()
    x = torch.empty(1, 4, 2, 2, device="meta")
    recorder.follow(x)
    with recorder:
        parts = x.chunk(2, dim=1)
    assert len(tree_leaves(parts)) == 2
    assert [op.written for op in recorder.ops] == [16]
