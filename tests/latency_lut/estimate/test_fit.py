"""The fit: prices that made the figures are found again, and what counts as fallen back."""

import dataclasses
import sys

import numpy as np
import pytest

from vitnas.errors import DataError
from vitnas.latency_lut.estimate import load_model
from vitnas.latency_lut.estimate.cost import GUESS, OperatorWork, Prices
from vitnas.latency_lut.estimate.fit import UnseenNetwork, accuracy, first_guess, fit, leave_out
from vitnas.latency_lut.estimate.networks import layer_ops
from vitnas.latency_lut.estimate.published import (
    FAMILIES,
    GROUPS,
    Machine,
    MachineGroup,
    PublishedRow,
    family,
    fell_back,
    nominal_ms,
    read_rows,
)
from vitnas.search_spaces import load_space

HEADER = "device,chip,timm_name,resolution,latency_ms,compute_unit,precision,source,notes\n"


@pytest.fixture(scope="module")
def made():
    """Rows of random networks at prices that differ from the first guess."""
    rng = np.random.default_rng(0)
    truth = Prices.of(1.0, GUESS * rng.uniform(0.7, 1.4, len(GUESS)))
    rows, traces = [], {}
    for name in ("elasticvit", "efficientformer", "autoformer-tiny"):
        space = load_space(name)
        for i, arch in enumerate(space.sample(6, rng)):
            ops = [op for spec in space.lower(arch) for op in layer_ops(spec)]
            key = (f"{name}-{i}", 224)
            traces[key] = ops
            ms = truth.network_ms + truth.cost_ms(OperatorWork.of(ops)).sum()
            for device, factor in (("iphone12", 1.0), ("iphone13", 0.8)):
                rows.append(PublishedRow(device, *key, name, "paper", "paper", factor * ms, False))
    return rows, traces


@pytest.mark.heavy
def test_what_made_the_figures_is_found(made):
    rows, traces = made
    found = fit(rows, traces)
    errors = [found.ms(traces[r.network], r.device) / r.ms - 1 for r in rows]
    assert np.abs(errors).max() < 0.08
    assert found.factors["iphone12"] == pytest.approx(1.0, abs=0.001)
    assert found.factors["iphone13"] == pytest.approx(0.8, rel=0.05)


@pytest.mark.heavy
def test_a_family_left_out_is_not_seen(made):
    rows, traces = made
    spoilt = [dataclasses.replace(r, ms=r.ms * 9) if r.family == "elasticvit" else r for r in rows]
    points, of_spoilt = (
        [p for p in leave_out(each, traces, "iphone12", lambda r: r.family) if p.family == "elasticvit"]
        for each in (rows, spoilt)
    )
    assert [p.estimated_ms for p in points] == [p.estimated_ms for p in of_spoilt]


def test_intervals_come_from_other_families():
    rng = np.random.default_rng(1)
    points = [UnseenNetwork(f"m{i}", 224, f"f{i % 20}", 1.0, float(np.exp(rng.normal(0, 0.2)))) for i in range(4000)]
    found = accuracy(points)
    assert found.sigma == pytest.approx(0.2, rel=0.05)
    assert found.within_sigma == pytest.approx(0.68, abs=0.02)
    assert found.within_90 == pytest.approx(0.9, abs=0.02)
    assert found.families == 20


def test_rows_are_picked_and_doubts_left_out(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(
        HEADER
        + "iPhone 12 Pro,A14,deit_tiny_patch16_224,224,3.4,ALL,fp16,One paper Table 2,\n"
        + "iPhone 12,A14,swin_tiny_patch4_window7_224,224,,ALL,fp16,Two paper,reported 'NS'\n"
        + "iPhone 13,A15,vit_base_patch16_224,224,5,CPU,fp16,Three,\n"
        + "iPhone 13,A15,vit_base_patch16_224,224,5,ALL,int8,Three,\n"
        + "iPhone 13,A15,mobilevit_s,256,3.4,ALL,fp16,Three,likely transcription error\n"
        + "Pixel 6,T1,mobilevit_s,256,3.4,ALL,fp16,Three,\n"
    )
    first, second = read_rows(path)
    assert (first.device, first.family, first.source, first.ms) == ("iphone12", "vit", "One paper", 3.4)
    assert (second.ms, second.noted_fallback) == (None, True)
    path.write_text("device,chip\n")
    with pytest.raises(DataError, match="lacks the columns"):
        read_rows(path)
    with pytest.raises(DataError, match="does not exist"):
        read_rows(tmp_path / "none.csv")


def test_other_machines_have_rows_of_their_own(tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(
        HEADER.replace("source", "runtime,batch,source")
        + "NVIDIA RTX 4090,Ada,vit_small_patch16_224,224,90,GPU,amp,PyTorch 2.9.1 torch.compile,1024,timm x,\n"
        + "NVIDIA RTX 4090,Ada,vit_small_patch16_224,224,99,GPU,amp,PyTorch 2.9.1 eager,1024,timm x,\n"
        + "NVIDIA RTX 4090,Ada,vit_small_patch16_224,224,70,GPU,amp,PyTorch 2.9.1 torch.compile,768,timm x,\n"
        + "Samsung Galaxy S24,Gen 3,resnet18,1x3x224,0.9,NPU,float,QAIRT/tflite,1,hub y,\n"
    )
    assert [(row.device, row.ms) for row in read_rows(path, GROUPS["rtx4090"])] == [("rtx4090", 90.0)]
    assert [(row.model, row.image_size) for row in read_rows(path, GROUPS["galaxy-s24-npu"])] == [("resnet18", 224)]
    assert read_rows(path) == []


@pytest.mark.heavy
@pytest.mark.parametrize("times", [1.0, 50.0])
def test_a_machine_of_unknown_speed_is_found_by_its_scale(made, times):
    rows, traces = made
    mine = [dataclasses.replace(r, device="m", ms=r.ms * times) for r in rows if r.device == "iphone12"]
    group = MachineGroup({"m": Machine(("M",), "m")}, "r", "fp32", ("m",))
    found = fit(mine, traces, group)
    errors = [found.ms(traces[r.network], "m") / r.ms - 1 for r in mine]
    assert np.abs(errors).max() < 0.12
    batched = first_guess(mine, traces, dataclasses.replace(group, batch=64))
    assert batched[0] / batched[1] == pytest.approx(GUESS[0] / GUESS[1] / 64), "a batch pays a call once"


def test_fallen_back_is_what_no_such_machine_would_take():
    space = load_space("deit")
    ops = [op for spec in space.lower(space.smallest()) for op in layer_ops(spec)]
    row = PublishedRow("iphone12", "m", 224, "f", "s", "s", 1.4 * nominal_ms(ops), False)
    assert not fell_back(row, ops)
    assert fell_back(dataclasses.replace(row, ms=1.6 * nominal_ms(ops)), ops)
    assert fell_back(dataclasses.replace(row, noted_fallback=True), ops)
    assert nominal_ms([]) == pytest.approx(0.28)


def test_families_with_longer_names_come_first():
    for i, name in enumerate(FAMILIES):
        assert not any(name.startswith(earlier) for earlier in FAMILIES[:i])
    assert family("deit_tiny_patch16_224") == family("vit_base_mci_224") == "vit"
    assert family("fastvit_mci2") == "fastvit"
    assert family("newnet_s") == "newnet_s"


def test_costing_needs_no_torch():
    import subprocess

    code = (
        "import sys; from vitnas.latency_lut.estimate import Op, load_model; "
        "print(load_model('iphone12').estimate([Op('conv', 'conv2d', (1, 8, 4, 4), 9000, 900, 900, 90)], 'iphone12').ms); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > load_model("iphone12").network_ms("iphone12")
