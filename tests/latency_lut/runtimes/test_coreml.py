import json
from collections import Counter

import pytest
import torch
from torch import nn

from vitnas.errors import ExportError
from vitnas.latency_lut.runtimes.coreml import CoreMLFiles, to_coreml
from vitnas.search_spaces import Blueprint, LayerSpec

FEED_FORWARD = LayerSpec.of("feed_forward", (17, 48), (17, 48), hidden=96)
ATTENTION = LayerSpec.of("attention", (17, 48), (17, 48), heads=2, head_width=16, reach=0)


def read(path):
    import coremltools

    model = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
    (block,) = model.mlProgram.functions["main"].block_specializations.values()
    return model, Counter(op.type for op in block.operations)


def sides(features):
    return [(f.name, tuple(f.type.multiArrayType.shape), f.type.multiArrayType.dataType) for f in features]


def test_a_layer_becomes_a_package(tmp_path, capfd):
    path = CoreMLFiles(tmp_path, batch=2).file(Blueprint.single(FEED_FORWARD))
    model, operators = read(path)
    float32 = 65568  # as Core ML's ArrayDataType numbers it
    assert sides(model.description.input) == [("image", (2, 17, 48), float32)]
    assert sides(model.description.output) == [("logits", (2, 17, 48), float32)]
    assert (operators["linear"], operators["gelu"]) == (2, 1)
    weights = (path / "Data" / "com.apple.CoreML" / "weights" / "weight.bin").stat().st_size
    assert 2 * 9312 <= weights < 3 * 9312  # 16 bits each, and a little to align them
    assert {part.name for part in path.iterdir()} == {"Data", "Manifest.json"}
    assert json.loads((path / "Manifest.json").read_text())["rootModelIdentifier"]
    assert capfd.readouterr() == ("", "")


def test_the_iphones_of_ios_18_run_attention_as_one_operator(tmp_path):
    operators = {}
    for ios in (16, 18):
        folder = tmp_path / str(ios)
        folder.mkdir()
        _, operators[ios] = read(CoreMLFiles(folder, ios=ios).file(Blueprint.single(ATTENTION)))
    assert "scaled_dot_product_attention" not in operators[16]
    assert operators[18]["scaled_dot_product_attention"] == 1


def test_an_operator_that_core_ml_lacks_is_named(tmp_path):
    class Singular(nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x)

    module = Singular()
    with pytest.raises(
        ExportError, match="Core ML has no 'spectral_layer': .*linalg_svdvals.*; leave this kind of layer out"
    ):
        to_coreml(module, torch.zeros(1, 4, 4), tmp_path / "bad.mlpackage", what="spectral_layer")
    assert module.training
    assert list(tmp_path.iterdir()) == []


def test_an_ios_without_programs_is_refused(tmp_path):
    with pytest.raises(ExportError, match="makes no programs for iOS 13; choose one from 15 to 18"):
        to_coreml(nn.ReLU(), torch.zeros(1, 4), tmp_path / "old.mlpackage", ios=13)


def test_it_does_not_matter_how_the_example_lies_in_memory(tmp_path):
    gray = torch.zeros(2, 8, 8, 3).permute(0, 3, 1, 2)[:, :1]
    to_coreml(nn.Conv2d(1, 4, 3), gray, tmp_path / "gray.mlpackage")
    model, _ = read(tmp_path / "gray.mlpackage")
    assert sides(model.description.input)[0][1] == (2, 1, 8, 8)
