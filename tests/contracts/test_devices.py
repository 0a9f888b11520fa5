"""What every registered device must hold."""

import json
import subprocess
import sys

import pytest

from vitnas.errors import UnknownNameError
from vitnas.latency_lut import DEVICES, TimingSettings, load_device
from vitnas.search_spaces import Blueprint, LayerSpec

BRIEF = TimingSettings(block_ms=2, blocks=12, warmup_ms=10, max_warmup_ms=60)
LAYER = Blueprint.single(LayerSpec.of("feed_forward", (65, 96), (65, 96), hidden=384))


@pytest.fixture(params=list(DEVICES))
def device(request):
    return load_device(request.param)


def test_it_says_what_it_is(device):
    assert device.name in DEVICES
    found = device.fingerprint()
    assert {"runtime", "precision", "threads", "batch", "processor"} <= found.keys()
    assert json.loads(json.dumps(found)) == found == load_device(device.name).fingerprint()
    code = f"import json; from vitnas.latency_lut import load_device; print(json.dumps(load_device({device.name!r}).fingerprint()))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(out) == found


def test_two_timings_of_a_layer_agree_within_their_spread(device):
    empty, first, second = device.time([Blueprint((), ()), LAYER, LAYER], BRIEF)
    for timing in (empty, first, second):
        assert 0 < timing.min_ms <= timing.median_ms <= timing.p90_ms
        assert timing.iqr_ms >= 0
        assert timing.blocks == BRIEF.blocks
        assert timing.reference_ms > 0
    assert empty.median_ms < min(first.median_ms, second.median_ms)
    generous = 10 * max(first.iqr_ms, second.iqr_ms) + 0.5 * first.median_ms
    assert abs(first.median_ms - second.median_ms) <= generous


def test_an_unknown_device_names_the_nearest():
    with pytest.raises(UnknownNameError, match="no device named 'cpuu'.*Did you mean 'cpu'"):
        load_device("cpuu")
