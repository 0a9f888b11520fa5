"""The shipped model, the device it stands behind, the flag, and the command."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from vitnas.cli import app
from vitnas.errors import DeviceError, UnknownNameError
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.devices.device import reference_network
from vitnas.latency_lut.estimate import Op, load_model
from vitnas.latency_lut.estimate.cost import GUESS, PRICES, OperatorWork
from vitnas.latency_lut.estimate.model import MODELS
from vitnas.latency_lut.estimate.networks import layer_ops
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.runtimes.onnx import to_onnx
from vitnas.latency_lut.settings import TimingSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import Blueprint, load_space
from vitnas.supernets.supernet import build_network

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")


def conv(**changes):
    op = Op("conv", "conv2d", (1, 64, 28, 28), 64 * 784 * 576, 64 * 784, 64 * 784, 64 * 576, inner=576, kernel=3)
    return dataclasses.replace(op, **changes)


def test_derivatives_are_those_of_the_cost():
    ops = [
        conv(),
        conv(kind="depthwise", macs=64 * 784 * 9, activation="gelu"),
        *layer_ops(load_space("deit").lower(load_space("deit").smallest()).layers[1]),
    ]
    work, step = OperatorWork.of(ops), 1e-7
    _, slope = work.cost_ms(GUESS, 1.0)
    for i in range(1, len(PRICES)):
        moved = GUESS.copy()
        moved[i] += step
        change = (work.cost_ms(moved, 1.0)[0] - work.cost_ms(GUESS, 1.0)[0]) / step
        np.testing.assert_allclose(slope[:, i], change, rtol=1e-3, atol=1e-5, err_msg=str(PRICES[i]))


@pytest.mark.parametrize("name", ["macs", "read", "written", "weights"])
def test_more_work_never_takes_less(name):
    model = load_model("iphone12")
    less, more = conv(), conv(**{name: 2 * getattr(conv(), name)})
    assert model.op_ms([more], "iphone12")[0] >= model.op_ms([less], "iphone12")[0]


def test_arithmetic_alone_is_priced_as_arithmetic():
    heavy = conv(macs=10**12, read=1, written=1, weights=0)
    prices = load_model("iphone12").members[0]
    assert prices.cost_ms(OperatorWork.of([heavy]))[0] == pytest.approx(
        1000 * prices.prices["arithmetic"]["conv"], rel=1e-4
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_model_states_its_error_and_sources(name):
    model = load_model(name)
    assert {device for device, file in MODELS.items() if file == MODELS[name]} == set(model.devices)
    found = model.devices[name].accuracy
    assert 0.05 < found.fidelity.mape < 0.27
    assert found.fidelity.spearman > 0.85
    assert found.families >= 8
    assert 0.5 < found.within_sigma < 0.85 < found.within_90
    assert model.sources
    assert found.reach_90 is not None
    assert found.sigma < found.reach_90 < 3 * found.sigma
    assert load_device(name).fingerprint()["batch"] == model.batch


def test_the_phone_that_matters_most_is_told_best():
    assert load_model("iphone12").devices["iphone12"].accuracy.fidelity.mape < 0.15
    assert load_model("iphone12").devices["iphone12"].accuracy.reach_90 is not None
    assert len(load_model("iphone12").sources) > 15
    with pytest.raises(UnknownNameError, match="no estimate for device 'iphone2'.*Did you mean 'iphone12'"):
        load_model("iphone2")


def test_where_nothing_tells_of_falling_back_nothing_is_said():
    found = load_model("rtx4090").estimate([conv(activation="hardswish")], "rtx4090")
    assert (found.placement, found.fallback_ms) == (None, None)
    told = json.loads(run("--device", "rtx4090", "--space", "deit", "--arch", "DeiT-S", "--json").stdout)
    assert (told["placement"], told["fallback_ms"], told["batch"]) == (None, None, 1024)
    assert (
        "a call of 1024 images (estimated, not measured)"
        in run("--device", "rtx4090", "--space", "deit", "--arch", "DeiT-S").stdout
    )


def test_a_network_is_its_constant_and_its_layers():
    device, model, space = load_device("iphone12"), load_model("iphone12"), load_space("elasticvit")
    blueprint = space.lower(space.largest())
    empty, whole, *layers = device.time(
        [Blueprint((), ()), blueprint, *map(Blueprint.single, blueprint)], TimingSettings()
    )
    assert empty.median_ms == pytest.approx(model.network_ms("iphone12"))
    assert whole.median_ms == pytest.approx(empty.median_ms + sum(t.median_ms - empty.median_ms for t in layers))
    ops = [op for spec in blueprint for op in layer_ops(spec)]
    assert whole.median_ms == pytest.approx(model.estimate(ops, "iphone12").ms)
    assert {t.provenance for t in (empty, whole, *layers)} == {"estimated"}


def test_a_table_without_a_phone(tmp_path):
    space, path = load_space("deit"), tmp_path / "deit.parquet"
    profile(space, load_device("iphone13"), path, progress=False)
    table = LatencyTable.read(path)
    assert table.provenances == {"estimated": len(space.lowering.specs)}
    assert "estimated, not measured" in table.header.source
    assert table.header.fidelity == load_model("iphone13").target("iphone13").accuracy.fidelity
    assert "is an estimate, which misses networks of families it has not seen" in table.warnings[0]
    codes = space.genome.sample(20, np.random.default_rng(0))
    archs = space.decode(codes)
    direct = [t.median_ms for t in load_device("iphone13").time([space.lower(a) for a in archs], TimingSettings())]
    np.testing.assert_allclose(table.latency_ms(space)(codes), direct, rtol=1e-9)
    relative = table.latency_std_ms(space)(codes) / np.array(direct)
    assert (relative > load_model("iphone13").relative_std("iphone13")).all()
    assert (relative < 0.5).all()


def run(*arguments):
    return CliRunner().invoke(app, ["estimate", *arguments])


def test_the_command_estimates_an_arch_of_a_space():
    found = run("--device", "iphone12", "--space", "deit", "--arch", "DeiT-Ti", "--json")
    told = json.loads(found.stdout)
    assert told["label"] == "estimated, not measured"
    assert sum(told["parts_ms"].values()) == pytest.approx(told["latency_ms"])
    assert {"attention", "feed_forward"} <= told["parts_ms"].keys()
    low, high = told["interval_90_ms"].values()
    assert 0.5 < low / told["latency_ms"] < 0.9
    assert low * high == pytest.approx(told["latency_ms"] ** 2)
    assert told["placement"] == "neural engine"  # known networks contradict that many tokens leave it
    assert told["fallback_ms"] is None
    assert any("196 or more tokens" in note and "stayed on this device" in note for note in told["notes"])
    text = run("--space", "deit", "--arch", "DeiT-Ti").stdout
    assert "estimated, not measured" in text
    assert f"90 % between {low:.2f} and {high:.2f} ms" in text
    assert "if it falls back" not in text


@needs_timm
@pytest.mark.heavy
def test_the_command_estimates_a_timm_model():
    told = json.loads(run("--timm", "mobileone_s0", "--json").stdout)
    assert told["placement"] == "neural engine"
    assert 0.4 < told["latency_ms"] < 1.0  # 0.7 to 0.8 ms published


def test_the_command_estimates_an_onnx_file(tmp_path):
    blueprint = reference_network()
    to_onnx(build_network(blueprint).eval(), torch.zeros(1, *blueprint.in_shape), tmp_path / "net.onnx")
    told = json.loads(run("--onnx", str(tmp_path / "net.onnx"), "--json").stdout)
    ops = [op for spec in blueprint for op in layer_ops(spec)]
    assert told["latency_ms"] == pytest.approx(load_model("iphone12").estimate(ops, "iphone12").ms, rel=0.15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to estimate"),
        (("--timm", "a", "--onnx", "b.onnx"), "only one of them"),
        (("--space", "deit"), "say what to estimate"),
        (("--onnx", "none.onnx", "--image-size", "32"), "--image-size is fixed"),
        (("--timm", "a", "--classes", "3"), "go with --space"),
        (("--device", "iphone99", "--timm", "a"), "no estimate for device 'iphone99'"),
    ],
)
def test_the_command_refuses(arguments, message):
    found = run(*arguments)
    assert found.exit_code != 0
    assert message in str(found.exception)


def test_devices_are_registered():
    assert load_device("iphone14").fingerprint()["runtime"] == "Core ML, estimated"
    with pytest.raises(DeviceError, match="is a folder"):
        profile(load_space("deit"), load_device("iphone12"), Path(__file__).parent, progress=False)
