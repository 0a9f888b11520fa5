"""The network at its precisions: it is what was simulated, kept in a file and read again as it was."""

from __future__ import annotations

import pytest
import torch

from tests.deployment.compressed.networks import at, blueprint, folded, images
from vitnas.deployment.compressed.figures import rows
from vitnas.deployment.compressed.network import Reference, read_executed, reference, write_executed
from vitnas.deployment.compressed.qdq import at_precision, precisions_of
from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.model_card import CARD, _precisions
from vitnas.deployment.verification import answers, compare
from vitnas.deployment.verify import images_for, verify
from vitnas.errors import ExportError
from vitnas.reporting.terminal.exports import print_verified
from vitnas.search_spaces import load_space
from vitnas.search_spaces.compressed import compressed
from vitnas.supernets.data import load_dataset
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.exported import read_report


def off(a: torch.Tensor, b: torch.Tensor) -> float:
    return compare(a, b, a.argmax(dim=1)).mean_difference


@pytest.mark.parametrize("precision", ["w8a8", "w7a8", "w4a8", "w8", "w6", "w4", "w2", "p6", "p3"])
def test_a_transformer_answers_as_it_was_simulated(precision):
    """No output of its layers is rounded, so both are one function."""
    found = at("transformer", ("attention", precision), ("ffn", precision))
    assert off(answers(found.simulated, images()), answers(found.network, images())) <= 1e-5
    assert {site: str(one) for site, one in precisions_of(found.network).items()} == {
        "attention": precision, "ffn": precision,
    }  # fmt: skip


@pytest.mark.parametrize("precision", ["w8a8", "w8", "p4"])
def test_a_hybrid_does_up_to_the_bytes_that_its_convolutions_give(precision):
    found = at("hybrid", ("stem", precision), ("bridge", precision), ("local", precision))
    x = images()
    rounding = 0.03 if precision == "w8a8" else 1e-5
    assert off(answers(found.simulated, x), answers(found.network, x)) <= rounding
    assert off(answers(folded("hybrid"), x), answers(found.network, x)) <= (0.6 if precision == "p4" else 0.05)


def test_float_layers_are_the_very_same():
    found = at("transformer", ("ffn", "w4"))
    layers = dict(folded("transformer").named_children())
    same = [site for site, layer in found.network.named_children() if layer is layers[site]]
    assert same == ["stem", "attention", "ffn2", "head"]
    assert reference(folded("transformer"), blueprint("transformer"), images(), "L0") is None


@pytest.mark.parametrize("network", ["transformer", "hybrid"])
def test_is_read_as_it_was_written(network, tmp_path):
    sites = {"transformer": ("attention", "ffn", "ffn2"), "hybrid": ("stem", "bridge", "local")}[network]
    found = at(network, *zip(sites, ("w7a8", "w4", "p4"), strict=True))
    write_executed(found.executed, tmp_path / "executed.safetensors")
    again = at_precision(folded(network), read_executed(tmp_path / "executed.safetensors"))
    assert torch.equal(answers(again, images()), answers(found.network, images()))
    simulated = Reference.of(folded(network), read_executed(tmp_path / "executed.safetensors")).simulated
    assert off(answers(found.simulated, images()), answers(simulated, images())) <= 1e-5


SPACE = load_space("autoformer-mini")
ONE = compressed(SPACE, ["w7a8", "w4"])


@pytest.mark.heavy
def test_an_arch_is_exported_as_it_says_and_verified_later(tmp_path, capsys):
    arch = ONE.compress(SPACE.smallest(), {"block0_attention": "w7a8", "block0_ffn": "w4"})
    digits, out = load_dataset("digits"), tmp_path / "out"
    settings = ExportSettings(formats=("torch",), verify_images=60, quantise="L1", measure=False)
    report = export(ONE, Supernet(SPACE, seed=3), arch, digits, out, settings)
    told, found = report["compression"], report["formats"]["torch"]
    assert told["layers"] == {"block0_attention": "w7a8", "block0_ffn": "w4"}
    assert (told["level"], told["num_images"]) == ("L1", 60)
    assert found["layers"] == {"asked": 2, "as_asked": 2}
    assert found["accuracy_after"] == told["reference_accuracy"] == found["accuracy_before"]
    assert "2 of 8 layers are not in float: 1 at w4, 1 at w7a8 (level L1)" in (out / CARD).read_text()
    again = verify(out, images_for(read_report(out), None), measure=False)
    assert again["formats"]["torch"]["accuracy_after"] == found["accuracy_after"]
    assert again["formats"]["torch"]["layers"] == found["layers"]
    same = {**told, "simulated_accuracy": again["compression"]["simulated_accuracy"]}  # of sums in another order
    assert again["compression"] == same
    assert again["compression"]["simulated_accuracy"] == pytest.approx(told["simulated_accuracy"], abs=1.5 / 60)
    print_verified({str(out): again})
    printed = capsys.readouterr().out
    assert "2 of 8 layers are not in float: 1 at w4, 1 at w7a8 (level L1)" in printed
    numbers = f"{same['simulated_accuracy']:.2%}", f"{found['accuracy_after']:.2%}", "2 of 2"
    assert all(number in next(line for line in printed.splitlines() if "2 of 2" in line) for number in numbers)
    assert [row[3] for row in rows(again)] == ["-"]  # PyTorch is not how it is deployed

    content = bytearray((out / "executed.safetensors").read_bytes())
    content[-50] ^= 1
    (out / "executed.safetensors").write_bytes(content)
    with pytest.raises(ExportError, match="does not say what is executed"):
        verify(out, images_for(read_report(out), None), measure=False)


def test_work_on_rounded_layers_is_refused_where_no_arch_has_any(tmp_path):
    digits = load_dataset("digits")
    for formats in (("torch",), ("onnx", "onnx-int8")):
        settings = ExportSettings(formats=formats, quantise="L2", measure=False)
        with pytest.raises(ExportError, match="quantise 'L2' is for layers .* all are in float; leave it out"):
            export(SPACE, Supernet(SPACE), SPACE.smallest(), digits, tmp_path / "out", settings)


def test_an_arch_in_float_of_a_space_with_precisions_is_exported_as_it_is(tmp_path):
    said, arch = [], ONE.compress(SPACE.smallest(), "float")
    settings = ExportSettings(formats=("torch",), quantise="L1", measure=False, verify_images=16, accuracy_images=16)
    export(ONE, Supernet(SPACE), arch, load_dataset("digits"), tmp_path / "out", settings, progress=said.append)
    assert f"{arch.id} has all its layers in float" in said


def test_the_card_says_on_how_many_threads_and_which_kernels_round_more():
    found = {"accuracy_after": 0.5, "latency_ms": 1.0, "layers": {"as_asked": 1, "asked": 1}, "threads": 2}
    told = {
        "layers": {"ffn": "w8"}, "level": "L0", "num_images": 2,
        "float_accuracy": 0.5, "reference_accuracy": 0.5, "simulated_accuracy": 0.5,
    }  # fmt: skip
    formats = {"onnx": found | {"rounds_besides": ["ffn"]}, "torch": found | {"rounds_besides": []}}
    report = {"compression": told, "formats": formats, "blueprint": [{}, {}], "processor": "a processor"}
    text = "\n".join(_precisions(report))
    assert "(a processor, 2 threads)" in text
    assert (
        "The runtime of `onnx` also rounds the activations of 1 layers whose weights alone are in few bits: ffn."
        in text
    )
    assert "`torch` also" not in text
