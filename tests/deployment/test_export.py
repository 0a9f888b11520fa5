"""Exports end complete and right, or with nothing: checked with a format that is only a copy of the network."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from vitnas.deployment.export import ExportSettings, export, export_all
from vitnas.deployment.exporters import EXPORTERS, Exporter
from vitnas.deployment.exporters.exporter import Facts
from vitnas.errors import DataError, DeviceError, ExportError, InvalidArchError, SettingsError, UnknownNameError
from vitnas.search_spaces import Arch, Task, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.judgement import wilson
from vitnas.supernets.supernet import Supernet, build_network
from vitnas.supernets.weights.exported import read_report

SPACE = load_space("autoformer-mini")
COPY = ExportSettings(formats=("copy",), measure=False)


class Copy(Exporter):
    """Writes a stub and keeps the network itself; a subclass may tamper with it."""

    name = "copy"
    kept: ClassVar[dict[Path, nn.Module]] = {}

    def export(self, network: nn.Module, example: torch.Tensor, facts: Facts, folder: Path) -> Path:
        path = folder / "copy.bin"
        path.write_bytes(b"12345")
        self.kept[path] = self.tamper(copy.deepcopy(network))
        return path

    def tamper(self, network: nn.Module) -> nn.Module:
        return network

    def run(self, path: Path, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.kept[path](x)


class Tampered(Copy):
    name = "tampered"

    def tamper(self, network: nn.Module) -> nn.Module:
        for name, child in network.named_children():
            if name == "block1_ffn":
                child.reduce_bias.data[0] += 0.5  # one channel only: norm layers forget a common shift
        return network


class Unable(Copy):
    name = "unable"

    def tamper(self, network: nn.Module) -> nn.Module:
        if "head" in dict(network.named_children()):
            raise RuntimeError("operator 'gather' is not for this target\nand a page of detail")
        return network


class NotANumber(Copy):
    name = "nan"

    def run(self, path: Path, x: torch.Tensor) -> torch.Tensor:
        return super().run(path, x) * torch.nan


@pytest.fixture(autouse=True)
def copy_format(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"copy": Copy, "tampered": Tampered, "unable": Unable, "nan": NotANumber}
    load = EXPORTERS.load
    monkeypatch.setattr(EXPORTERS, "load", lambda name: own.get(name) or load(name))


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return Supernet(SPACE, seed=1).eval()


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def arch() -> Arch:
    return SPACE.sample(1, np.random.default_rng(3))[0]


def test_folder_holds_what_rebuilds_the_network(supernet, digits, arch, tmp_path):
    report = export(SPACE, supernet, arch, digits, tmp_path / "out", COPY, latency_ms={"cpu": 0.25})
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == [
        ".vitnas.json",
        "README.md",
        "arch.json",
        "copy.bin",
        "report.json",
        "weights.safetensors",
    ]
    read = Arch.from_json(json.loads((out / "arch.json").read_text()))
    network = build_network(load_space(read.space).lower(read))
    network.load_state_dict(load_file(out / "weights.safetensors"))
    with torch.no_grad():
        x = digits.val.sample(5).all()[0]
        torch.testing.assert_close(network.eval()(x), supernet(x, arch), atol=1e-5, rtol=0)
    assert read_report(out) == report


def test_report_says_what_was_found(supernet, digits, arch, tmp_path):
    report = export(SPACE, supernet, arch, digits, tmp_path / "out", COPY, latency_ms={"cpu": 0.25})
    with torch.no_grad():
        x, y = digits.val.all()
        right = (supernet(x, arch).argmax(1) == y).double().mean().item()
    found = report["formats"]["copy"]
    assert found["size_bytes"] == 5
    assert found["num_images"] == len(digits.val)
    assert found["accuracy_before"] == found["accuracy_after"] == pytest.approx(right)
    assert found["max_difference"] == 0.0
    assert found["limits"]["hold"] is True
    assert report["counts"]["num_params"] == count(SPACE.lower(arch)).num_params
    assert report["normalisation"]["mean"] == list(digits.mean)
    assert report["task"]["num_classes"] == 10
    assert report["predicted_latency_ms"] == {"cpu": 0.25}
    assert [layer["site"] for layer in report["blueprint"]] == list(SPACE.lower(arch).sites)


def test_accuracy_is_that_of_all_images_and_parity_that_of_a_sample(supernet, digits, arch, tmp_path):
    settings = replace(COPY, verify_images=20)
    report = export(SPACE, supernet, arch, digits, tmp_path / "out", settings)
    network = supernet.extract(arch)
    told, test = report["accuracy"], report["accuracy"]["test"]
    assert told["exported"] == evaluate(network, digits.val).accuracy
    assert (told["num_images"], told["out_of"], told["shared"]) == (len(digits.val), len(digits.val), None)
    assert test["accuracy"] == evaluate(network, digits.test).accuracy
    assert (test["num_images"], test["out_of"]) == (len(digits.test), len(digits.test))
    assert test["interval"] == pytest.approx(list(wilson(test["accuracy"], 180)))
    few = digits.val.sample(20)
    assert report["formats"]["copy"]["accuracy_after"] == evaluate(network, few).accuracy
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"| as exported | {len(digits.val)} validation images | {told['exported']:.2%} |" in card
    assert f"| as exported | **180 test images** | {test['accuracy']:.2%} | {test['interval'][0]:.1%} to" in card
    assert f"Each was run on a stratified sample of 20 of {len(digits.val)} validation images" in card
    assert f"      split: test\n    metrics:\n    - type: accuracy\n      value: {test['accuracy']:.4f}" in card


def test_a_limit_on_accuracy_is_a_sample_and_the_card_says_so(supernet, digits, arch, tmp_path):
    settings = replace(COPY, accuracy_images=50)
    report = export(SPACE, supernet, arch, digits, tmp_path / "out", settings)
    network = supernet.extract(arch)
    assert report["accuracy"]["exported"] == evaluate(network, digits.val.sample(50)).accuracy
    assert report["accuracy"]["test"]["accuracy"] == evaluate(network, digits.test.sample(50)).accuracy
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"a stratified sample of 50 of {len(digits.val)} validation images" in card
    assert "**a stratified sample of 50 of 180 test images**" in card


def test_a_card_without_test_images_says_so(supernet, digits, arch, tmp_path):
    report = export(SPACE, supernet, arch, replace(digits, test=None), tmp_path / "out", COPY)
    assert report["accuracy"]["test"] is None
    card = (tmp_path / "out" / "README.md").read_text()
    assert "No test images were kept" in card
    assert "split: validation" in card


def test_a_plain_network_exports_as_the_supernet_does(supernet, digits, arch, tmp_path):
    export(SPACE, supernet, arch, digits, tmp_path / "a", COPY)
    export(SPACE, supernet.extract(arch), arch, digits, tmp_path / "b", COPY)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


def test_a_network_of_another_arch_is_refused(supernet, digits, tmp_path):
    with pytest.raises(ExportError, match="is not arch"):
        export(SPACE, supernet.extract(SPACE.largest()), SPACE.smallest(), digits, tmp_path / "out", COPY)


def test_tampered_weights_fail_and_name_their_layer(supernet, digits, tmp_path):
    arch = SPACE.largest()
    with pytest.raises(ExportError, match=r"format 'tampered'.*over the limit of 0\.0001.*layer 'block1_ffn'"):
        export(SPACE, supernet, arch, digits, tmp_path / "out", ExportSettings(formats=("copy", "tampered")))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_export_leaves_the_older_one(supernet, digits, arch, tmp_path):
    export(SPACE, supernet, arch, digits, tmp_path / "out", COPY)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    with pytest.raises(ExportError):
        export(SPACE, supernet, SPACE.largest(), digits, tmp_path / "out", ExportSettings(formats=("nan",)), force=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_operator_that_the_target_cannot_take_is_named_with_its_layer(supernet, digits, arch, tmp_path):
    with pytest.raises(
        ExportError, match=r"layer 'head' \(classifier .*\) cannot be taken: operator 'gather'"
    ) as caught:
        export(SPACE, supernet, arch, digits, tmp_path / "out", ExportSettings(formats=("unable",)))
    assert "page of detail" not in str(caught.value)


def test_a_full_folder_is_refused_without_force(supernet, digits, arch, tmp_path):
    export(SPACE, supernet, arch, digits, tmp_path, COPY)  # empty, so welcome
    with pytest.raises(ExportError, match=r"is not empty.*--force"):
        export(SPACE, supernet, SPACE.largest(), digits, tmp_path, COPY)
    report = export(SPACE, supernet, SPACE.largest(), digits, tmp_path, COPY, force=True)
    assert json.loads((tmp_path / "report.json").read_text())["arch_id"] == report["arch_id"] == SPACE.largest().id


def test_force_replaces_only_what_vitnas_wrote(supernet, digits, arch, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match=r"holds 'thesis\.txt', which vitnas did not write"):
        export(SPACE, supernet, arch, digits, tmp_path, COPY, force=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_force_replaces_a_whole_export_and_nothing_that_came_into_it(supernet, digits, arch, tmp_path):
    out = tmp_path / "out"
    export(SPACE, supernet, arch, digits, out, COPY)
    export(SPACE, supernet, SPACE.largest(), digits, out, COPY, force=True)
    assert read_report(out)["arch_id"] == SPACE.largest().id
    (out / "thesis.txt").write_text("years of work")
    (out / "README.md").write_text("my own card")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    with pytest.raises(ExportError, match=r"--force replaces only what vitnas wrote.*'README\.md', 'thesis\.txt'"):
        export(SPACE, supernet, arch, digits, out, COPY, force=True)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_force_follows_no_link(supernet, digits, arch, tmp_path):
    export(SPACE, supernet, arch, digits, tmp_path / "other", COPY)
    (tmp_path / "out").symlink_to(tmp_path / "other")
    before = {p.name: p.read_bytes() for p in (tmp_path / "other").iterdir()}
    with pytest.raises(ExportError, match="is a link to"):
        export(SPACE, supernet, SPACE.largest(), digits, tmp_path / "out", COPY, force=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "other").iterdir()} == before


def test_a_predictor_folder_is_no_export(supernet, digits, arch, tmp_path):
    (tmp_path / "predictor.safetensors").write_bytes(b"fitted for hours")
    (tmp_path / "report.json").write_text('{"space": "autoformer-mini", "scores": [0.5]}')
    with pytest.raises(ExportError, match=r"holds 'predictor\.safetensors', 'report\.json'"):
        export(SPACE, supernet, arch, digits, tmp_path, COPY, force=True)
    assert (tmp_path / "predictor.safetensors").read_bytes() == b"fitted for hours"


@pytest.mark.parametrize("several", [False, True])
def test_an_export_of_an_earlier_version_is_replaced_as_far_as_its_report_goes(
    supernet, digits, arch, tmp_path, several
):
    out = tmp_path / "out"

    def write(force: bool) -> None:
        if several:
            export_all(SPACE, supernet, [arch, SPACE.largest()], digits, out, COPY, force=force)
        else:
            export(SPACE, supernet, arch, digits, out, COPY, force=force)

    write(force=False)
    (out / ".vitnas.json").unlink()
    inside = out / f"000-{arch.id}" if several else out
    (inside / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match=r"thesis\.txt', which vitnas did not write"):
        write(force=True)
    (inside / "thesis.txt").unlink()
    (inside / "copy.bin").write_bytes(b"123456")
    with pytest.raises(ExportError, match=r"copy\.bin"):
        write(force=True)
    (inside / "copy.bin").write_bytes(b"12345")
    os.utime(inside / "README.md", (2e9, 2e9))  # edited since
    with pytest.raises(ExportError, match=r"README\.md"):
        write(force=True)
    (inside / "README.md").unlink()
    write(force=True)
    assert (inside / "README.md").exists()


def test_a_file_in_the_way_is_refused(supernet, digits, arch, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="is a file"):
        export(SPACE, supernet, arch, digits, tmp_path / "file", COPY, force=True)
    with pytest.raises(ExportError, match="cannot write below"):
        export(SPACE, supernet, arch, digits, tmp_path / "file" / "out", COPY)


@pytest.mark.parametrize(
    ("formats", "error", "message"),
    [
        (("onxn",), UnknownNameError, "Did you mean 'onnx'"),
        ((), SettingsError, "one or more formats"),
        (("copy", "copy"), SettingsError, "each once"),
    ],
)
def test_odd_formats_are_refused(supernet, digits, arch, tmp_path, formats, error, message):
    with pytest.raises(error, match=message):
        export(SPACE, supernet, arch, digits, tmp_path / "out", ExportSettings(formats=formats))
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_here_is_refused_before_anything_is_written(supernet, digits, arch, tmp_path):
    settings = replace(COPY, formats=("unable",), measure=True, devices=("iphone12",))
    with pytest.raises(DeviceError, match="device 'iphone12' cannot time the network"):
        export(SPACE, supernet, arch, digits, tmp_path / "out", settings)
    assert not list(tmp_path.iterdir())


def test_an_arch_of_another_space_and_data_of_another_task_are_refused(supernet, digits, arch, tmp_path):
    with pytest.raises(InvalidArchError, match="belongs to space"):
        export(SPACE, supernet, load_space("deit").smallest(), digits, tmp_path / "out", COPY)
    other = load_space("autoformer-mini", Task(image_size=16, num_classes=10, in_channels=1))
    with pytest.raises(DataError, match="16x16"):
        export(other, Supernet(other), other.smallest(), digits, tmp_path / "out", COPY)
    none = digits.val.only(np.arange(0))
    with pytest.raises(ExportError, match="0 images in split 'val'"):
        export(
            SPACE,
            supernet,
            arch,
            replace(digits, val=none),
            tmp_path / "out",
            COPY,
        )


def test_the_supernet_stays_as_it_was(digits, arch, tmp_path):
    training = Supernet(SPACE, seed=1).train()
    training.layers["stem-patch_embedding"].eval()
    before = {name: module.training for name, module in training.named_modules()}
    export(SPACE, training, arch, digits, tmp_path / "out", COPY)
    assert {name: module.training for name, module in training.named_modules()} == before


def test_an_extraction_that_strays_from_its_supernet_is_refused(supernet, digits, arch, tmp_path, monkeypatch):
    extract = Supernet.extract

    def extract_badly(self: Supernet, arch: Arch) -> nn.Sequential:
        network = extract(self, arch)
        with torch.no_grad():
            network.head.linear.bias[0] += 0.01
        return network

    monkeypatch.setattr(Supernet, "extract", extract_badly)
    with pytest.raises(ExportError, match=r"differs from its supernet by .* over the limit of 0\.0001"):
        export(SPACE, supernet, arch, digits, tmp_path / "out", COPY)


def test_weights_that_are_not_finite_are_refused(digits, arch, tmp_path):
    lost = Supernet(SPACE)
    with torch.no_grad():
        lost.layers["head-classifier"].linear.bias.fill_(torch.nan)
    with pytest.raises(ExportError, match="not finite"):
        export(SPACE, lost, arch, digits, tmp_path / "out", COPY)


def test_a_front_is_one_folder_an_arch_in_order(supernet, digits, tmp_path):
    archs = SPACE.sample(3, np.random.default_rng(0))
    latency = [{"cpu": float(i)} for i in range(3)]
    reports = export_all(SPACE, supernet, archs, digits, tmp_path / "all", COPY, latency_ms=latency)
    folders = sorted(p.name for p in (tmp_path / "all").iterdir() if p.is_dir())
    assert folders == [f"{i:03d}-{arch.id}" for i, arch in enumerate(archs)]
    assert json.loads((tmp_path / "all" / "report.json").read_text())["exports"] == folders
    assert [r["predicted_latency_ms"]["cpu"] for r in reports] == [0.0, 1.0, 2.0]
    with pytest.raises(ExportError, match="not empty"):
        export_all(SPACE, supernet, archs, digits, tmp_path / "all", COPY)
    with pytest.raises(ExportError, match="no arch"):
        export_all(SPACE, supernet, [], digits, tmp_path / "none", COPY)


@pytest.mark.slow
def test_an_arch_with_a_resolution_of_its_own_is_exported_at_it(tmp_path):
    dataset = load_dataset(DataSettings("digits", image_size=64, in_channels=3))
    space = load_space("elasticvit", dataset.task)
    arch = space.smallest()
    size = space.lower(arch).in_shape[-1]
    assert size != 64
    report = export(space, Supernet(space, seed=0), arch, dataset, tmp_path / "out", replace(COPY, verify_images=8))
    assert report["formats"]["copy"]["max_difference"] <= 1e-4
    deployed = Copy.kept[next(path for path in Copy.kept if path.parent.name.startswith(".out"))]
    with pytest.raises(RuntimeError):
        deployed(torch.zeros(2, 3, 64, 64))  # the graph holds no interpolation
