"""What every registered device must hold."""

import json
import subprocess
import sys
from importlib import util

import pytest
from typer.testing import CliRunner

from vitnas.cli import app
from vitnas.errors import DeviceError, UnknownNameError
from vitnas.latency_lut.devices import DEVICES, cuda, load_device
from vitnas.latency_lut.devices.measured import ABSENT
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import Blueprint, LayerSpec

BRIEF = TimingSettings(block_ms=2, blocks=12, warmup_ms=10, max_warmup_ms=60, max_repeats=2)
LAYER = Blueprint.single(LayerSpec.of("feed_forward", (65, 96), (65, 96), hidden=384))
QUICK = ("cpu", "cpu-int8")
"""Measured in every test run; the others take longer to start."""


@pytest.fixture(params=list(DEVICES))
def device(request):
    return load_device(request.param)


def usable(names):
    """Devices of these names; those that are not usable here are skipped with what is missing."""
    return [
        pytest.param(
            name,
            marks=[pytest.mark.skipif(missing is not None, reason=str(missing))]
            + ([] if name in QUICK else [pytest.mark.slow]),
        )
        for name in names
        for missing in [load_device(name).missing()]
    ]


def test_it_says_what_it_is(device):
    assert device.name in DEVICES
    found = device.fingerprint()
    assert {"runtime", "precision", "threads", "batch", "processor"} <= found.keys()
    assert json.loads(json.dumps(found)) == found == load_device(device.name).fingerprint()


def test_another_process_says_the_same():
    code = (
        "import json; from vitnas.latency_lut.devices import DEVICES, load_device;"
        "print(json.dumps({n: load_device(n).fingerprint() for n in DEVICES}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(out) == {name: load_device(name).fingerprint() for name in DEVICES}


@pytest.mark.parametrize("name", usable(name for name in DEVICES if load_device(name).origin == "measured here"))
def test_two_timings_of_a_layer_agree_within_their_spread(name):
    device = load_device(name)
    empty, first, second = device.time([Blueprint((), ()), LAYER, LAYER], BRIEF)
    for timing in (empty, first, second):
        assert 0 < timing.min_ms <= timing.median_ms <= timing.p90_ms
        assert timing.iqr_ms >= 0
    if timing.provenance == "measured":
        assert {t.blocks for t in (empty, first, second)} == {BRIEF.blocks}
        assert timing.reference_ms > 0
    assert empty.median_ms < min(first.median_ms, second.median_ms)
    generous = 10 * max(first.iqr_ms, second.iqr_ms) + 0.5 * first.median_ms
    assert abs(first.median_ms - second.median_ms) <= generous


@pytest.mark.parametrize("name", usable(name for name in DEVICES if load_device(name).origin == "measured here"))
def test_the_reference_may_be_another_network(name):
    idle, beside_nothing = load_device(name).time([Blueprint((), ()), LAYER], BRIEF, Blueprint((), ()))
    if idle.provenance == "measured":
        assert idle.reference_ms < 0.5 * beside_nothing.median_ms


def test_a_device_that_cannot_be_used_says_what_to_install(device):
    missing = device.missing()
    if missing is None:
        return
    assert "install" in missing
    with pytest.raises(DeviceError, match=f"device '{device.name}' cannot be used here: "):
        list(device.time([LAYER], BRIEF))


def test_a_gpu_needs_the_package_that_uses_it(monkeypatch):
    monkeypatch.setattr(cuda, "_gpu", lambda: ("NVIDIA H100", "CUDA 13.0"))
    monkeypatch.setattr(cuda, "version", lambda name: ABSENT)
    assert (
        "without CUDA; pip uninstall onnxruntime, then pip install onnxruntime-gpu"
        in load_device("cuda-onnxruntime").missing()
    )
    monkeypatch.setattr(cuda, "version", lambda name: "1.31.1")
    assert load_device("cuda-onnxruntime").missing() is None
    if util.find_spec("tensorrt") is None:
        assert load_device("cuda-tensorrt").missing() == "the package 'tensorrt' is not installed; pip install tensorrt"


def test_options_are_part_of_the_name():
    device = load_device("cpu", threads=2, batch=8)
    assert device.name == "cpu-2threads-batch8"
    assert (device.fingerprint()["threads"], device.fingerprint()["batch"]) == (2, 8)
    assert device.fingerprint()["clock"] == "wall_clock" != load_device("cpu").fingerprint()["clock"]
    assert load_device(device.name).fingerprint() == device.fingerprint()
    assert load_device("cpu-openvino-int8-batch4").name == "cpu-openvino-int8-batch4"
    assert load_device("cpu-1threads").name == load_device("cpu", threads=1, batch=1).name == "cpu"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cpu-2threads", {"threads": 4}, "'cpu-2threads' already says threads"),
        ("cpu", {"batch": 0}, "batch must be a whole number above zero, got 0"),
        ("iphone12", {"threads": 2}, "device 'iphone12' has no options"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, options, message):
    with pytest.raises(DeviceError, match=message):
        load_device(name, **options)


@pytest.mark.parametrize("name", ["cpuu", "cpuu-2threads"])
def test_an_unknown_device_names_the_nearest(name):
    with pytest.raises(UnknownNameError, match=f"no device named '{name}'.*Did you mean 'cpu"):
        load_device(name)


def test_the_command_lists_every_device_with_what_is_missing():
    found = CliRunner().invoke(app, ["devices", "--json"])
    assert found.exit_code == 0, found.output
    listed = {entry["name"]: entry for entry in json.loads(found.stdout)}
    assert list(listed) == DEVICES.names()
    for name, entry in listed.items():
        device = load_device(name)
        assert entry["missing"] == device.missing()
        assert entry["usable"] == (entry["missing"] is None)
        assert (entry["origin"], entry["stated_error"]) == (device.origin, device.stated_error)
        assert entry["origin"] == "measured here" or entry["stated_error"], (
            f"{name} is not measured; how far is it off?"
        )
    shown = CliRunner().invoke(app, ["devices"])
    assert all(name in shown.stdout for name in DEVICES)
