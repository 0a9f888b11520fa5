from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from vitnas.errors import DeviceError, ExportError
from vitnas.latency_lut.runtimes.onnx import INPUT, OUTPUT, BlueprintFiles, open_session, to_onnx
from vitnas.search_spaces import Blueprint, load_space
from vitnas.supernets.supernet import build_network

SPACE = load_space("autoformer-mini").restrict(depth=(3,))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network(SPACE.lower(SPACE.smallest()))


def run(path, x):
    return open_session(path, threads=1).run([OUTPUT], {INPUT: x.numpy()})[0]


@pytest.mark.parametrize(("dynamic", "batch"), [(False, 1), (True, 5)])
def test_a_graph_computes_what_its_module_computes(tmp_path, capfd, network, dynamic, batch):
    network.train()
    path = tmp_path / "net.onnx"
    to_onnx(network, torch.zeros(1, 1, 8, 8), path, dynamic_batch=dynamic)
    assert network.training
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    assert capfd.readouterr().out == ""
    x = torch.randn(batch, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = network.eval()(x).detach().numpy()
    np.testing.assert_allclose(run(path, x), expected, atol=1e-5)


def test_a_chain_of_layers_is_the_network_converted_whole(tmp_path):
    blueprint = SPACE.lower(SPACE.smallest())
    chain = BlueprintFiles(tmp_path, seed=3).file(blueprint)
    layers = []
    for spec in blueprint:
        torch.manual_seed(3)
        layers.append(build_network(Blueprint.single(spec)))
    network = nn.Sequential(*layers).eval()
    whole = tmp_path / "whole.onnx"
    to_onnx(network, torch.zeros(1, *blueprint.in_shape), whole)
    operators = [Counter(node.op_type for node in onnx.load(path).graph.node) for path in (chain, whole)]
    assert operators[0] == operators[1]
    onnx.checker.check_model(onnx.load(chain), full_check=True)
    x = torch.randn(1, *blueprint.in_shape)
    np.testing.assert_allclose(run(chain, x), network(x).detach().numpy(), atol=1e-5)


def test_the_empty_blueprint_hands_its_input_on(tmp_path):
    path = BlueprintFiles(tmp_path).file(Blueprint((), ()))
    assert run(path, torch.tensor([3.5])) == [3.5]


def test_a_module_that_cannot_be_converted_is_named(tmp_path):
    class Branches(nn.Module):
        def forward(self, x):
            return x if x.sum().item() > 0 else -x

    with pytest.raises(ExportError, match=r"'net.onnx': the ONNX exporter of torch"):
        to_onnx(Branches(), torch.zeros(1, 2), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    with pytest.raises(DeviceError, match="does not exist"):
        open_session(tmp_path / "net.onnx", 1)
    (tmp_path / "net.onnx").write_bytes(b"nothing")
    with pytest.raises(DeviceError, match="cannot load"):
        open_session(tmp_path / "net.onnx", 1)
